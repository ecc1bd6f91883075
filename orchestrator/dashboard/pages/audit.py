"""The audit log: who did what to which, when, from where, why, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.audit import DONE
from orchestrator.client.auditing import DENIED, OUTCOMES, AuditFilter, audit_page
from orchestrator.client.callers import Caller
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.paging import cursor_links
from orchestrator.dashboard.look.parts import heading, html, show_if, text_field
from orchestrator.dashboard.look.search import chips, choices, filter_form
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import alert_path, run_path, to
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import Forbidden
from orchestrator.store.access import AuditEntry

PATH: Final = "/audit"
ROWS: Final = 100
OFTEN_S: Final = 5.0
COLUMNS: Final = (
    Column("When", "number first"),
    Column("Who", "main"),
    Column("What"),
    Column("Which", "wide"),
    Column("Outcome"),
    Column("Why", "wide"),
    Column("From where", "wide"),
)
_OUTCOME: Final = "outcome"


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the address."""

    wanted: AuditFilter
    before: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        """That of an address."""
        wanted = AuditFilter(**{one.name: query.get(one.name, "").strip() for one in fields(AuditFilter)})
        before = query.get("before", "")
        return cls(wanted, before if before.replace("-", "", 1).isdecimal() and len(before) < len(str(2**90)) else "")

    @property
    def address(self) -> str:
        """The address of the page with these filters."""
        return to(PATH, {**asdict(self.wanted), "before": self.before})

    def having(self, **changes: str) -> str:
        """The address with some of them changed, from the newest entry on."""
        return Asked(replace(self.wanted, **changes)).address


async def show(visit: Visit) -> None:
    """The page."""
    visit.first.check_unrestricted()
    visit.first.check_role(Role.ADMIN, "read_audit", "audit")
    asked = Asked.read(visit.query)
    html(heading("Audit"))
    html(_form(asked.wanted))
    html(_chips(asked))
    log = _Log(visit, asked)
    await log.build()
    if not asked.before:
        visit.every(OFTEN_S, log.refresh)


class _Log:
    """The log as it stands in one browser."""

    def __init__(self, visit: Visit, asked: Asked) -> None:
        self.visit = visit
        self.asked = asked

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Audit log", COLUMNS)
        self.pages = html(NOTHING)
        self._put(*found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(*await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> tuple[Sequence[AuditEntry], str | None]:
        caller.check_unrestricted()
        caller.check_role(Role.ADMIN, "read_audit", "audit")
        return audit_page(caller.client.access, self.asked.wanted, limit=ROWS, before=self.asked.before or None)

    def _put(self, entries: Sequence[AuditEntry], before: str | None) -> None:
        self.table.show({one.id: row(one, self.asked) for one in entries})
        show_if(self.box, entries)
        self.empty.set_content(NOTHING if entries else _nothing(self.asked, more=before is not None))
        self.pages.set_content(_pages(self.asked, before))


def row(entry: AuditEntry, asked: Asked) -> Sequence[Child]:
    """An entry as a row; who and what lead to the others like it."""
    outcome = DENIED if entry.outcome == Forbidden.code else entry.outcome
    looks = entry.outcome if entry.outcome == DONE else "denied" if outcome == DENIED else "failed"
    key = tag("a", f"key {entry.key}", href=asked.having(key=entry.key), class_="under mono") if entry.key else None
    narrow = tag("span", _which(entry.target), class_="under narrow")
    return (
        moment(rfc3339(entry.at_ms)),
        joined([tag("a", entry.user or "–", href=asked.having(user=entry.user)), key]),
        joined([tag("a", entry.action.replace("_", " "), href=asked.having(action=entry.action)), narrow]),
        _which(entry.target),
        joined([badge(looks, outcome), tag("span", entry.reason, class_="under narrow") if entry.reason else None]),
        entry.reason,
        joined([entry.source or "this machine", tag("span", entry.agent, class_="under clip", title=entry.agent)]),
    )


def _which(target: str) -> Markup:
    """What it was done to, with a link where it has a page."""
    kind, _, rest = target.partition("/")
    name = rest.partition("/steps/")[0]
    address = {"runs": run_path, "alerts": alert_path}.get(kind)
    shown = tag("span", target, class_="mono whole")
    return shown if address is None or not rest else tag("a", shown, href=address(name))


def _form(wanted: AuditFilter) -> Markup:
    target = tag(
        "div",
        text_field(
            "Which", "target", wanted.target, placeholder="Part of it: runs/4f1c", data_search=True, autocomplete="off"
        ),
    )
    inputs = [
        target,
        text_field("Who", "user", wanted.user, autocomplete="off"),
        text_field("What", "action", wanted.action, placeholder="cancel", autocomplete="off"),
        tag("div", text_field("Key", "key", wanted.key, autocomplete="off"), class_="wide"),
        tag("div", text_field("From", "source", wanted.source, placeholder="10.0.", autocomplete="off"), class_="wide"),
    ]
    clear = to(PATH) if wanted != AuditFilter() else None
    return filter_form(PATH, inputs, kept={_OUTCOME: wanted.outcome}, clear=clear, button="Filter")


def _chips(asked: Asked) -> Markup:
    words = choices("all", OUTCOMES, asked.wanted.outcome)
    return chips(words, asked.wanted.outcome, lambda one: asked.having(outcome=one), "Outcomes")


def _pages(asked: Asked, before: str | None) -> Markup:
    newest = Asked(asked.wanted).address if asked.before else None
    older = Asked(asked.wanted, before).address if before else None
    return cursor_links(newest, older, ("Newest", "Older"))


def _nothing(asked: Asked, *, more: bool) -> Markup:
    if more:
        return empty_state(
            "No match among the entries looked at so far.", hint="Older ones may match: the next page goes on."
        )
    if asked.wanted != AuditFilter() or asked.before:
        return empty_state("No entry matches.", "Show all entries", to(PATH))
    return empty_state("Nothing was changed yet.", hint="Whatever somebody changes, and what is denied, is noted here.")


PAGE = Page(PATH, "Audit", show, keys="g u", needed=Role.ADMIN)
