"""What waits behind a step is given away where that takes long, and what is lent at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from orchestrator.runtime import backlog
from orchestrator.runtime.backlog import Backlog

PATIENT_S = 10.0


class Others:
    """Takes note of what is given away, and lets a test wait for it."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []
        self._told = threading.Condition()

    def take(self, addresses: list[str]) -> None:
        """Somebody else's from now on."""
        with self._told:
            self.given.append(addresses)
            self._told.notify_all()

    def come(self, there: Callable[[], bool]) -> bool:
        """Whether it comes to that in time."""
        with self._told:
            return self._told.wait_for(there, PATIENT_S)


@pytest.fixture
def others() -> Others:
    """Nobody has got anything."""
    return Others()


@pytest.fixture
def waiting(others: Others) -> Iterator[Backlog]:
    """A message's backlog, empty."""
    made = Backlog(others.take)
    yield made
    made.end()


def test_addresses_are_taken_in_the_order_in_which_they_came(waiting: Backlog) -> None:
    """First come, first served; then there is nothing."""
    waiting.add(["a", "b"])
    waiting.add(["c"])

    assert [waiting.take() for _ in range(4)] == ["a", "b", "c", None]


def test_what_waits_behind_a_slow_step_is_given_away(waiting: Backlog, others: Others) -> None:
    """The step goes on for longer than the patience: everything behind it is others', and no longer this message's."""
    waiting.add(["a", "b", "c"])
    first = waiting.take()

    waiting.watch()

    assert others.come(lambda: others.given == [["b", "c"]])
    assert (first, waiting.take()) == ("a", None)


def test_what_waits_while_the_store_is_told_stays_here(waiting: Backlog, others: Others) -> None:
    """A commit may take as long as it takes: the steps behind it go as fast as the one before."""
    waiting.add(["a", "b"])
    waiting.watch()
    waiting.rest()

    waiting.lend(["lent"])
    assert others.come(lambda: bool(others.given))
    waiting.lend(["lent"])
    assert others.come(lambda: len(others.given) == 2)

    assert others.given == [["lent"], ["lent"]]
    assert (waiting.take(), waiting.take()) == ("a", "b")


def test_what_is_lent_is_never_taken_here(waiting: Backlog, others: Others) -> None:
    """Lanes are for others to open; this message has one of its own."""
    waiting.lend(["m~~1", "m~~2"])

    assert waiting.take() is None
    assert others.come(lambda: others.given == [["m~~1", "m~~2"]])


def test_a_message_that_ends_in_time_lends_nothing(
    waiting: Backlog, others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All was done before the patience was over: no message is sent for what there is no need of."""
    monkeypatch.setattr(backlog, "PATIENCE_S", PATIENT_S)
    before = set(threading.enumerate())
    waiting.lend(["m~~1"])
    (watcher,) = set(threading.enumerate()) - before

    waiting.end()
    watcher.join(PATIENT_S)

    assert not watcher.is_alive()
    assert others.given == []


def test_what_was_taken_away_for_the_next_message_is_not_given_away_as_well(waiting: Backlog, others: Others) -> None:
    """Who takes all that waits has it alone."""
    waiting.add(["a", "b"])

    taken = waiting.take_all()
    waiting.watch()

    assert taken == ["a", "b"]
    assert (waiting.take(), others.given) == (None, [])
