"""Holders that ask, work, die, dawdle and give up at random: nobody gets too much, nobody is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.store.limits import Ask, Patience, Quota, Turn
from orchestrator.store.limits_memory import MemoryLimits

pytestmark = pytest.mark.property

LEASE_MS = 1_000
PATIENCE = Patience(call_ms=200, place_ms=2_000, longest_wait_ms=5_000)
TENANT_A, TENANT_B = Quota("tenant-a", 1), Quota("tenant-b", 2)
REGION_X, REGION_Y = Quota("region-x", 1), Quota("region-y", 2)
RATE, RATE_MS = Quota("rate", 2, per_ms=500), 500
QUOTAS = (TENANT_A, TENANT_B, REGION_X, REGION_Y)
WISHES = (
    (TENANT_A,),
    (REGION_Y,),
    (RATE,),
    (TENANT_A, REGION_X),
    (TENANT_A, REGION_Y),
    (TENANT_B, REGION_X),
    (TENANT_A, REGION_Y, RATE),
    (TENANT_B, REGION_X, RATE),
)


@dataclass(frozen=True, slots=True)
class Waiter:
    """What the model knows of one that was refused."""

    ask: Ask
    arrival: int
    again_at: int
    woken_at: int | None = None
    lost_its_place: bool = False

    def is_ahead_of(self, other: Waiter) -> bool:
        """Whether it must be granted first: it wants the same one quota, and came first."""
        same = self.ask.quotas == other.ask.quotas and len(self.ask.quotas) == 1
        first = (-self.ask.priority, self.arrival) < (-other.ask.priority, other.arrival)
        return same and first and not self.lost_its_place


class LimitsInUse(RuleBasedStateMachine):
    """A model of who holds and who waits, beside the limits themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.limits = MemoryLimits(lambda: self.now, PATIENCE)
        self.drawn = 0
        self.held: dict[str, tuple[Ask, int]] = {}
        self.waiting: dict[str, Waiter] = {}
        self.dead: set[str] = set()
        self.begun: list[int] = []

    @rule(quotas=st.sampled_from(WISHES), priority=st.sampled_from((5, 5, 5, 9)))
    def arrive(self, quotas: tuple[Quota, ...], priority: int) -> None:
        """Somebody new asks."""
        self.drawn += 1
        self.ask(Ask("flow", quotas, f"h{self.drawn}", priority))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """A waiter asks again, in time or not."""
        self.ask(self.waiting[data.draw(st.sampled_from(sorted(self.waiting)))].ask)

    @precondition(lambda self: self.with_slots())
    @rule(data=st.data())
    def ask_twice(self, data: st.DataObject) -> None:
        """A holder's request is sent again."""
        ask, _ = self.held[data.draw(st.sampled_from(self.with_slots()))]

        turn = self.limits.acquire(ask, LEASE_MS)

        assert turn.granted
        self.held[ask.holder] = ask, self.now + LEASE_MS
        self.note_woken(turn.wake)

    @precondition(lambda self: self.held or self.waiting)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """A holder is done, or a waiter gives up; the news may be doubled."""
        holder = data.draw(st.sampled_from(sorted({*self.held, *self.waiting})))
        self.release(self.held[holder][0] if holder in self.held else self.waiting[holder].ask)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Some holders renew."""
        asks = [self.held[name][0] for name in data.draw(st.sets(st.sampled_from(sorted(self.held))))]

        assert self.limits.renew(asks, LEASE_MS) == [True] * len(asks)
        self.held.update({ask.holder: (ask, self.now + LEASE_MS) for ask in asks})

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A waiter is never heard of again."""
        self.dead.add(data.draw(st.sampled_from(sorted(self.waiting))))

    @rule(ms=st.sampled_from((1, 50, 199, 200, 500, 1_000, 7_000)))
    def pass_time(self, ms: int) -> None:
        """Leases, calls and places lapse; killed holders are those that did not renew."""
        self.now += ms
        self.held = {name: held for name, held in self.held.items() if held[1] > self.now}
        for name, waiter in self.waiting.items():
            slow = waiter.woken_at is not None and self.now >= waiter.woken_at + PATIENCE.call_ms
            gone = self.now >= waiter.again_at + PATIENCE.place_ms
            self.waiting[name] = replace(waiter, lost_its_place=waiter.lost_its_place or slow or gone)

    @invariant()
    def nobody_has_more_than_the_limit(self) -> None:
        """Ever."""
        for quota in QUOTAS:
            assert len(self.limits.holders("flow", quota.name)) <= quota.count

    @invariant()
    def holders_are_those_who_were_granted_and_neither_released_nor_lapsed(self) -> None:
        """And besides, what the first in line has gathered."""
        for quota in QUOTAS:
            granted = {name for name, (ask, _) in self.held.items() if quota in ask.quotas}
            others = set(self.limits.holders("flow", quota.name)) - granted
            assert granted <= set(self.limits.holders("flow", quota.name))
            assert others <= set(self.waiting)

    @invariant()
    def no_window_sees_more_than_the_rate(self) -> None:
        """However the grants fall."""
        spaced = zip(self.begun, self.begun[RATE.count :], strict=False)
        assert all(later - earlier >= RATE_MS for earlier, later in spaced)

    def teardown(self) -> None:
        """The living are all served once those who hold are done, and then nothing is held."""
        deadline = self.now + 60_000
        while living := [waiter for name, waiter in self.waiting.items() if name not in self.dead]:
            for ask, _ in list(self.held.values()):
                self.release(ask)
            first = min(living, key=self.due)
            self.pass_time(max(self.due(first) - self.now, 0))
            self.ask(first.ask)
            assert self.now < deadline

        self.now += PATIENCE.longest_wait_ms + PATIENCE.place_ms
        assert all(self.limits.holders("flow", quota.name) == {} for quota in QUOTAS)

    def due(self, waiter: Waiter) -> int:
        """When a living waiter asks again: when its wait is over, or shortly after it was woken."""
        return waiter.again_at if waiter.woken_at is None else min(waiter.again_at, waiter.woken_at + 10)

    def ask(self, ask: Ask) -> Turn:
        """Ask, and note what comes of it."""
        before = self.waiting.get(ask.holder)
        turn = self.limits.acquire(ask, LEASE_MS)
        fresh = before is None or self.now >= before.again_at + PATIENCE.place_ms
        arrival = self.arrivals() if fresh or before is None else before.arrival
        asker = Waiter(ask, arrival, self.now + turn.wait_ms)
        self.waiting.pop(ask.holder, None)
        if turn.granted:
            self.check_order(asker)
            self.held[ask.holder] = ask, self.now + LEASE_MS
            if RATE in ask.quotas:
                self.begun.append(self.now)
        else:
            assert turn.wait_ms > 0
            self.waiting[ask.holder] = asker
        self.note_woken(turn.wake)
        return turn

    def check_order(self, granted: Waiter) -> None:
        """There is a free slot for each of those who were ahead."""
        ahead = [one for one in self.waiting.values() if one.is_ahead_of(granted)]
        assert all(self.free(quota) >= len(ahead) for quota in granted.ask.quotas)

    def with_slots(self) -> list[str]:
        """Those who hold more than their part of a rate, which may be over."""
        return sorted(name for name, (ask, _) in self.held.items() if ask.quotas != (RATE,))

    def free(self, quota: Quota) -> int:
        """Slots that nobody has."""
        return quota.count - len(self.limits.holders("flow", quota.name))

    def release(self, ask: Ask) -> None:
        """Give back, twice."""
        self.held.pop(ask.holder, None)
        self.waiting.pop(ask.holder, None)
        self.note_woken(self.limits.release(ask))
        assert self.limits.release(ask) == ()

    def note_woken(self, woken: tuple[str, ...]) -> None:
        """Only those who wait are woken."""
        for name in woken:
            assert name in self.waiting
            self.waiting[name] = replace(self.waiting[name], woken_at=self.now)

    def arrivals(self) -> int:
        """A number that grows with each arrival."""
        self.drawn += 1
        return self.drawn


TestLimits = LimitsInUse.TestCase
TestLimits.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
