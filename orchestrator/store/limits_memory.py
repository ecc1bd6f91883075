"""The limits of tests: the same meanings in this process's memory, on a clock of the caller's."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.store.limits import Ask, Patience, Quota, Turn

_CLASS = 2**49


@dataclass(slots=True)
class _Group:
    """A line and the quotas that it waits for."""

    ranks: dict[str, int] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    slots: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    turns: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def free(self, quota: Quota) -> int:
        """How many slots nobody has."""
        return quota.count - len(self.slots[quota.name])

    def ahead(self, quota: Quota, rank: int) -> int:
        """How many wait for this quota before that rank."""
        return sum(self.ranks[waiter] < rank for waiter in self.turns[quota.name])

    def leave_line(self, waiter: str) -> None:
        """The waiter waits no more, for anything."""
        for waiting in (self.ranks, self.places, self.calls):
            waiting.pop(waiter, None)
        for turns in self.turns.values():
            turns.discard(waiter)

    def drop_what_lapsed(self, now_ms: int) -> None:
        """Slots, places, and the turns of those that were called and did not come."""
        for waiter in _lapsed(self.places, now_ms):
            self.leave_line(waiter)
        for slots in self.slots.values():
            for holder in _lapsed(slots, now_ms):
                del slots[holder]
        for waiter in _lapsed(self.calls, now_ms):
            for turns in self.turns.values():
                turns.discard(waiter)

    def new_rank(self, priority: int) -> int:
        """Behind all of this priority."""
        first = (9 - priority) * _CLASS
        return max((rank + 1 for rank in self.ranks.values() if first <= rank < first + _CLASS), default=first)


class MemoryLimits:
    """Limits in memory; usable from any thread. `clock` gives the moment in ms."""

    def __init__(self, clock: Callable[[], int], patience: Patience | None = None) -> None:
        self._clock = clock
        self._patience = patience or Patience()
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._lock = threading.Lock()

    def acquire(self, ask: Ask, lease_ms: int) -> Turn:
        """Slots of all quotas, or a place in line. A holder that has its slots is granted again, with a new lease."""
        with self._lock:
            group, now_ms = self._open(ask)
            turn = self._enter(group, ask, lease_ms, now_ms)
            return Turn(*turn, wake=self._call_the_next(group, ask, now_ms))

    def release(self, ask: Ask) -> tuple[str, ...]:
        """Give back slots and place, whichever the holder has; whom to wake."""
        with self._lock:
            group, now_ms = self._open(ask)
            for quota in ask.quotas:
                if quota.per_ms is None:
                    group.slots[quota.name].pop(ask.holder, None)
            group.leave_line(ask.holder)
            return self._call_the_next(group, ask, now_ms)

    def renew(self, asks: Sequence[Ask], lease_ms: int) -> list[bool]:
        """New leases of the slots; False where one has lapsed."""
        with self._lock:
            return [self._renew(ask, lease_ms) for ask in asks]

    def holders(self, group: str, name: str) -> dict[str, int]:
        """Who has a slot of a quota, and until when."""
        with self._lock:
            now_ms = self._clock()
            return {holder: end for holder, end in self._groups[group].slots[name].items() if end > now_ms}

    def waiting(self, group: str) -> list[str]:
        """Who stands in line, first to last."""
        with self._lock:
            ranks = self._groups[group].ranks
            return sorted(ranks, key=ranks.__getitem__)

    def _open(self, ask: Ask) -> tuple[_Group, int]:
        group, now_ms = self._groups[ask.group], self._clock()
        group.drop_what_lapsed(now_ms)
        return group, now_ms

    def _enter(self, group: _Group, ask: Ask, lease_ms: int, now_ms: int) -> tuple[bool, int, int]:
        waits = ask.holder in group.ranks
        has_all = not waits and any(_has_slot(group, quota, ask.holder) for quota in ask.quotas)
        group.calls.pop(ask.holder, None)
        rank = group.ranks[ask.holder] if waits else group.new_rank(ask.priority)
        blocking = [
            quota
            for quota in ask.quotas
            if not (has_all or ask.holder in group.slots[quota.name] or group.ahead(quota, rank) < group.free(quota))
        ]
        if blocking:
            return (False, *self._line_up(group, ask, rank, blocking, lease_ms, now_ms))
        for quota in ask.quotas:
            if quota.per_ms is None or not has_all:
                _take(group, quota, ask.holder, now_ms, now_ms + lease_ms)
        group.leave_line(ask.holder)
        return True, 0, 0

    def _line_up(
        self, group: _Group, ask: Ask, rank: int, blocking: list[Quota], lease_ms: int, now_ms: int
    ) -> tuple[int, int]:
        wait_ms = max(self._wait_for(group, quota, rank, lease_ms, now_ms) for quota in blocking)
        wait_ms = min(wait_ms, self._patience.longest_wait_ms)
        place = max(group.ahead(quota, rank) + 1 for quota in blocking)
        group.ranks[ask.holder] = rank
        group.places[ask.holder] = now_ms + wait_ms + self._patience.place_ms
        is_first = rank == min(group.ranks.values())
        for quota in ask.quotas:
            if quota in blocking:
                group.turns[quota.name].add(ask.holder)
                continue
            group.turns[quota.name].discard(ask.holder)
            if is_first:
                _take(group, quota, ask.holder, now_ms, now_ms + wait_ms + self._patience.call_ms)
            elif quota.per_ms is None:
                group.slots[quota.name].pop(ask.holder, None)
        return place, wait_ms

    def _wait_for(self, group: _Group, quota: Quota, rank: int, lease_ms: int, now_ms: int) -> int:
        """The moment at which time alone will have made room, if nobody renews or comes when called."""
        ends, free = sorted(group.slots[quota.name].values()), group.free(quota)
        number = group.ahead(quota, rank) - free + 1
        waits = [number * self._patience.call_ms] if free > 0 else []
        if ends:
            rounds, nth = divmod(number - 1, len(ends))
            waits.append(ends[nth] - now_ms + rounds * (quota.per_ms or lease_ms))
        return min(waits)

    def _call_the_next(self, group: _Group, ask: Ask, now_ms: int) -> tuple[str, ...]:
        called: list[str] = []
        for quota in ask.quotas:
            first = sorted(group.turns[quota.name], key=group.ranks.__getitem__)[: max(group.free(quota), 0)]
            for waiter in first:
                if waiter not in group.calls:
                    group.calls[waiter] = now_ms + self._patience.call_ms
                    called.append(waiter)
        return tuple(called)

    def _renew(self, ask: Ask, lease_ms: int) -> bool:
        group, now_ms = self._groups[ask.group], self._clock()
        slots = [group.slots[quota.name] for quota in ask.quotas if quota.per_ms is None]
        if any(held.get(ask.holder, 0) <= now_ms for held in slots):
            return False
        for held in slots:
            held[ask.holder] = now_ms + lease_ms
        return True


def _lapsed(moments: dict[str, int], now_ms: int) -> list[str]:
    return [name for name, end in moments.items() if end <= now_ms]


def _has_slot(group: _Group, quota: Quota, holder: str) -> bool:
    return quota.per_ms is None and holder in group.slots[quota.name]


def _take(group: _Group, quota: Quota, holder: str, now_ms: int, until_ms: int) -> None:
    group.slots[quota.name][holder] = until_ms if quota.per_ms is None else now_ms + quota.per_ms
