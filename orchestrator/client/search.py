"""Finding runs: by workflow, version, status, time, tags, text and the workflow's search fields; sorted, in pages.

One index is read, the smallest of those that every run asked for is in; what else is asked for is checked on the runs
themselves. So a page costs what it looks at, whatever the number of runs, and what it looks at is bounded.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from orchestrator.client.access import may_see
from orchestrator.client.shown import Page, RunSummary
from orchestrator.client.surface_words import Moment
from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.indexes import (
    ALL_RUNS,
    INDEXES,
    PAUSED_RUNS,
    Scalar,
    sla_index,
    status_index,
    tag_index,
    value_index,
    workflow_index,
)
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.sla import RUN_STATE, SlaState, sla_state
from orchestrator.engine.state import RunStatus
from orchestrator.engine.view import RunView
from orchestrator.errors import InvalidRequest
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.store.port import Store

PAUSED: Final = "paused"
STATUSES: Final = (*(status.value for status in RunStatus), PAUSED)
"""The statuses as runs are shown with them."""
LARGEST_PAGE: Final = 1_000
LOOKED_AT: Final = 2_000
"""Runs that one page looks at, at most; a page that found too little by then is short, and its cursor goes on."""
BATCH: Final = 500

_APART: Final = (
    fields.INCARNATION,
    fields.WORKFLOW,
    fields.VERSION,
    fields.STATUS,
    fields.PAUSED,
    INDEXES,
    *RUN_STATE,
)
"""What tells apart the runs that match, a third of what is shown of them."""

_SLA_STATES: Final = tuple(state.value for state in SlaState)
Position = tuple[int, str]
"""When a run was created, and its id: what pages are in the order of."""

_FIELDS: Final = (
    fields.INCARNATION,
    fields.CREATED_AT,
    fields.WORKFLOW,
    fields.VERSION,
    fields.STATUS,
    fields.PAUSED,
    fields.COMPENSATION,
    fields.ENDED_AT,
    fields.STARTED_BY,
    fields.ERROR,
    fields.ATTENTION,
    fields.ARCHIVED_AT,
    INDEXES,
    *RUN_STATE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs; what is not given does not matter. `where` compares as text: 5, 5.0 and "5" are one value."""

    workflow: str | None = None
    version: str | None = None
    status: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    tags: Sequence[str] = ()
    where: Mapping[str, Scalar] = field(default_factory=dict)
    text: str | None = None
    """A run's whole id; else part of an id, of a workflow's key or of a tag, whatever the case of its letters."""
    oldest_first: bool = False
    workflows: tuple[str, ...] = ()
    """Patterns of the workflows whose runs are looked for; none: of any."""
    sla: str | None = None
    """How the run does by its own SLA: `ok`, `warned`, `breached` or `met`."""


class Source(Protocol):
    """What runs are found in: a store, or the archive."""

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""

    def newest(self, name: str, before: Position | None, limit: int) -> list[Position]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`."""

    def oldest(self, name: str, after: Position | None, limit: int) -> list[Position]:
        """As `newest`, but oldest first, from above `after`."""

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one source has: runs with their positions, and how far it was looked through."""

    runs: tuple[tuple[Position, RunSummary], ...]
    reached: Position | None
    """Up to there, itself included, every run is among them; None: there are no more."""

    def page(self) -> Page:
        """As it is shown."""
        return Page(tuple(run for _, run in self.runs), cursor_at(self.reached))


def search(store: Store, query: Query, *, limit: int, cursor: str | None = None) -> Page:
    """The first runs that the query describes, from behind the cursor; InvalidRequest if it cannot be asked."""
    return look(store, query, store.time_ms(), limit=limit, cursor=cursor).page()


def look(source: Source, query: Query, now_ms: int, *, limit: int, cursor: str | None = None) -> Found:
    """What one source has of it."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidRequest(f"a page has 1 to {LARGEST_PAGE} runs, not {limit}")
    span = Span.of(query, now_ms)
    names = _indexes(query)
    if query.text is not None and cursor is None and (run := _by_id(source, query, names, now_ms)) is not None:
        return Found((run,), None)
    name = _smallest(source, names)
    reached = span.start(None if cursor is None else _position(cursor))
    read_page = source.oldest if query.oldest_first else source.newest
    found: list[tuple[Position, RunSummary]] = []
    last, looked_at = reached, 0
    while looked_at < LOOKED_AT:
        page = read_page(name, reached, min(limit + 1, BATCH) if not looked_at else BATCH)
        wanted = [position for position in page if span.holds(position)]
        views = _matching(source, query, names, [run_id for _, run_id in wanted], now_ms, rare=looked_at > 0)
        for position in wanted:
            view = views.get(position[1])
            if view is not None:
                if len(found) == limit:
                    return Found(tuple(found), last)
                found.append((position, _summary(view)))
            last = position
        if not page or len(wanted) < len(page):
            return Found(tuple(found), None)
        reached = page[-1]
        looked_at += len(page)
    return Found(tuple(found), last)


def _matching(
    source: Source, query: Query, names: Sequence[str], run_ids: Sequence[str], now_ms: int, *, rare: bool
) -> dict[str, RunView]:
    """Those of these runs that match. Where that is `rare`, they alone are read as a whole, and looked at again."""
    views: dict[str, RunView] = {}
    for wanted in (_APART, _FIELDS) if rare else (_FIELDS,):
        read = source.read_many(run_ids, wanted) if run_ids else []
        found = (RunView(run_id, values, now_ms) for run_id, values in zip(run_ids, read, strict=True))
        views = {view.run_id: view for view in found if _matches(query, names, view)}
        run_ids = list(views)
    return views


def fixed(query: Query, now_ms: int) -> Query:
    """The query with moments instead of how long ago, and with nothing of what comes later."""
    since = None if query.since is None else rfc3339(moment_ms(query.since, now_ms, "since"))
    until_ms = now_ms if query.until is None else min(now_ms, moment_ms(query.until, now_ms, "until"))
    return replace(query, since=since, until=rfc3339(until_ms))


@dataclass(frozen=True, slots=True)
class Span:
    """The time that the runs were created in, both ends included, and the way that it is gone through."""

    since_ms: int
    until_ms: int | None
    oldest_first: bool

    @staticmethod
    def of(query: Query, now_ms: int) -> Span:
        """The span of a query."""
        since_ms = 0 if query.since is None else moment_ms(query.since, now_ms, "since")
        until_ms = None if query.until is None else moment_ms(query.until, now_ms, "until")
        return Span(since_ms, until_ms, query.oldest_first)

    def start(self, cursor: Position | None) -> Position | None:
        """The position that the page begins behind."""
        if self.oldest_first:
            first = self.since_ms, ""
            return first if cursor is None else max(first, cursor)
        if self.until_ms is None:
            return cursor
        latest = self.until_ms + 1, ""
        return latest if cursor is None else min(latest, cursor)

    def holds(self, position: Position) -> bool:
        """Whether a run there is in it."""
        return self.since_ms <= position[0] and (self.until_ms is None or position[0] <= self.until_ms)


def _by_id(source: Source, query: Query, names: Sequence[str], now_ms: int) -> tuple[Position, RunSummary] | None:
    """The run whose id the text is, if all else that is asked for holds as well."""
    run_id = query.text or ""
    (values,) = source.read_many([run_id], _FIELDS)
    view = RunView(run_id, values, now_ms)
    position = view.number(fields.CREATED_AT), run_id
    if not _matches(query, names, view) or not Span.of(query, now_ms).holds(position):
        return None
    return position, _summary(view)


def _indexes(query: Query) -> tuple[str, ...]:
    """The indexes that every run asked for is in."""
    if query.status is not None and query.status not in STATUSES:
        raise InvalidRequest(f"no run has the status {query.status!r}; they are {', '.join(STATUSES)}")
    names = [tag_index(tag) for tag in query.tags]
    for name, value in query.where.items():
        if not isinstance(value, Scalar):
            raise InvalidRequest(f"a search field is compared with a text, a number or a boolean, not {value!r}")
        names.append(value_index(name, value))
    if query.status == PAUSED:
        names.append(PAUSED_RUNS)
    elif query.status is not None:
        names.append(status_index(RunStatus(query.status), query.workflow))
    if query.sla is not None:
        if query.sla not in _SLA_STATES:
            raise InvalidRequest(f"no SLA is {query.sla!r}; they are {', '.join(_SLA_STATES)}")
        names.append(sla_index(query.sla, query.workflow))
    if query.workflow is not None and query.status in (None, PAUSED):
        names.append(workflow_index(query.workflow))
    return tuple(names) or (ALL_RUNS,)


def _smallest(source: Source, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    sizes = source.index_sizes(names)
    return min(names, key=sizes.__getitem__)


def _matches(query: Query, names: Sequence[str], view: RunView) -> bool:
    if not view.exists or query.status not in (None, _shown_status(view)):
        return False
    if query.workflow not in (None, view[fields.WORKFLOW]) or query.version not in (None, view[fields.VERSION]):
        return False
    if not may_see(query.workflows, view[fields.WORKFLOW] or ""):
        return False
    if query.sla not in (None, sla_state(view, RUN)):
        return False
    held_in = frozenset(view.json(INDEXES) or ())
    if query.text is not None and not _has_text(query.text.casefold(), view, held_in):
        return False
    return all(name in held_in for name in names if name.startswith(("tag:", "value:")))


def _has_text(text: str, view: RunView, held_in: frozenset[str]) -> bool:
    tags = (name.removeprefix("tag:") for name in held_in if name.startswith("tag:"))
    return any(text in one.casefold() for one in (view.run_id, view[fields.WORKFLOW] or "", *tags))


def _shown_status(view: RunView) -> str:
    return PAUSED if view.paused and not view.over else view.status.value


def _summary(view: RunView) -> RunSummary:
    created, ended = view.number(fields.CREATED_AT), view.moment(fields.ENDED_AT)
    return RunSummary(
        run_id=view.run_id,
        workflow=view[fields.WORKFLOW] or "",
        version=view[fields.VERSION] or "",
        status=_shown_status(view),
        compensation=view[fields.COMPENSATION] or "none",
        created_at=rfc3339(created),
        ended_at=None if ended is None else rfc3339(ended),
        duration_ms=(ended or view.now_ms) - created,
        started_by=view[fields.STARTED_BY] or "",
        error=view.json(fields.ERROR),
        attention=view[fields.ATTENTION],
        sla=sla_state(view, RUN),
        archived=view.archived,
    )


def cursor_at(position: Position | None) -> str | None:
    """The cursor of the page that goes on behind a position."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        created_at, run_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return int(created_at), str(run_id)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidRequest(f"{cursor!r} is not a cursor; take the one that the page before gave") from None


def moment_ms(moment: Moment, now_ms: int, name: str) -> int:
    """The moment as a number; InvalidRequest, which says which, if it is none."""
    if isinstance(moment, str):
        moment = _read_moment(moment, name)
    if isinstance(moment, timedelta):
        return now_ms - milliseconds(moment)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _read_moment(text: str, name: str) -> datetime | timedelta:
    try:
        return parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: {text!r} is neither a moment (RFC 3339) nor a duration such as 90m") from None
