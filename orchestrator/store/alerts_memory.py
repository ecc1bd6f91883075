"""The alerts of tests: the same meanings in this process's memory, on a clock of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestrator.store.alerts import (
    NAMED,
    STATES,
    AlertRecord,
    DeliveryRecord,
    Due,
    State,
    Terms,
    delivery_id,
)
from orchestrator.store.events import entry_key


@dataclass(slots=True)
class _Window:
    """What of one channel, kind, level and workflow is being gathered, and until when."""

    ends_ms: int
    delivery: str | None = None


class MemoryAlerts:
    """Alerts in memory; usable from any thread. `clock` gives the moment in ms."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._records: dict[str, AlertRecord] = {}
        self._marks: dict[str, tuple[str, str]] = {}
        self._windows: dict[tuple[str, str, str, str], _Window] = {}
        self._deliveries: dict[str, DeliveryRecord] = {}

    def raise_(self, alert: AlertRecord, occurrence: str, channels: Sequence[str], terms: Terms) -> bool:
        """Open an alert with its deliveries, or count up the one of its key that is not resolved; whether new."""
        with self._lock:
            now_ms = self._clock()
            self._tidy(now_ms, terms)
            id_, seen = self._marks.get(alert.key, ("", "0-0"))
            held = self._records.get(id_)
            if entry_key(occurrence) <= entry_key(seen):
                return False
            if held is not None and held.state != "resolved":
                self._marks[alert.key] = held.id, occurrence
                self._records[held.id] = replace(held, count=held.count + 1, last_at=alert.last_at)
                return False
            self._marks[alert.key] = alert.id, occurrence
            sent = {channel: self._deliver(alert, channel, now_ms, terms) for channel in channels}
            self._records[alert.id] = replace(alert, raised_at=now_ms, deliveries=sent)
            return True

    def change(self, id_: str, state: State, by: str, comment: str = "") -> tuple[bool, AlertRecord] | None:
        """Acknowledge or resolve; whether that changed anything, and the alert; None if there is none."""
        with self._lock:
            held = self._records.get(id_)
            if held is None or held.state in (state, "resolved"):
                return None if held is None else (False, held)
            held = replace(held, state=state, comment=comment or held.comment)
            if state == "acknowledged":
                held = replace(held, acknowledged_by=by, acknowledged_at=self._clock())
            else:
                held = replace(held, resolved_by=by, resolved_at=self._clock())
            self._records[id_] = held
            return True, held

    def get(self, id_: str) -> AlertRecord | None:
        """An alert."""
        with self._lock:
            return self._records.get(id_)

    def page(self, state: State | None, before: tuple[int, str] | None, limit: int) -> list[AlertRecord]:
        """Alerts in a state, or all, newest first, from below a place."""
        with self._lock:
            found = [one for one in self._records.values() if state in (None, one.state)]
        below = [one for one in found if before is None or one.place < before]
        return sorted(below, key=lambda one: one.place, reverse=True)[:limit]

    def counts(self) -> dict[State, int]:
        """How many alerts are in each state."""
        with self._lock:
            return {state: sum(one.state == state for one in self._records.values()) for state in STATES}

    def unresolved(self, run_ids: Sequence[str]) -> list[AlertRecord]:
        """The alerts of runs that are not resolved."""
        with self._lock:
            wanted = {run_id for run_id in run_ids if run_id}
            return [one for one in self._records.values() if one.run_id in wanted and one.state != "resolved"]

    def unresolved_of(self, kind: str) -> list[AlertRecord]:
        """The alerts of a kind that are not resolved, the newest few hundred."""
        with self._lock:
            return [one for one in self._records.values() if one.kind == kind and one.state != "resolved"]

    def test(self, channel: str, id_: str) -> None:
        """Make a delivery due that says nothing but that it comes; it has one try."""
        with self._lock:
            now_ms = self._clock()
            made = DeliveryRecord(id_, channel, "test", "", "pending", (), 0, 0, 1, now_ms, now_ms, 0, "")
            self._deliveries[id_] = made

    def take(self, limit: int, lease_ms: int) -> list[Due]:
        """Deliveries that are due; nobody else gets them for so long. Each taking counts as an attempt."""
        with self._lock:
            now_ms = self._clock()
            going = [one for one in self._deliveries.values() if one.state in ("pending", "sending")]
            due = sorted((one for one in going if one.due_at <= now_ms), key=lambda one: (one.due_at, one.id))
            taken: list[Due] = []
            for one in due[:limit]:
                if one.attempts >= one.tries:
                    error = "whoever sent it last has not said what came of it"
                    self._deliveries[one.id] = replace(one, state="dead", error=error)
                    continue
                held = replace(one, state="sending", attempts=one.attempts + 1, due_at=now_ms + lease_ms)
                self._deliveries[one.id] = held
                taken.append(Due(held, tuple(self._records[id_] for id_ in one.alerts if id_ in self._records)))
            return taken

    def done(self, id_: str, attempt: int, error: str = "", again_in_ms: int = 0) -> str | None:
        """What came of an attempt: nothing went wrong, or this did; the delivery's state, None if there is none."""
        with self._lock:
            held, now_ms = self._deliveries.get(id_), self._clock()
            if held is None:
                return None
            if not error:
                held = replace(held, state="sent", error="", sent_at=now_ms)
            elif held.state == "sending" and held.attempts == attempt:
                if held.attempts >= held.tries:
                    held = replace(held, state="dead", error=error)
                else:
                    held = replace(held, state="pending", error=error, due_at=now_ms + again_in_ms)
            self._deliveries[id_] = held
            return held.state

    def deliveries(self, ids: Sequence[str]) -> dict[str, DeliveryRecord]:
        """Those of these deliveries that there are."""
        with self._lock:
            return {id_: self._deliveries[id_] for id_ in ids if id_ in self._deliveries}

    def dead(self, limit: int) -> list[DeliveryRecord]:
        """Deliveries that were given up, the first of them first."""
        with self._lock:
            return [one for one in self._deliveries.values() if one.state == "dead"][:limit]

    def dead_count(self) -> int:
        """How many those are."""
        with self._lock:
            return sum(one.state == "dead" for one in self._deliveries.values())

    def replay(self, id_: str) -> bool:
        """Make a dead delivery due again, with all its tries; whether it was dead."""
        with self._lock:
            held = self._deliveries.get(id_)
            if held is None or held.state != "dead":
                return False
            self._deliveries[id_] = replace(held, state="pending", attempts=0, due_at=self._clock())
            return True

    def _deliver(self, alert: AlertRecord, channel: str, now_ms: int, terms: Terms) -> str:
        name = channel, alert.kind, alert.level, alert.workflow
        id_ = delivery_id(alert.id, channel)
        window = self._windows.get(name)
        gathered = self._deliveries.get((window and window.delivery) or "")
        if window is not None and now_ms < window.ends_ms:
            if gathered is not None and gathered.state == "pending" and gathered.attempts == 0:
                named = gathered.alerts if len(gathered.alerts) == NAMED else (*gathered.alerts, alert.id)
                self._deliveries[gathered.id] = replace(gathered, count=gathered.count + 1, alerts=named)
                return gathered.id
            window.delivery = id_
        elif window is not None and gathered is not None and now_ms < window.ends_ms + terms.group_ms:
            window = _Window(window.ends_ms + terms.group_ms, id_)
        else:
            window = _Window(now_ms + terms.group_ms)
        self._windows[name] = window
        due_ms = now_ms if window.delivery is None else window.ends_ms
        self._deliveries[id_] = DeliveryRecord(
            id_, channel, alert.kind, alert.workflow, "pending", (alert.id,), 1, 0, terms.tries, now_ms, due_ms, 0, ""
        )
        return id_

    def _tidy(self, now_ms: int, terms: Terms) -> None:
        ordered = sorted(self._records.values(), key=lambda one: one.place)
        excess = max(0, len(ordered) - terms.most)
        for one in [*ordered[:excess], *(one for one in ordered[excess:] if one.raised_at <= now_ms - terms.kept_ms)]:
            del self._records[one.id]
            if self._marks.get(one.key, ("", ""))[0] == one.id:
                del self._marks[one.key]
        for delivery in [*self._deliveries.values()]:
            if delivery.created_at <= now_ms - terms.kept_ms:
                del self._deliveries[delivery.id]
