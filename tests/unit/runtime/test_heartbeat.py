"""Leases are renewed while their attempts go on, and only then."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.commit import Answer, Commit, Reply
from orchestrator.errors import Unreachable
from orchestrator.runtime.heartbeat import Heartbeat, Lease
from orchestrator.store.limits_memory import MemoryLimits
from orchestrator.store.watch import Held

NOW_MS = 1_000_000
PATIENCE_S = 10.0


class RenewingStore:
    """Answers every renewal with the same answer, and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.answer = Answer.APPLIED
        self.stopping = "0"
        self.away = False
        self.rounds: list[list[Commit]] = []
        self._called = threading.Condition()

    def apply_many(self, commits: Sequence[Commit]) -> list[Reply]:
        """Note the renewals."""
        with self._called:
            self.rounds.append(list(commits))
            self._called.notify_all()
        if self.away:
            raise Unreachable("gone")
        return [Reply((self.answer,), NOW_MS, {fields.STOPPING: self.stopping}) for _ in commits]

    def next_rounds(self, count: int = 2) -> list[list[Commit]]:
        """The renewals of the next rounds; of two, the first has been taken note of when the second comes."""
        with self._called:
            before = len(self.rounds)
            assert self._called.wait_for(lambda: len(self.rounds) >= before + count, PATIENCE_S)
            return self.rounds[before:]


@pytest.fixture
def store() -> RenewingStore:
    """Grants every renewal, until it is told otherwise."""
    return RenewingStore()


@pytest.fixture
def heartbeat(store: RenewingStore) -> Iterator[Heartbeat]:
    """A heart that beats every millisecond, until the test ends."""
    slots = MemoryLimits(lambda: NOW_MS)
    beating = Heartbeat(lambda: store, lambda: slots, interval_ms=1, lease_ms=15_000)  # type: ignore[arg-type,return-value]
    yield beating
    beating.stop()


def lease(token: str = "token", *, address: str = "a", waited_for: bool = True) -> Lease:
    """A lease that was granted."""
    return Lease("run", "1", address, token, waited_for, claimed_at_ms=NOW_MS)


def tokens(commits: Sequence[Commit]) -> set[str | None]:
    """Whose leases are renewed."""
    return {commit.stages[0].guards[fields.token("a")] for commit in commits}


class Listener:
    """Hears which leases are held, and lets a test wait for what it expects; or is away."""

    def __init__(self) -> None:
        self.told: list[list[Held]] = []
        self.away = False
        self._called = threading.Condition()

    def tell(self, held: Sequence[Held]) -> None:
        """Note them."""
        with self._called:
            self.told.append(list(held))
            self._called.notify_all()
        if self.away:
            raise Unreachable("gone")

    def heard(self, of: Callable[[list[list[Held]]], object]) -> None:
        """Return as soon as what was told is so."""
        with self._called:
            assert self._called.wait_for(lambda: of(self.told), PATIENCE_S)


@pytest.fixture
def listener() -> Listener:
    """Whoever watches the fleet."""
    return Listener()


@pytest.fixture
def telling(store: RenewingStore, listener: Listener) -> Iterator[Heartbeat]:
    """A heartbeat that tells of what it renews."""
    slots = MemoryLimits(lambda: NOW_MS)
    beating = Heartbeat(lambda: store, lambda: slots, interval_ms=1, lease_ms=15_000, tell=listener.tell)  # type: ignore[arg-type,return-value]
    yield beating
    beating.stop()


def test_who_watches_is_told_of_what_was_renewed(telling: Heartbeat, listener: Listener) -> None:
    """Since when, and until when: no later than its attempt's end. And, once, that nothing is held any more."""
    lease = Lease("run", "1", "a", "token", waited_for=False, claimed_at_ms=NOW_MS - 9, workflow="test.flow")
    lease.limit(5_000, None)

    telling.hold(lease)
    listener.heard(lambda told: told)
    telling.release(lease.token)
    listener.heard(lambda told: told[-1] == [])

    assert listener.told[0] == [Held("run", "test.flow", "a", NOW_MS - 9, NOW_MS - 9 + 5_000, os.getpid())]
    assert listener.told.count([]) == 1
    deadline = elapsed_s() + PATIENCE_S
    while telling._told:  # it says nothing more
        assert elapsed_s() < deadline


def test_a_claim_that_has_not_been_granted_is_no_lease(telling: Heartbeat, listener: Listener) -> None:
    """It is renewed all the same: its answer may have got lost."""
    telling.hold(Lease("run", "1", "a", "token", waited_for=False))

    listener.heard(lambda told: len(told) > 1)

    assert listener.told[:2] == [[], []]


def test_nobody_who_watches_keeps_a_lease_from_being_renewed(
    telling: Heartbeat, listener: Listener, store: RenewingStore
) -> None:
    """What they miss, they hear the next time."""
    listener.away = True
    telling.hold(Lease("run", "1", "a", "token", waited_for=False, claimed_at_ms=NOW_MS))
    store.next_rounds(3)
    listener.away = False

    listener.heard(lambda told: len(told) > 3)
    assert store.next_rounds()


def test_every_lease_that_is_held_is_renewed(store: RenewingStore, heartbeat: Heartbeat) -> None:
    """Together, again and again, each guarded by its own token."""
    heartbeat.hold(lease("one"))
    heartbeat.hold(lease("two"))

    for commits in store.next_rounds(3)[1:]:
        assert tokens(commits) == {"one", "two"}
        assert {commit.stages[0].changes.entries["a"].within_ms for commit in commits} == {15_000}  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", [Answer.REFUSED, Answer.GONE])
def test_a_refused_renewal_cancels_the_attempt(store: RenewingStore, heartbeat: Heartbeat, answer: Answer) -> None:
    """Somebody else holds the step, or the run is no more: the operation is told to give up."""
    held = lease()
    store.answer = answer

    heartbeat.hold(held)
    store.next_rounds()

    assert held.cancelled


@pytest.mark.parametrize(("address", "cancelled"), [("a", True), ("a~", False)])
def test_a_run_that_stops_cancels_its_steps_but_not_its_undos(
    store: RenewingStore, heartbeat: Heartbeat, address: str, cancelled: bool
) -> None:
    """The lease goes on, so that what is in flight may end in good order."""
    held = lease(address=address)
    store.stopping = "1"

    heartbeat.hold(held)
    store.next_rounds()

    assert held.cancelled is cancelled


def test_a_store_that_is_away_cancels_nothing(store: RenewingStore, heartbeat: Heartbeat) -> None:
    """The next renewal may come in time."""
    held = lease()
    store.away = True

    heartbeat.hold(held)
    store.next_rounds()

    assert not held.cancelled


def test_a_released_lease_is_renewed_no_more(store: RenewingStore, heartbeat: Heartbeat) -> None:
    """The others are."""
    heartbeat.hold(lease("kept"))
    heartbeat.hold(lease("released"))
    heartbeat.release("released")

    assert tokens(store.next_rounds()[-1]) == {"kept"}


def test_a_heart_that_was_stopped_beats_again_for_the_next_lease(store: RenewingStore, heartbeat: Heartbeat) -> None:
    """A process may pause and go on."""
    heartbeat.hold(lease("one"))
    store.next_rounds()
    heartbeat.stop()
    _until(lambda: not any(thread.name == "heartbeat" for thread in threading.enumerate()))

    heartbeat.hold(lease("two"))

    assert tokens(store.next_rounds()[-1]) == {"one", "two"}


def test_no_renewal_goes_past_the_attempts_end(store: RenewingStore, heartbeat: Heartbeat) -> None:
    """The earlier of its timeout and the silence that it may keep."""
    held = lease()
    held.limit(timeout_ms=60_000, silence_ms=8_000)
    heartbeat.hold(held)

    (due,) = {commit.stages[0].changes.entries["a"] for commit in store.next_rounds()[-1]}

    assert due is not None
    assert due.at_ms == NOW_MS + 8_000


def test_an_operation_that_is_heard_may_be_silent_for_as_long_again() -> None:
    """Never past its timeout."""
    held = lease()
    held.limit(timeout_ms=20_000, silence_ms=8_000)

    held.heard(Reply((Answer.APPLIED,), NOW_MS + 5_000, {}))
    assert held.limit_ms == NOW_MS + 13_000

    held.heard(Reply((Answer.APPLIED,), NOW_MS + 15_000, {}))
    assert held.limit_ms == NOW_MS + 20_000


def test_an_operation_whose_heartbeat_is_refused_is_cancelled() -> None:
    """It need not wait for the next renewal."""
    held = lease()

    held.heard(Reply((Answer.REFUSED,), NOW_MS, {}))

    assert held.cancelled


def test_a_step_that_a_stop_does_not_wait_for_is_only_renewed_while_the_run_goes_on(
    store: RenewingStore, heartbeat: Heartbeat
) -> None:
    """Nothing could undo it, so the run ends without it."""
    heartbeat.hold(lease("waited for"))
    heartbeat.hold(lease("dropped", waited_for=False))

    guards = {commit.stages[0].guards["a:token"]: commit.stages[0].guards for commit in store.next_rounds()[-1]}

    assert guards["dropped"].get(fields.STOPPING) == "0"
    assert fields.STOPPING not in guards["waited for"]


def _until(holds: Callable[[], bool]) -> None:
    deadline = elapsed_s() + PATIENCE_S
    while not holds():
        assert elapsed_s() < deadline
        threading.Event().wait(0.001)
