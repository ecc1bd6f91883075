"""The external events of tests: the same meanings in this process's memory, on a clock of the caller's."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.clock import elapsed_s
from orchestrator.settings import Settings
from orchestrator.store.events import (
    DEAD_KEPT_MS,
    MARK_SLACK_MS,
    Burial,
    Claim,
    DeadLetter,
    Delivery,
    Miss,
    Reserved,
    entry_key,
    roots,
)


@dataclass(slots=True)
class _Pending:
    """An entry that a consumer has not acknowledged."""

    consumer: str
    delivered_ms: int
    deliveries: int


@dataclass(slots=True)
class _Mark:
    """The run of a dedupe key."""

    came_ms: int
    run_id: str
    until_ms: int
    started: bool = False


class MemoryEvents:
    """External events in memory; usable from any thread. `clock` gives the moment in ms."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._kept_ms = settings.events_kept_ms
        self._clock = clock
        self._stream: dict[str, Delivery] = {}
        self._newest = (0, 0)
        self._logs: defaultdict[str, set[str]] = defaultdict(set)
        self._correlations: defaultdict[str, set[str]] = defaultdict(set)
        self._read_to = (0, 0)
        self._pending: dict[str, _Pending] = {}
        self._marks: dict[str, _Mark] = {}
        self._misses: dict[str, Miss] = {}
        self._dead: dict[str, DeadLetter] = {}
        self._buried: dict[tuple[str, str], int] = {}
        self._last_letter = (0, 0)
        self._changed = threading.Condition()

    def append(self, bodies: Sequence[str]) -> list[str]:
        """Take events in, as texts, in this order; the ids of their entries. Sent twice, they are in it twice."""
        with self._changed:
            return [self._append(body, "") for body in bodies]

    def after(self, entry_id: str, limit: int, block_ms: int = 0) -> list[Delivery]:
        """Entries that came after one, oldest first, for whoever only looks; waits so long until there is one."""
        with self._changed:
            return self._wait(lambda: self._from(entry_key(entry_id))[:limit], block_ms)

    def newest(self, count: int, before: str = "") -> list[Delivery]:
        """The newest entries, or the newest of those that came before one; oldest of them first."""
        with self._changed:
            return [one for id_, one in self._stream.items() if not before or entry_key(id_) < entry_key(before)][
                -count:
            ]

    def note(self, entries: Sequence[tuple[str, str]]) -> None:
        """Put (entry id, type) into the logs of their types; what is there already stays as it is."""
        with self._changed:
            for entry_id, type_ in entries:
                oldest_ms = entry_key(entry_id)[0] - self._kept_ms
                self._logs[type_] = {one for one in self._logs[type_] if entry_key(one)[0] >= oldest_ms} | {entry_id}

    def recall(self, type_: str, since_ms: int, limit: int, after: str = "") -> list[tuple[str, dict[str, Any]]]:
        """(entry id, `event` root) of a type's events that came since a moment, and after an entry; oldest first."""
        with self._changed:
            wanted = [one for one in self._logs[type_] if entry_key(one)[0] >= since_ms]
            later = sorted((one for one in wanted if entry_key(one) > entry_key(after or "0-0")), key=entry_key)
            return roots([self._stream[one] for one in later if one in self._stream])[:limit]

    def correlations(self, type_: str) -> list[str]:
        """The CEL texts by which steps of published versions correlate events of a type, sorted."""
        with self._changed:
            return sorted(self._correlations[type_])

    def add_correlations(self, type_: str, expressions: Sequence[str]) -> None:
        """Add such texts."""
        with self._changed:
            self._correlations[type_].update(expressions)

    def read(self, consumer: str, limit: int, block_ms: int) -> list[Delivery]:
        """Entries that no listener got yet; waits so long until there is one. They are the consumer's until `ack`."""
        with self._changed:
            found = self._wait(lambda: self._from(self._read_to)[:limit], block_ms)
            for one in found:
                self._pending[one.id] = _Pending(consumer, self._clock(), 1)
                self._read_to = entry_key(one.id)
            return found

    def claim(self, consumer: str, idle_ms: int, limit: int) -> list[Delivery]:
        """Entries that another, or this one, got so long ago and has not acknowledged; now they are the consumer's."""
        with self._changed:
            now_ms, claimed = self._clock(), list[Delivery]()
            idle = [one for one, held in self._pending.items() if now_ms - held.delivered_ms >= idle_ms]
            for entry_id in sorted(idle, key=entry_key)[:limit]:
                held, entry = self._pending[entry_id], self._stream.get(entry_id)
                if entry is None:
                    del self._pending[entry_id]
                    continue
                self._pending[entry_id] = _Pending(consumer, now_ms, held.deliveries + 1)
                claimed.append(Delivery(entry.id, entry.body, entry.only, held.deliveries + 1))
            return claimed

    def keep(self, consumer: str, entry_ids: Sequence[str]) -> None:
        """The consumer is still at these, which nobody is to claim yet."""
        with self._changed:
            for entry_id in entry_ids:
                if entry_id in self._pending:
                    held = self._pending[entry_id]
                    self._pending[entry_id] = _Pending(consumer, self._clock(), held.deliveries)

    def ack(self, entry_ids: Sequence[str]) -> None:
        """These are done with."""
        with self._changed:
            for entry_id in entry_ids:
                self._pending.pop(entry_id, None)

    def tidy(self, idle_ms: int) -> None:
        """Forget consumers that have been silent for so long, and owe nothing: here nothing is known of those."""

    def reserve(self, claims: Sequence[Claim]) -> list[Reserved]:
        """For each key the run of the claim that was first within the window of this one, else the claim's."""
        with self._changed:
            return [self._reserve(one) for one in claims]

    def settle(self, started: Sequence[tuple[str, str]]) -> None:
        """The runs of these (key, run id) have been started."""
        with self._changed:
            for key, run_id in started:
                mark = self._marks.get(key)
                if mark is not None and mark.run_id == run_id:
                    mark.started = True

    def miss(self, miss: Miss) -> None:
        """Remember it as the last one of its trigger."""
        with self._changed:
            self._misses[miss.trigger] = miss

    def misses(self) -> list[Miss]:
        """The last one of each trigger that had any, for as long as events are kept; by trigger."""
        with self._changed:
            return [miss for _, miss in sorted(self._misses.items())]

    def bury(self, burials: Sequence[Burial]) -> None:
        """Give events up. An entry is buried once, or once for each trigger."""
        with self._changed:
            now_ms = self._clock()
            for one in burials:
                name = one.entry_id, one.only
                if self._buried.get(name, 0) > now_ms:
                    continue
                self._buried[name] = now_ms + DEAD_KEPT_MS
                self._last_letter = _next_id(self._last_letter, now_ms)
                letter_id = "{}-{}".format(*self._last_letter)
                self._dead[letter_id] = DeadLetter(letter_id, now_ms, one)

    def dead(self, limit: int, after: str = "0-0") -> list[DeadLetter]:
        """Events that were given up, oldest first."""
        with self._changed:
            return [letter for name, letter in self._dead.items() if entry_key(name) > entry_key(after)][:limit]

    def dead_count(self) -> int:
        """How many those are."""
        with self._changed:
            return len(self._dead)

    def remove(self, letter_id: str) -> bool:
        """Forget one of them; whether it was there."""
        with self._changed:
            return self._dead.pop(letter_id, None) is not None

    def replay(self, letter_id: str) -> str | None:
        """Take one of them in again, and off the dead letters; the id of its new entry, None if it was not there."""
        with self._changed:
            letter = self._dead.pop(letter_id, None)
            return None if letter is None else self._append(letter.burial.body, letter.burial.only)

    def _append(self, body: str, only: str) -> str:
        now_ms = self._clock()
        self._newest = _next_id(self._newest, now_ms)
        entry_id = "{}-{}".format(*self._newest)
        self._stream = {one: held for one, held in self._stream.items() if held.came_ms >= now_ms - self._kept_ms}
        self._stream[entry_id] = Delivery(entry_id, body, only)
        self._changed.notify_all()
        return entry_id

    def _from(self, after: tuple[int, int]) -> list[Delivery]:
        return [held for one, held in self._stream.items() if entry_key(one) > after]

    def _wait(self, look: Callable[[], list[Delivery]], block_ms: int) -> list[Delivery]:
        deadline = elapsed_s() + block_ms / 1000
        while not (found := look()):
            left_s = deadline - elapsed_s()
            if left_s <= 0 or not self._changed.wait(left_s):
                return look()
        return found

    def _reserve(self, one: Claim) -> Reserved:
        now_ms, mark = self._clock(), self._marks.get(one.key)
        if mark is not None and mark.until_ms <= now_ms:
            mark = None
        if mark is not None and (abs(one.came_ms - mark.came_ms) < one.window_ms or mark.run_id == one.run_id):
            return Reserved(mark.run_id, mark.started)
        if mark is None or one.came_ms > mark.came_ms:
            self._marks[one.key] = _Mark(one.came_ms, one.run_id, now_ms + one.window_ms + MARK_SLACK_MS)
        return Reserved(one.run_id, started=False)


def _next_id(newest: tuple[int, int], now_ms: int) -> tuple[int, int]:
    return (now_ms, 0) if now_ms > newest[0] else (newest[0], newest[1] + 1)
