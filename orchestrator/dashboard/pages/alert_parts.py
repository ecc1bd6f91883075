"""What the pages about alerts share: the filters of the list, and how alerts and messages about them are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, get_args

from markupsafe import Markup

from orchestrator.client.shown import AlertDescription, DeliveryDescription
from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.paging import cursor_links
from orchestrator.dashboard.look.parts import choice_field, text_field
from orchestrator.dashboard.look.search import chips, choices, filter_form
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, static_table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.needs import ALERTS, CHANNELS, KINDS
from orchestrator.dashboard.paths import alert_path, run_path, to
from orchestrator.settings import AlertLevel
from orchestrator.store.alerts import STATES, State

EVERY: Final = "all"
_OPEN: Final = "open"
_DELIVERY_COLUMNS: Final = (
    Column("State"),
    Column("Channel", "main"),
    Column("Alerts", "number wide"),
    Column("Attempts", "number wide"),
    Column("When", "number"),
    Column("What went wrong", "wide"),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What stands in the address; empty is not asked for, but of states: open ones."""

    state: str = ""
    kind: str = ""
    level: str = ""
    workflow: str = ""
    run: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filters:
        """Those of an address."""
        return cls(**{one.name: query.get(one.name, "").strip() for one in fields(cls)})

    @property
    def wanted(self) -> dict[str, str | None]:
        """As the client is asked, without the state."""
        asked = {"kind": self.kind, "level": self.level, "workflow": self.workflow, "run_id": self.run}
        return {name: value or None for name, value in asked.items()}

    @property
    def states(self) -> State | None:
        """The one state that is asked for; None: any."""
        return next((one for one in STATES if one == (self.state or _OPEN)), None)

    @property
    def narrowed(self) -> bool:
        """Whether anything but the state is asked for."""
        return any(self.wanted.values())

    @property
    def address(self) -> str:
        """The address of the list with these filters."""
        return to(ALERTS, {one.name: getattr(self, one.name) for one in fields(self)})

    def having(self, **changes: str) -> Filters:
        """With some of them changed, and from the first page."""
        return replace(self, cursor="", **changes)


def alerts_form(filters: Filters, workflows: Sequence[str]) -> Markup:
    """The form; it is sent by the browser itself, so that the address always says what is shown."""
    levels = {"": "any", **{one: one for one in get_args(AlertLevel)}}
    inputs = [
        text_field("Run", "run", filters.run, placeholder="The id of a run", data_search=True, autocomplete="off"),
        choice_field("About", "kind", {"": "anything", **KINDS}, filters.kind),
        choice_field("Level", "level", levels, filters.level),
        choice_field("Workflow", "workflow", choices("all", workflows, filters.workflow), filters.workflow),
    ]
    clear = to(ALERTS, {"state": filters.state}) if filters.narrowed else None
    return filter_form(ALERTS, inputs, kept={"state": filters.state}, clear=clear, button="Filter")


def state_chips(filters: Filters) -> Markup:
    """A link for each state."""
    chosen = filters.state or _OPEN
    words = {state: state for state in (*STATES, EVERY)}
    return chips(words, chosen, lambda state: filters.having(state=state).address, "States")


def pages(filters: Filters, cursor: str | None) -> Markup:
    """Where to go on, and back to the beginning."""
    first = filters.having().address if filters.cursor else None
    return cursor_links(first, replace(filters, cursor=cursor).address if cursor else None)


def row(alert: AlertDescription) -> Sequence[Child]:
    """An alert as a row."""
    return (
        badge(alert.level),
        joined([tag("a", alert.title, href=alert_path(alert.id)), tag("span", alert.text, class_="under")]),
        badge(alert.state),
        run_link(alert),
        f"{alert.count:,}",
        moment(alert.last_at),
        told(alert.deliveries),
    )


def run_link(alert: AlertDescription) -> Child:
    """The run that it is about, if it is about one."""
    if alert.run_id is None:
        return tag("span", "–", class_="none")
    return tag("a", alert.run_id, href=run_path(alert.run_id), class_="mono clip", title=alert.run_id)


def told(deliveries: Sequence[DeliveryDescription]) -> Child:
    """Whom it was told, in short."""
    if not deliveries:
        return tag("span", "nobody", class_="none")
    return joined([badge(one.state, one.channel, title=one.state) for one in deliveries], " ")


def deliveries_table(deliveries: Sequence[DeliveryDescription], caption: str) -> Markup:
    """Messages, each with what has become of it."""
    return static_table(caption, _DELIVERY_COLUMNS, [delivery_row(one) for one in deliveries])


def delivery_row(one: DeliveryDescription) -> Sequence[Child]:
    """A message as a row."""
    return (
        badge(one.state),
        joined([one.channel, tag("span", one.id, class_="under mono wide"), *_narrow(one)]),
        f"{one.count:,}",
        f"{one.attempts:,}",
        when(one),
        one.error or "",
    )


def _narrow(one: DeliveryDescription) -> list[Markup]:
    """What small screens show below the channel."""
    return [tag("span", one.error, class_="under narrow")] if one.error else []


def when(one: DeliveryDescription) -> Markup:
    """When it was sent, or will be tried again, or was made."""
    if one.sent_at:
        return moment(one.sent_at)
    if one.due_at:
        return joined(["next ", moment(one.due_at)])
    return moment(one.created_at)


def channels_link() -> Markup:
    """To where alerts go."""
    return tag("a", "Channels and messages", href=to(CHANNELS), class_="button")


def note_of(values: Mapping[str, Any]) -> str:
    """The comment that a dialog was given."""
    return str(values.get("reason", ""))
