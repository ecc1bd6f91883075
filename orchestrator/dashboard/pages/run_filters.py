"""The filters of the list of runs: as they stand in the address, as a query, and as a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from markupsafe import Markup

from orchestrator.client.search import STATUSES, Query
from orchestrator.dashboard.look.markup import tag
from orchestrator.dashboard.look.paging import cursor_links
from orchestrator.dashboard.look.parts import choice_field, text_field
from orchestrator.dashboard.look.search import chips, choices, filter_form, search_box
from orchestrator.dashboard.paths import to
from orchestrator.engine.sla import SlaState

PATH: Final = "/runs"
SPANS: Final[Mapping[str, str]] = {
    "": "any time",
    "15m": "last 15 minutes",
    "1h": "last hour",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "30d": "last 30 days",
}
ORDERS: Final[Mapping[str, str]] = {"": "newest first", "oldest": "oldest first"}
_SHOWN: Final = ("running", "failed", "paused", "compensating", "completed", "cancelled", "pending")
"""The statuses, in the order in which operators ask for them."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What stands in the address; empty is not asked for."""

    text: str = ""
    workflow: str = ""
    version: str = ""
    status: str = ""
    since: str = ""
    until: str = ""
    tag: str = ""
    sla: str = ""
    where: str = ""
    """`NAME=VALUE`, by a search field."""
    sort: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filters:
        """Those of an address; what is not known there is left out."""
        return cls(**{one.name: query.get(one.name, "").strip() for one in fields(cls)})

    @property
    def asked(self) -> dict[str, str]:
        """What narrows the list down."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in ("sort", "cursor") and getattr(self, one.name)
        }

    @property
    def address(self) -> str:
        """The address of the list with these filters."""
        return to(PATH, {one.name: getattr(self, one.name) for one in fields(self)})

    def having(self, **changes: str) -> Filters:
        """With some of them changed, and from the first page."""
        return replace(self, cursor="", **changes)

    def query(self, patterns: tuple[str, ...]) -> Query:
        """What is asked of the client."""
        name, _, value = self.where.partition("=")
        return Query(
            self.workflow or None,
            self.version or None,
            self.status or None,
            self.since or None,
            self.until or None,
            (self.tag,) if self.tag else (),
            {name: value} if name and value else {},
            self.text or None,
            self.sort == "oldest",
            patterns,
            sla=self.sla or None,
        )


def runs_form(filters: Filters, workflows: Sequence[str], versions: Sequence[str]) -> Markup:
    """The form; it is sent by the browser itself, so that the address always says what is shown."""
    spans = SPANS if filters.since in SPANS else {**SPANS, filters.since: f"since {filters.since}"}
    inputs = [
        search_box(filters.text, "Run id, or part of an id, a workflow or a tag"),
        choice_field("Workflow", "workflow", choices("all", workflows, filters.workflow), filters.workflow),
        choice_field("Version", "version", choices("all", versions, filters.version), filters.version)
        if filters.workflow
        else None,
        choice_field("Started", "since", spans, filters.since),
        *_rare(filters),
    ]
    return filter_form(PATH, inputs, kept={"status": filters.status}, clear=to(PATH) if filters.asked else None)


def _rare(filters: Filters) -> list[Markup]:
    """The filters that small screens show only while they are in use."""
    shown = (
        (filters.tag, text_field("Tag", "tag", filters.tag, autocomplete="off")),
        (filters.where, text_field("Field", "where", filters.where, placeholder="name=value", autocomplete="off")),
        (filters.sla, choice_field("SLA", "sla", choices("any", [*SlaState], filters.sla), filters.sla)),
        (filters.sort, choice_field("Order", "sort", ORDERS, filters.sort)),
    )
    return [tag("div", one, class_=None if value else "wide") for value, one in shown]


def status_chips(filters: Filters) -> Markup:
    """A link for each status."""
    rest = [one for one in STATUSES if one not in _SHOWN]
    words = {"": "all", **{one: one for one in (*_SHOWN, *rest)}}
    return chips(words, filters.status, lambda status: filters.having(status=status).address, "Statuses")


def pages(filters: Filters, cursor: str | None) -> Markup:
    """Where to go on, and back to the beginning."""
    first = filters.having().address if filters.cursor else None
    more = replace(filters, cursor=cursor).address if cursor else None
    return cursor_links(first, more)
