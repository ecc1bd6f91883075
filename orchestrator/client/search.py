"""Finding runs: by workflow, version, status, time, tags and the workflow's search fields; newest first, in pages.

One index is read, the smallest of those that every run asked for is in; what else is asked for is checked on the runs
themselves. So a page costs what it looks at, whatever the number of runs, and what it looks at is bounded.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.indexes import (
    ALL_RUNS,
    INDEXES,
    PAUSED_RUNS,
    Scalar,
    status_index,
    tag_index,
    value_index,
    workflow_index,
)
from orchestrator.engine.roots import rfc3339
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

Moment = datetime | timedelta | str
"""A moment (without an offset: UTC), or how long ago: `2026-01-31T12:00:00Z`, `2026-01-31`, `90m`."""
_Position = tuple[int, str]

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
    INDEXES,
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


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as lists show it. Moments are RFC 3339 in UTC, durations in ms."""

    run_id: str
    workflow: str
    version: str
    status: str
    compensation: str
    created_at: str
    ended_at: str | None
    duration_ms: int
    started_by: str
    error: Any
    attention: str | None

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the runs, newest first, and where to go on; no cursor: there are no more."""

    runs: tuple[RunSummary, ...]
    cursor: str | None


def search(store: Store, query: Query, *, limit: int, cursor: str | None = None) -> Page:
    """The newest runs that the query describes, from behind the cursor; InvalidRequest if it cannot be asked."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidRequest(f"a page has 1 to {LARGEST_PAGE} runs, not {limit}")
    now_ms = store.time_ms()
    since_ms = 0 if query.since is None else moment_ms(query.since, now_ms, "since")
    names = _indexes(query)
    name = _smallest(store, names)
    before = _start(query, cursor, now_ms)
    found: list[RunSummary] = []
    last, looked_at = before, 0
    while looked_at < LOOKED_AT:
        page = store.newest(name, before, min(limit + 1, BATCH) if not looked_at else BATCH)
        wanted = [position for position in page if position[0] >= since_ms]
        read = store.read_many([run_id for _, run_id in wanted], _FIELDS)
        for position, values in zip(wanted, read, strict=True):
            view = RunView(position[1], values, now_ms)
            if _matches(query, names, view):
                if len(found) == limit:
                    return Page(tuple(found), _cursor(last))
                found.append(_summary(view))
            last = position
        if not page or len(wanted) < len(page):
            return Page(tuple(found), None)
        before = page[-1]
        looked_at += len(page)
    return Page(tuple(found), _cursor(last))


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
    if query.workflow is not None and query.status in (None, PAUSED):
        names.append(workflow_index(query.workflow))
    return tuple(names) or (ALL_RUNS,)


def _smallest(store: Store, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    sizes = store.index_sizes(names)
    return min(names, key=sizes.__getitem__)


def _matches(query: Query, names: Sequence[str], view: RunView) -> bool:
    if not view.exists or query.status not in (None, _shown_status(view)):
        return False
    if query.workflow not in (None, view[fields.WORKFLOW]) or query.version not in (None, view[fields.VERSION]):
        return False
    held_in = frozenset(view.json(INDEXES) or ())
    return all(name in held_in for name in names if name.startswith(("tag:", "value:")))


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
    )


def _start(query: Query, cursor: str | None, now_ms: int) -> _Position | None:
    """The position that the page begins below."""
    after = None if cursor is None else _position(cursor)
    if query.until is None:
        return after
    latest = moment_ms(query.until, now_ms, "until") + 1, ""
    return latest if after is None else min(latest, after)


def _cursor(position: _Position | None) -> str | None:
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _position(cursor: str) -> _Position:
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
    return int(aware.timestamp() * 1000)


def _read_moment(text: str, name: str) -> datetime | timedelta:
    try:
        return parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: {text!r} is neither a moment (RFC 3339) nor a duration such as 90m") from None
