"""One alert: what happened, who sees to it, and whom it was told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.shown import AlertDescription
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import button, heading, html, key_values, show_if
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.alert_parts import Filters, deliveries_table, note_of, run_link
from orchestrator.dashboard.pages.alerts import COMMENT, OFTEN_S, WHY_NOT, WORDS, Verb, change
from orchestrator.dashboard.pages.needs import ALERTS, KINDS
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import run_path, to
from orchestrator.dashboard.visit import Visit

_OVER: Final = "resolved"


async def show(visit: Visit) -> None:
    """The page."""
    page = _AlertPage(visit, str(visit.request.path_params["alert_id"]))
    found = await visit.ask(page.read, visit.first)
    visit.entitle(found.title)
    page.build(found)
    visit.every(OFTEN_S, page.refresh)


class _AlertPage:
    """An alert as it stands in one browser."""

    def __init__(self, visit: Visit, alert_id: str) -> None:
        self.visit = visit
        self.alert_id = alert_id

    def read(self, caller: Caller) -> AlertDescription:
        """The alert, if they may see it."""
        return caller.client.alerts.get_seen(self.alert_id, caller.workflows)

    def build(self, alert: AlertDescription) -> None:
        """Put everything there."""
        why_not = "" if self.visit.allows(Role.OPERATOR) else WHY_NOT
        html(
            joined([tag("a", "Alerts", href=to(ALERTS)), " / ", tag("span", alert.id, class_="mono")]),
            class_="hint crumbs",
        )
        self.head = html(NOTHING)
        self.text = html(NOTHING)
        with ui.element("div").classes("bar").props("role=group") as bar:
            bar.props["aria-label"] = "Actions"
            self.buttons = {
                verb: button(word, self._asking(verb), kind="primary" if verb == "acknowledge" else "", why_not=why_not)
                for verb, (word, _) in WORDS.items()
            }
            if alert.run_id is not None:
                html(tag("a", "To the run", href=run_path(alert.run_id), class_="button"), name="span")
        self.facts = html(NOTHING, class_="panel")
        with ui.element("section").classes("part").props("aria-labelledby=told"):
            html(tag("h2", "Whom it was told", id="told"))
            self.told = html(NOTHING)
        self._put(alert)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self._put(await self.visit.ask(self.read, caller))

    def _put(self, alert: AlertDescription) -> None:
        self.head.set_content(heading(alert.title, badge(alert.level), badge(alert.state)))
        self.text.set_content(tag("p", alert.text, class_="lead"))
        self.facts.set_content(_facts(alert))
        self.told.set_content(_told(alert))
        offered = {"acknowledge": alert.state == "open", "resolve": alert.state != _OVER}
        for verb, one in self.buttons.items():
            show_if(one, offered[verb])

    def _asking(self, verb: Verb) -> Callable[[], Awaitable[None]]:
        word, says = WORDS[verb]

        async def pressed() -> None:
            await confirm(f"{word} this alert?", word, decided, says=says, reason=COMMENT)

        async def decided(values: dict[str, str]) -> None:
            def work(caller: Caller) -> None:
                change(caller, verb, self.alert_id, note_of(values))

            await self.visit.act(Role.OPERATOR, f"{verb}_alert", f"alerts/{self.alert_id}", work, f"{word}d.")
            await self.visit.again(self.refresh)

        return pressed


def _facts(alert: AlertDescription) -> Markup:
    like_it = Filters(state="all", kind=alert.kind, workflow=alert.workflow or "").address
    return key_values(
        {
            "About": tag("a", KINDS.get(alert.kind, alert.kind), href=like_it, title="Others like it"),
            "Workflow": f"{alert.workflow} {alert.version or ''}" if alert.workflow else None,
            "Run": joined([run_link(alert)]) if alert.run_id else None,
            "Step": tag("span", alert.step, class_="mono") if alert.step else None,
            "Happened": f"{alert.count:,} {'time' if alert.count == 1 else 'times'}",
            "First": moment(alert.first_at),
            "Last": moment(alert.last_at),
            "Seen to by": _who(alert.acknowledged_by, alert.acknowledged_at),
            "Resolved by": _who(alert.resolved_by, alert.resolved_at),
            "Comment": alert.comment,
        }
    )


def _who(user: str | None, at: str | None) -> Markup | None:
    return joined([user or "itself", " at ", moment(at)]) if at else None


def _told(alert: AlertDescription) -> Markup:
    if not alert.deliveries:
        hint = "No channel of the settings takes alerts of this kind and level, or it was over before it was sent."
        return tag("p", "Nobody. ", hint, class_="hint")
    return deliveries_table(alert.deliveries, "Messages")


PAGE = Page("/alerts/{alert_id}", "Alert", show, parent=ALERTS)
