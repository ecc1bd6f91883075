"""Laws of limits, tried in memory and on Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.clock import elapsed_s
from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.limits import Ask, Limits, Patience, Quota, RedisLimits, Turn
from orchestrator.store.limits_memory import MemoryLimits

LEASE_MS = 60_000
PATIENCE = Patience(call_ms=40, place_ms=200, longest_wait_ms=70_000)
ONE, TWO, RATE = Quota("one", 1), Quota("two", 2), Quota("rate", 3, per_ms=100_000)
ALL = (ONE, TWO, RATE)
WISHES = ((ONE,), (TWO,), (ONE, TWO), (TWO, RATE), ALL)


@dataclass(frozen=True, slots=True)
class Gate:
    """Limits whose clock can be moved, and short ways to ask."""

    limits: Limits
    pass_ms: Callable[[int], None]

    def ask(self, holder: str, *quotas: Quota, priority: int = 5, lease_ms: int = LEASE_MS) -> Turn:
        """Ask for slots."""
        return self.limits.acquire(wanted(holder, *quotas, priority=priority), lease_ms)

    def release(self, holder: str, *quotas: Quota) -> tuple[str, ...]:
        """Give everything back."""
        return self.limits.release(wanted(holder, *quotas))

    def who(self, quota: Quota = ONE) -> set[str]:
        """The holders of a quota."""
        return set(self.limits.holders("flow", quota.name))


def wanted(holder: str, *quotas: Quota, priority: int = 5) -> Ask:
    """What is asked for: `ONE` if nothing else is said."""
    return Ask("flow", quotas or (ONE,), holder, priority)


@pytest.fixture(params=["memory", "redis"])
def gate(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Gate]:
    """Each law is tried on both."""
    if request.param == "memory":
        now = [1_700_000_000_000]
        yield Gate(MemoryLimits(lambda: now[0], PATIENCE), lambda ms: now.__setitem__(0, now[0] + ms))
        return
    server: LocalRedis = request.getfixturevalue("redis_server")
    limits = RedisLimits(server.url(), settings, PATIENCE)
    yield Gate(limits, _wait)
    limits.close()


def test_no_more_than_the_limit_have_a_slot(gate: Gate) -> None:
    """The third of two waits, as the first of the line."""
    turns = [gate.ask(holder, TWO) for holder in "abc"]

    assert [turn.granted for turn in turns] == [True, True, False]
    assert gate.who(TWO) == {"a", "b"}
    assert (turns[2].place, gate.limits.waiting("flow")) == (1, ["c"])


def test_asking_again_is_granted_again(gate: Gate) -> None:
    """A lost reply costs neither a slot nor a place."""
    gate.ask("a")
    gate.ask("b")
    gate.ask("b")
    gate.ask("c")

    assert gate.ask("a").granted
    assert [gate.ask(holder).place for holder in "bc"] == [1, 2]
    assert gate.limits.waiting("flow") == ["b", "c"]


def test_a_slot_goes_to_the_first_in_line(gate: Gate) -> None:
    """Who releases is told whom to wake; nobody overtakes who was called."""
    for holder in "abc":
        gate.ask(holder)

    woken = gate.release("a")

    assert woken == ("b",)
    assert not gate.ask("d").granted
    assert not gate.ask("c").granted
    assert gate.ask("b").granted


def test_each_is_woken_once(gate: Gate) -> None:
    """Until it has asked again."""
    for holder in "abc":
        gate.ask(holder)

    assert gate.release("a") == ("b",)
    assert gate.release("a") == ()
    assert gate.ask("c").wake == ()


def test_two_free_slots_wake_two(gate: Gate) -> None:
    """As many as can come."""
    for holder in "abcde":
        gate.ask(holder, TWO)

    assert gate.release("a", TWO) == ("c",)
    assert gate.release("b", TWO) == ("d",)


def test_a_higher_priority_goes_first(gate: Gate) -> None:
    """And within one, who came first."""
    gate.ask("a")
    for holder, priority in (("b", 5), ("c", 9), ("d", 5), ("e", 0), ("f", 9)):
        gate.ask(holder, priority=priority)

    assert gate.limits.waiting("flow") == ["c", "f", "b", "d", "e"]
    assert gate.release("a") == ("c",)


def test_who_was_called_and_overtaken_is_called_again(gate: Gate) -> None:
    """A higher priority may take the slot that was kept; the place stays."""
    gate.ask("a")
    gate.ask("b")
    gate.release("a")
    gate.ask("urgent", priority=9)

    refused = gate.ask("b")

    assert not refused.granted
    assert gate.release("urgent") == ("b",)


def test_one_that_does_not_come_is_passed_over_but_keeps_its_place(gate: Gate) -> None:
    """A dead waiter costs the others a moment; a late one, nothing but that slot."""
    for holder in "abcd":
        gate.ask(holder)
    gate.release("a")
    gate.pass_ms(PATIENCE.call_ms)

    overtook = gate.ask("c")
    late = gate.ask("b")

    assert (overtook.granted, late.granted) == (True, False)
    assert gate.limits.waiting("flow") == ["b", "d"]
    assert gate.release("c") == ("b",)


def test_who_does_not_come_back_at_all_is_out_of_the_line(gate: Gate) -> None:
    """Some time after the moment at which it was to ask again."""
    gate.ask("a", lease_ms=20)
    wait_ms = gate.ask("b", lease_ms=20).wait_ms

    gate.pass_ms(wait_ms + PATIENCE.place_ms)

    assert gate.ask("c").granted
    assert gate.limits.waiting("flow") == []


def test_a_slot_whose_lease_has_lapsed_is_free(gate: Gate) -> None:
    """Its holder is dead, or has lost it."""
    gate.ask("a", lease_ms=30)
    first = gate.ask("b")

    gate.pass_ms(first.wait_ms)

    assert 0 < first.wait_ms <= 30
    assert gate.who() == set()
    assert gate.limits.renew([wanted("a")], LEASE_MS) == [False]
    assert gate.ask("b").granted


def test_a_renewed_slot_is_kept(gate: Gate) -> None:
    """Each of those that are still held; the others are told."""
    gate.ask("a", lease_ms=50)

    renewed = gate.limits.renew([wanted("a"), wanted("b")], LEASE_MS)
    gate.pass_ms(50)

    assert renewed == [True, False]
    assert gate.who() == {"a"}


def test_who_leaves_the_line_holds_up_nobody(gate: Gate) -> None:
    """A slot that was kept for it goes to the next at once."""
    for holder in "abc":
        gate.ask(holder)
    gate.release("a")

    assert gate.release("b") == ("c",)
    assert gate.ask("c").granted


def test_waits_spread_those_in_line(gate: Gate) -> None:
    """Nobody asks before time alone could have made room, and no two for one slot at the same moment."""
    for holder in "ab":
        gate.ask(holder, TWO, lease_ms=10_000)

    waits = [gate.ask(holder, TWO, lease_ms=10_000).wait_ms for holder in "cdefg"]

    assert [round(wait / 10_000) for wait in waits] == [1, 1, 2, 2, 3]


def test_a_step_has_all_its_slots_or_none(gate: Gate) -> None:
    """It keeps no other waiting where only another quota refuses it."""
    gate.ask("a", ONE)
    gate.ask("first", ONE)
    refused = gate.ask("b", ONE, TWO)

    others = [gate.ask(holder, TWO) for holder in "cd"]

    assert not refused.granted
    assert all(turn.granted for turn in others)
    assert (gate.who(ONE), gate.who(TWO)) == ({"a"}, {"c", "d"})


def test_the_first_in_line_keeps_what_it_can_get(gate: Gate) -> None:
    """So that it does not wait for ever for the moment at which all quotas have room."""
    other = Quota("other", 1)
    gate.ask("a", ONE)
    gate.ask("x", ONE, other)

    overtaking = gate.ask("b", other)
    woken = gate.release("a", ONE)

    assert not overtaking.granted
    assert woken == ("x",)
    assert gate.ask("x", ONE, other).granted


def test_crossed_quotas_cannot_lock_each_other(gate: Gate) -> None:
    """Who is no longer the first gives back what it has while it waits."""
    other = Quota("other", 1)
    gate.ask("a", ONE)
    gate.ask("b", other)
    gate.ask("x", ONE, other)
    gate.release("b", other)
    gate.ask("x", ONE, other)
    gate.ask("urgent", ONE, other, priority=9)

    gate.ask("x", ONE, other)
    gate.release("a", ONE)

    assert gate.ask("urgent", ONE, other, priority=9).granted
    assert (gate.who(ONE), gate.who(other)) == ({"urgent"}, {"urgent"})


def test_a_released_waiter_gives_back_what_it_has(gate: Gate) -> None:
    """Of the first in line, too, nothing is left."""
    other = Quota("other", 1)
    gate.ask("a", ONE)
    gate.ask("x", ONE, other)
    gate.ask("y", ONE, other)

    woken = gate.release("x", ONE, other)

    assert woken == ("y",)
    assert gate.who(other) == set()
    assert gate.limits.waiting("flow") == ["y"]


def test_a_rate_gives_so_many_in_any_window(gate: Gate) -> None:
    """A slot that is given back early counts until its time is over."""
    rate = Quota("rate", 2, per_ms=100)
    granted = [gate.ask(holder, rate).granted for holder in "ab"]
    gate.release("a", rate)

    refused = gate.ask("c", rate)
    gate.pass_ms(refused.wait_ms)

    assert granted == [True, True]
    assert not refused.granted
    assert 0 < refused.wait_ms <= 100
    assert gate.ask("c", rate).granted


def test_a_rate_and_a_maximum_are_granted_together(gate: Gate) -> None:
    """Who waits for a slot uses up nothing of the rate."""
    rate = Quota("rate", 1, per_ms=10_000)
    gate.ask("a", ONE)
    gate.ask("first", ONE)
    gate.ask("b", ONE, rate)

    assert gate.ask("c", rate).granted


def test_a_rate_counts_from_the_grant(gate: Gate) -> None:
    """Not from when the first in line took its part and still waited for another quota."""
    rate = Quota("rate", 1, per_ms=200)
    gate.ask("a", ONE)
    gate.ask("x", ONE, rate)
    gate.pass_ms(150)
    gate.release("a", ONE)

    granted = gate.ask("x", ONE, rate).granted

    assert granted
    assert gate.ask("b", rate).wait_ms > 100


def test_a_holder_of_a_slot_pays_its_rate_once(gate: Gate) -> None:
    """Asking again is granted even when the rate's window is over and full again."""
    rate = Quota("rate", 1, per_ms=50)
    gate.ask("a", TWO, rate)
    gate.pass_ms(50)
    gate.ask("b", TWO, rate)

    assert gate.ask("a", TWO, rate).granted
    assert gate.who(rate) == {"b"}


def test_groups_and_quotas_are_apart(gate: Gate) -> None:
    """A tenant's line is its own."""
    gate.ask("a", ONE)

    assert gate.ask("b", TWO).granted
    assert gate.limits.acquire(Ask("other", (ONE,), "a"), LEASE_MS).granted


@given(acts=st.lists(st.tuples(st.sampled_from("aarn"), st.integers(0, 6), st.sampled_from(WISHES)), max_size=40))
@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_give_the_same_answers(redis_server: LocalRedis, acts: list[tuple[str, int, tuple[Quota, ...]]]) -> None:
    """Whatever is asked in whatever order; priorities included."""
    patience = Patience(call_ms=100_000, place_ms=100_000, longest_wait_ms=100_000)
    on_redis = RedisLimits(redis_server.url(), Settings(namespace=f"test-{secrets.token_hex(6)}"), patience)
    both: tuple[Limits, Limits] = MemoryLimits(lambda: 1, patience), on_redis

    for verb, number, quotas in acts:
        ask = Ask("flow", quotas, f"h{number}-{WISHES.index(quotas)}", priority=5 + number % 2)
        first, second = (_done(limits, verb, ask) for limits in both)

        assert first == second
        assert both[0].waiting("flow") == both[1].waiting("flow")
        assert all(both[0].holders("flow", one.name).keys() == both[1].holders("flow", one.name).keys() for one in ALL)


def test_nothing_stays_behind(redis_server: LocalRedis, settings: Settings) -> None:
    """Every key goes with the last moment in it, whether anybody asks again or not."""
    limits, connection = RedisLimits(redis_server.url(), settings, PATIENCE), Connection(redis_server.url())
    for holder in "abc":
        limits.acquire(wanted(holder, ONE, Quota("rate", 2, per_ms=30)), 30)
    limits.release(wanted("a", ONE, Quota("rate", 2, per_ms=30)))
    keys = connection.execute("KEYS", f"{settings.namespace}:*")

    lifetimes = [connection.execute("PTTL", key) for key in keys]

    assert len({key[key.index("{") : key.index("}")] for key in keys}) == 1
    assert all(0 < lifetime < 1_000 for lifetime in lifetimes)


def _done(limits: Limits, verb: str, ask: Ask) -> object:
    match verb:
        case "a":
            turn = limits.acquire(ask, LEASE_MS)
            return turn.granted, turn.place, turn.wake, round(turn.wait_ms / 10_000)
        case "r":
            return limits.release(ask)
    return limits.renew([ask], LEASE_MS)


def _wait(ms: int) -> None:
    until = elapsed_s() + (ms + 2) / 1000
    while elapsed_s() < until:
        pass
