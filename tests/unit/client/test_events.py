from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent as SdkEvent

from orchestrator.client.events import PAGE, RedisExternalEvents
from orchestrator.client.surface_words import ALL
from orchestrator.errors import InvalidEvent, PayloadTooLarge, UnknownEvent
from orchestrator.spec.cloudevents import parse_binary, parse_structured
from orchestrator.store.events import Burial, Miss
from orchestrator.store.events_memory import MemoryEvents
from tests.unit.surroundings import Surroundings


@pytest.fixture
def around() -> Surroundings:
    """A system without listeners."""
    return Surroundings()


@pytest.fixture
def events(around: Surroundings) -> RedisExternalEvents:
    """The client's events."""
    return around.client.events


def bury(store: MemoryEvents, count: int, only: str = "") -> None:
    """Give up so many events."""
    store.bury([Burial(f"{number}-0", "{}", "no event", 1, only) for number in range(1, count + 1)])


def test_an_event_is_made_whole(around: Surroundings, events: RedisExternalEvents) -> None:
    """Id, source and time are made if they are not given; what it became is what came in."""
    event = events.emit(type="order.created", data={"total": 3}, tenant="a")

    (entry,) = events.tail()
    assert entry.event == event
    assert (event.data, event.extensions) == ({"total": 3}, {"tenant": "a"})
    assert all((event.id, event.source, event.time))
    assert event.id != events.emit(type="order.created").id


def test_an_event_may_be_given_as_a_whole(events: RedisExternalEvents) -> None:
    """As a CloudEvent or as JSON; what is named beside it counts."""
    given = {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "order.created",
        "time": "2026-01-01T00:00:00Z",
    }

    assert events.emit(given).to_json() == given
    assert events.emit(parse_structured(given), id="2").to_json() == {**given, "id": "2"}


def test_what_the_official_sdk_makes_is_taken_in(events: RedisExternalEvents) -> None:
    """In either of its forms."""
    sent = SdkEvent(
        attributes={"id": "1", "source": "/shop", "type": "order.created", "specversion": "1.0"}, data={"n": 1}
    )
    binary = to_binary_event(sent)

    events.emit(parse_structured(to_structured_event(sent).body))
    events.emit(parse_binary(binary.headers, binary.body))

    first, second = (entry.event for entry in events.tail())
    assert first == second
    assert first is not None
    assert first.data == {"n": 1}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"data": 1}, InvalidEvent),
        ({"type": "a", "id": 7}, InvalidEvent),
        ({"type": "a", "data": "x" * 300_000}, PayloadTooLarge),
    ],
)
def test_what_is_refused_is_not_taken_in(
    events: RedisExternalEvents, given: dict[str, Any], error: type[Exception]
) -> None:
    """Nor is what was emitted together with it."""
    with pytest.raises(error):
        events.emit_many([{"type": "order.created"}, given])

    assert list(events.tail()) == []


def test_the_tail_goes_on_with_what_comes(around: Surroundings, events: RedisExternalEvents) -> None:
    """After the newest, oldest of them first; what is no event is shown as it came."""
    for number in range(3):
        events.emit(type="order.created", id=str(number))
    following = events.tail(2, follow=True)
    shown = [entry.event and entry.event.id for entry in islice(following, 2)]

    around.events.append(["nonsense"])
    strange = next(following)

    assert shown == ["1", "2"]
    assert (strange.event, strange.to_json()["body"]) == (None, "nonsense")


def test_what_was_given_up_is_listed_whole(around: Surroundings, events: RedisExternalEvents) -> None:
    """However much it is, or as much as is asked for."""
    bury(around.events, PAGE + 1, "a.b/placed")

    assert len(events.dead()) == PAGE + 1
    assert [one.entry_id for one in events.dead(2)] == ["1-0", "2-0"]
    assert events.dead(1)[0].to_json()["trigger"] == "a.b/placed"


def test_what_was_given_up_is_replayed_or_forgotten(around: Surroundings, events: RedisExternalEvents) -> None:
    """One, or all; how many is told."""
    bury(around.events, 4)
    first, second, *_ = events.dead()

    assert (events.replay(first.id), events.discard(second.id)) == (1, 1)
    assert events.replay() == 2
    assert (events.dead(), events.discard(ALL), len(list(events.tail()))) == ([], 0, 3)


def test_an_unknown_dead_event_is_told(events: RedisExternalEvents) -> None:
    """Rather than nothing done in silence."""
    for verb in (events.replay, events.discard):
        with pytest.raises(UnknownEvent):
            verb("1-0")


def test_what_filters_had_no_answer_for_is_told(around: Surroundings, events: RedisExternalEvents) -> None:
    """The last event of each trigger, with the moment at which it came in."""
    for number in (1, 2):
        around.events.miss(Miss("a.b/placed", f"170000000000{number}-0", f"there is no total in {number}"))

    (found,) = events.misses()

    assert found.to_json() == {
        "trigger": "a.b/placed",
        "entry_id": "1700000000002-0",
        "at": "2023-11-14T22:13:20.002Z",
        "error": "there is no total in 2",
    }


def test_events_are_read_back_from_the_newest(events: RedisExternalEvents) -> None:
    """Page by page, none twice."""
    events.emit_many([{"type": "t", "id": str(number)} for number in range(5)])

    first = events.before("", 3)
    second = events.before(first[-1].entry_id, 3)

    assert [one.event and one.event.id for one in (*first, *second)] == ["4", "3", "2", "1", "0"]
