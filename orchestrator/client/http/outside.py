"""The verbs of schedules and external events over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from orchestrator.client.composing import composed, event_in
from orchestrator.client.http.exchange import PREFIX, Emit, Request, Steps, Value, ask, portions, tell
from orchestrator.client.http.run_verbs import Told, check_acts_itself, entry_of, patient
from orchestrator.client.http.words import moment_text
from orchestrator.client.shown import DeadEvent, ScheduleDescription, SchedulePage, Slots, TakenIn, TriggerMiss
from orchestrator.client.surface_words import ALL, Moment
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.store.port import HistoryEntry

MOST_DEAD: Final = 1_000
MOST_LISTED: Final = 1_000
LOOK_S: Final = 1.0
"""So long one request waits for events that come."""


@dataclass(frozen=True, slots=True)
class _Triggered:
    run_id: str


@dataclass(frozen=True, slots=True)
class _Backfilled:
    slots: int


@dataclass(frozen=True, slots=True)
class _Entry:
    entry_id: str
    received_at: str
    body: str
    only: str


@dataclass(frozen=True, slots=True)
class _Tail:
    entries: list[_Entry]
    after: str


@dataclass(frozen=True, slots=True)
class _Dead:
    events: list[DeadEvent]


@dataclass(frozen=True, slots=True)
class _Misses:
    misses: list[TriggerMiss]


@dataclass(frozen=True, slots=True)
class _Count:
    count: int


class ScheduleVerbs:
    """What can be done with schedules."""

    def list(self, workflow: str | None = None) -> Steps[Sequence[ScheduleDescription]]:
        """GET `/schedules`, page by page."""
        page = yield from self.page(workflow, limit=MOST_LISTED)
        found = [*page.schedules]
        while page.cursor is not None:
            page = yield from self.page(workflow, limit=MOST_LISTED, cursor=page.cursor)
            found += page.schedules
        return found

    def page(self, workflow: str | None = None, *, limit: int = 100, cursor: str | None = None) -> Steps[SchedulePage]:
        """GET `/schedules`."""
        params: dict[str, Value] = {"workflow": workflow, "limit": limit, "cursor": cursor}
        return (yield from ask(Request("GET", f"{PREFIX}/schedules", params=params), SchedulePage))

    def describe(self, workflow: str, name: str, *, fires: int = 5) -> Steps[ScheduleDescription]:
        """GET the schedule."""
        return (yield from ask(Request("GET", _schedule(workflow, name), params={"fires": fires}), ScheduleDescription))

    def history(self, workflow: str, name: str, after: str = "0", limit: int = 1000) -> Steps[Sequence[HistoryEntry]]:
        """GET `/history`."""
        params: dict[str, Value] = {"after": after, "limit": limit}
        told = yield from ask(Request("GET", f"{_schedule(workflow, name)}/history", params=params), Told)
        return [entry_of(event) for event in told.events]

    def slots(
        self, workflow: str, name: str, since: Moment, until: Moment | None = None, *, limit: int = 100
    ) -> Steps[Slots]:
        """GET `/slots`."""
        params: dict[str, Value] = {"since": moment_text(since), "until": moment_text(until), "limit": limit}
        return (yield from ask(Request("GET", f"{_schedule(workflow, name)}/slots", params=params), Slots))

    def pause(self, workflow: str, name: str, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/pause`."""
        yield from tell(_post(workflow, name, "pause", by, {"reason": reason}))

    def resume(self, workflow: str, name: str, reason: str = "", by: str = "") -> Steps[None]:
        """POST `/resume`."""
        yield from tell(_post(workflow, name, "resume", by, {"reason": reason}))

    def trigger(self, workflow: str, name: str, reason: str = "", by: str = "") -> Steps[str]:
        """POST `/trigger`."""
        return (yield from ask(_post(workflow, name, "trigger", by, {"reason": reason}), _Triggered)).run_id

    def backfill(
        self,
        workflow: str,
        name: str,
        since: Moment,
        until: Moment | None = None,
        reason: str = "",
        by: str = "",
        *,
        one_by_one: bool = True,
    ) -> Steps[int]:
        """POST `/backfill`."""
        span = {"since": moment_text(since), "until": moment_text(until)}
        body = {**span, "reason": reason, "one_by_one": one_by_one}
        return (yield from ask(_post(workflow, name, "backfill", by, body), _Backfilled)).slots


class EventVerbs:
    """What can be done with external events. They are made whole before they are sent, with their ids."""

    def emit(
        self,
        /,
        event: CloudEvent | Mapping[str, Any] | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the words of CloudEvents
        data: Any = None,
        source: str | None = None,
        id: str | None = None,  # noqa: A002
        **attributes: Any,
    ) -> Steps[CloudEvent]:
        """POST `/events`."""
        named = {"type": type, "data": data, "source": source, "id": id, **attributes}
        whole = composed(event, {name: value for name, value in named.items() if value is not None})
        yield from tell(Request("POST", f"{PREFIX}/events", body=whole.to_json(), kind="application/cloudevents+json"))
        return whole

    def emit_many(self, events: Iterable[CloudEvent | Mapping[str, Any]]) -> Steps[list[CloudEvent]]:
        """POST `/events` as batches."""
        found = [composed(event, {}) for event in events]
        for batch in portions([event.to_json() for event in found]):
            yield from tell(Request("POST", f"{PREFIX}/events", body=batch, kind="application/cloudevents-batch+json"))
        return found

    def tail(self, count: int = 10, *, follow: bool = False) -> Steps[None]:
        """GET `/events`, again and again to follow."""
        told = yield from self._tail({"count": count})
        while True:
            for entry in told.entries:
                yield Emit(TakenIn(entry.entry_id, entry.received_at, event_in(entry.body), entry.body, entry.only))
            if not follow:
                return
            told = yield from self._tail({"after": told.after, "wait": LOOK_S})

    def dead(self, count: int | None = None) -> Steps[list[DeadEvent]]:
        """GET `/events/dead`, page by page."""
        found: list[DeadEvent] = []
        while count is None or len(found) < count:
            limit = MOST_DEAD if count is None else min(MOST_DEAD, count - len(found))
            params = {"limit": limit, "after": found[-1].id if found else None}
            page = (yield from ask(Request("GET", f"{PREFIX}/events/dead", params=params), _Dead)).events
            found += page
            if len(page) < limit:
                break
        return found

    def misses(self) -> Steps[Sequence[TriggerMiss]]:
        """GET `/events/misses`."""
        return (yield from ask(Request("GET", f"{PREFIX}/events/misses"), _Misses)).misses

    def replay(self, letter_id: str = ALL, reason: str = "") -> Steps[int]:
        """POST `/replay`."""
        request = Request("POST", f"{_dead(letter_id)}/replay", body={"reason": reason})
        return (yield from ask(request, _Count)).count

    def discard(self, letter_id: str, reason: str = "") -> Steps[int]:
        """DELETE the dead event."""
        return (yield from ask(Request("DELETE", _dead(letter_id), params={"reason": reason}), _Count)).count

    def _tail(self, params: Mapping[str, Any]) -> Steps[_Tail]:
        return (yield from patient(lambda: ask(Request("GET", f"{PREFIX}/events", params=params), _Tail)))


def _dead(letter_id: str) -> str:
    return f"{PREFIX}/events/dead/{quote(letter_id, safe='')}"


def _schedule(workflow: str, name: str) -> str:
    return f"{PREFIX}/workflows/{quote(workflow, safe='')}/schedules/{quote(name, safe='')}"


def _post(workflow: str, name: str, verb: str, by: str, body: Mapping[str, Any]) -> Request:
    check_acts_itself(by)
    given = {name: value for name, value in body.items() if value is not None}
    return Request("POST", f"{_schedule(workflow, name)}/{verb}", body=given)
