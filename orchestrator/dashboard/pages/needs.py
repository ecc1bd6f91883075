"""What needs a person: open alerts, approvals, what the doctor finds; each with where it is seen to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from orchestrator.client.access import Role, may_see
from orchestrator.client.callers import Caller
from orchestrator.client.shown import AlertDescription, Finding, Level, OpenApproval
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.paths import run_path, to

ALERTS: Final = "/alerts"
APPROVALS: Final = "/approvals"
CHANNELS: Final = "/alerts/channels"
EVENTS: Final = "/events"
QUEUES: Final = "/queues"
SCHEDULES: Final = "/schedules"
WORKERS: Final = "/workers"

KINDS: Final[Mapping[str, str]] = {
    "compensation_failed": "Undos failed",
    "attention": "Effects unknown",
    "sla": "SLAs warned or breached",
    "failed": "Runs failed",
    "dead_event": "Events given up",
    "missed_schedule": "Schedules missed",
    "no_worker": "Operations without a worker",
}
"""What alerts are about, the worst first."""
_PLACES: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "dead_event": ("Events", EVENTS, {"view": "dead"}),
    "missed_schedule": ("Schedules", SCHEDULES, {}),
    "no_worker": ("Workers", WORKERS, {}),
    "dead_events": ("Events", EVENTS, {"view": "dead"}),
    "filter_without_answer": ("Events", EVENTS, {"view": "misses"}),
    "no_listener": ("Workers", WORKERS, {}),
    "dead_alerts": ("Channels", CHANNELS, {}),
    "alerts_not_sent": ("Channels", CHANNELS, {}),
    "no_workers": ("Workers", WORKERS, {}),
    "operation_not_served": ("Workers", WORKERS, {}),
    "queue_without_worker": ("Queues", QUEUES, {"show": "nobody"}),
}
"""Kind of alert, or code of a finding → the page where it is mended."""
_LEVELS: Final = ("critical", "error", "warning")
_MOST: Final = 200
"""Open alerts that are looked at; beyond, it says that there are more."""
_MOST_ASKED: Final = 50
"""Approvals, likewise: of each its run is read."""
_FINDINGS: Final = 12
_NAMED: Final = 3

Link = tuple[str, str]
"""A word and an address."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that somebody should see to."""

    level: str
    what: str
    count: str
    """How many, where there are several."""
    about: Child
    links: tuple[Link, ...]


def read_needs(caller: Caller, pages: Collection[str]) -> list[Need]:
    """All of them, the worst first, of what the caller may see; `pages` are those that there are."""
    found = [*_alerts(caller, pages), *_approvals(caller, pages), *_findings(caller, pages)]
    return sorted(found, key=lambda one: _LEVELS.index(one.level))


def needs_list(needs: Sequence[Need]) -> Markup:
    """As a list; that there is nothing is said as well."""
    if not needs:
        return tag("p", badge("ok", "nothing"), " No alert is open, no approval waits, and the doctor finds nothing.")
    return tag("ul", *map(_item, needs), class_="needs")


def no_workflows() -> Markup:
    """What to do first."""
    return empty_state(
        "No workflow is published yet, so nothing can run.",
        hint="Publish one, start a worker, and start a run; what they do appears here.",
        command="orchestrator publish specs/",
    )


def _item(need: Need) -> Markup:
    links = [tag("a", word, href=href, class_="button") for word, href in need.links]
    what = joined([tag("b", need.what), tag("span", f" · {need.count}", class_="number") if need.count else None])
    return tag(
        "li",
        badge(need.level),
        tag("div", tag("p", what), tag("p", need.about, class_="hint") if need.about else None),
        tag("div", *links, class_="actions"),
    )


def _alerts(caller: Caller, pages: Collection[str]) -> list[Need]:
    found = caller.client.alerts.list_seen({}, "open", workflows=caller.workflows, limit=_MOST)
    by_kind = {kind: [one for one in found.alerts if one.kind == kind] for kind in KINDS}
    more = "+" if found.cursor else ""
    return [
        Need(
            min((one.level for one in alerts), key=_LEVELS.index),
            KINDS[kind],
            f"{len(alerts)}{more}",
            _newest(alerts),
            (("Alerts", to(ALERTS, {"state": "open", "kind": kind})), *_place(kind, pages)),
        )
        for kind, alerts in by_kind.items()
        if alerts
    ]


def _newest(alerts: Sequence[AlertDescription]) -> Markup:
    """The newest one, and the runs that they are of."""
    newest = alerts[0]
    runs = list(dict.fromkeys(one.run_id for one in alerts if one.run_id))
    links = [tag("a", run_id, href=run_path(run_id), class_="mono") for run_id in runs[:_NAMED]]
    named = joined([" · ", joined(links, ", "), " …" if len(runs) > _NAMED else None]) if runs else None
    return joined([newest.title, " at ", moment(newest.last_at), named])


def _approvals(caller: Caller, pages: Collection[str]) -> list[Need]:
    """What waits for whom this is; for operators, what waits for anybody."""
    if not caller.role.allows(Role.STARTER):
        return []
    approvals = caller.client.approvals
    seen = _seen(caller, approvals.list(caller.user, caller.groups, limit=_MOST_ASKED))
    needs = []
    if seen:
        needs.append(Need("error", "Approvals for you", _count(seen), _due(seen), _decide(seen[0].run_id, pages)))
    if caller.role.allows(Role.OPERATOR):
        mine = {(one.run_id, one.step) for one in seen}
        everybody = _seen(caller, approvals.list(limit=_MOST_ASKED))
        others = [one for one in everybody if (one.run_id, one.step) not in mine]
        if others:
            what, where = "Approvals for others", _decide(others[0].run_id, pages, everybody=True)
            needs.append(Need("warning", what, _count(others), _due(others), where))
    return needs


def _seen(caller: Caller, approvals: Sequence[OpenApproval]) -> list[OpenApproval]:
    return [one for one in approvals if may_see(caller.workflows, one.workflow)]


def _count(approvals: Sequence[OpenApproval]) -> str:
    return f"{len(approvals)}{'+' if len(approvals) >= _MOST_ASKED else ''}"


def _due(approvals: Sequence[OpenApproval]) -> Child:
    due = sorted(one.due_at for one in approvals if one.due_at)
    return joined(["the first is due at ", moment(due[0])]) if due else None


def _decide(run_id: str, pages: Collection[str], *, everybody: bool = False) -> tuple[Link, ...]:
    if APPROVALS in pages:
        return (("Approvals", to(APPROVALS, {"of": "all" if everybody else ""})),)
    return (("The first", run_path(run_id)),)


def _findings(caller: Caller, pages: Collection[str]) -> list[Need]:
    """The doctor's, of everything; a key of some workflows is told of queues alone, as it is by the API."""
    if caller.workflows:
        return _lonely_queues(caller, pages)
    ill = [one for one in caller.client.doctor_lately() if one.level is not Level.OK]
    needs = [_finding(one, pages) for one in ill[:_FINDINGS]]
    if len(ill) > _FINDINGS:
        more = tag("code", "orchestrator doctor")
        needs.append(Need("warning", "Further findings", str(len(ill) - _FINDINGS), joined(["see ", more]), ()))
    return needs


def _finding(one: Finding, pages: Collection[str]) -> Need:
    about = joined([_advice(one.advice), " · ", tag("code", one.code)])
    what = f"{one.message[:1].upper()}{one.message[1:]}"
    return Need("error" if one.level is Level.ERROR else "warning", what, "", about, _place(one.code, pages))


def _lonely_queues(caller: Caller, pages: Collection[str]) -> list[Need]:
    lonely = [one for one in caller.client.fleet.queues().queues if one.waiting and not one.workers]
    return [
        Need("error", f"No worker takes from the queue {one.name!r}", "", f"{one.waiting} messages wait", links)
        for one in lonely[:_FINDINGS]
        for links in (_place("queue_without_worker", pages),)
    ]


def _place(code: str, pages: Collection[str]) -> tuple[Link, ...]:
    """Where it is mended, if there is a page for it."""
    if code not in _PLACES:
        return ()
    word, path, query = _PLACES[code]
    return ((word, to(path, query)),) if path in pages else ()


def _advice(text: str) -> Markup:
    """With what is to be typed as code: it stands between backticks."""
    parts = text.split("`")
    return joined([tag("code", part) if place % 2 else part for place, part in enumerate(parts)])
