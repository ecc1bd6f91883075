"""Queues: the broker is asked seldom, and rates come of samples."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from orchestrator.broker.queues import Depth
from orchestrator.client.queues import LOOK_S, QueueLook, history, rates
from orchestrator.errors import Unreachable
from orchestrator.store.watch import Depth as Counted
from orchestrator.store.watch import Sample
from tests.unit.surroundings import HandClock, Surroundings


class Broker:
    """Says how often it was asked, and for what; or does not answer."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.away = False

    def look(self, _: object, names: Iterable[str]) -> dict[str, Depth]:
        """As many as it was asked so far."""
        self.asked.append(list(names))
        if self.away:
            raise Unreachable("the broker does not answer")
        return dict.fromkeys(names, Depth(len(self.asked)))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Who is asked."""
    broker = Broker()
    monkeypatch.setattr("orchestrator.client.queues.look", broker.look)
    return broker


@pytest.fixture
def clock() -> HandClock:
    """The process's clock."""
    return HandClock()


@pytest.fixture
def look(clock: HandClock) -> QueueLook:
    """What a process knows."""
    return QueueLook(Surroundings().dispatcher, clock.elapsed_s)


def at(second: int, waiting: int, taken: int) -> Sample:
    """A sample of one queue."""
    return Sample(second * 1_000, {"q": Counted(waiting, taken)})


def test_the_broker_is_asked_once_a_second_at_most(broker: Broker, look: QueueLook, clock: HandClock) -> None:
    """However many pages are open; then it is asked anew."""
    found = [look.waiting(["a", "b"]), look.waiting(["b"])]
    clock.move(int(LOOK_S * 1000))
    found.append(look.waiting(["a"]))

    assert found == [{"a": 1, "b": 1}, {"b": 1}, {"a": 2}]
    assert broker.asked == [["a", "b"]] * 2


def test_a_queue_that_nobody_asked_for_before_is_looked_at(broker: Broker, look: QueueLook) -> None:
    """With those that others have asked for."""
    look.waiting(["a"])

    assert look.waiting(["b"]) == {"b": 2}
    assert broker.asked == [["a"], ["a", "b"]]


def test_a_broker_that_is_away_is_not_waited_for_by_each(broker: Broker, look: QueueLook, clock: HandClock) -> None:
    """All get the same error for a second; then it may be back."""
    broker.away = True
    for _ in range(3):
        with pytest.raises(Unreachable):
            look.waiting(["a"])
    broker.away = False
    clock.move(int(LOOK_S * 1000))

    assert look.waiting(["a"]) == {"a": 2}
    assert len(broker.asked) == 2


def test_rates_are_those_of_the_last_minute() -> None:
    """What came is what was taken and what waits more."""
    samples = [at(0, 0, 0), at(10, 500, 10), at(70, 200, 610)]

    assert rates(samples, "q") == (5.0, 10.0)
    assert rates(samples, "other") == (None, None)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], (None, None)),
        ([at(0, 5, 5)], (None, None)),
        ([at(0, 50, 100), at(10, 0, 100)], (0, 0.0)),
        ([at(0, 0, 900), at(10, 0, 3)], (None, None)),
    ],
    ids=["none", "one", "taken, but not told yet", "counted anew"],
)
def test_too_little_is_no_rate(samples: list[Sample], expected: tuple[float | None, float | None]) -> None:
    """And none is below nothing."""
    assert rates(samples, "q") == expected


def test_the_last_hour_has_the_rates_between_its_samples() -> None:
    """From the second on."""
    told = [(one.waiting, one.in_per_s, one.out_per_s) for one in history([at(0, 0, 0), at(10, 5, 5)], "q")]

    assert told == [(0, None, None), (5, 1.0, 0.5)]
