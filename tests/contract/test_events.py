"""Laws of external events, tried in memory and on Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.events import Burial, Claim, Events, Miss, RedisEvents, entry_key
from orchestrator.store.events_memory import MemoryEvents
from orchestrator.store.keys import Keys

WINDOW_MS = 1_000


@dataclass(frozen=True, slots=True)
class Intake:
    """Events whose clock can be moved."""

    events: Events
    pass_ms: Callable[[int], None]

    def take(self, *ids: str, type_: str = "order.created") -> list[str]:
        """Take events with these ids in, and note them in their type's log."""
        entries = self.events.append([body(one, type_) for one in ids])
        self.events.note([(entry_id, type_) for entry_id in entries])
        return entries


def body(event_id: str, type_: str = "order.created") -> str:
    """The text of an event."""
    event = {"specversion": "1.0", "id": event_id, "source": "/shop", "type": type_, "data": {"n": 1}}
    return json.dumps(event)


def claim(run_id: str, came_ms: int, window_ms: int = WINDOW_MS) -> Claim:
    """A claim to the one key that the tests use."""
    return Claim("key", run_id, came_ms, window_ms)


@pytest.fixture(params=["memory", "redis"])
def intake(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Intake]:
    """Each law is tried on both."""
    if request.param == "memory":
        now = [1_700_000_000_000]
        yield Intake(MemoryEvents(settings, lambda: now[0]), lambda ms: now.__setitem__(0, now[0] + ms))
        return
    server: LocalRedis = request.getfixturevalue("redis_server")
    connection, events = Connection(server.url()), RedisEvents(server.url(), settings)

    def pass_ms(ms: int) -> None:
        until = connection.time_ms() + ms
        while connection.time_ms() < until:
            pass

    yield Intake(events, pass_ms)
    events.close()
    connection.close()


def test_an_entry_goes_to_one_listener(intake: Intake) -> None:
    """What one reads no other does, in the order in which it came; also what came before the first of them."""
    first, second, third = intake.take("a", "b", "c")

    assert [one.id for one in intake.events.read("one", 2, 0)] == [first, second]
    assert [one.id for one in intake.events.read("two", 2, 0)] == [third]
    assert intake.events.read("two", 2, 5) == []


def test_reading_waits_for_an_entry(intake: Intake) -> None:
    """A body comes back as it was given."""
    assert intake.events.read("one", 10, 10) == []
    intake.take("a")

    (entry,) = intake.events.read("one", 10, 1_000)

    assert (entry.body, entry.only, entry.deliveries) == (body("a"), "", 1)


def test_what_a_silent_listener_holds_is_claimed_by_another(intake: Intake) -> None:
    """Only once it has been silent for long enough; each time counts as a delivery."""
    intake.take("a", "b")
    intake.events.read("dead", 10, 0)

    assert intake.events.claim("heir", 60_000, 10) == []
    intake.pass_ms(20)
    (taken,) = intake.events.claim("heir", 10, 1)
    assert (taken.body, taken.deliveries) == (body("a"), 2)
    intake.pass_ms(20)
    assert [one.deliveries for one in intake.events.claim("third", 10, 10)] == [3, 2]


def test_what_is_acknowledged_is_claimed_by_nobody(intake: Intake) -> None:
    """Acknowledged twice is acknowledged."""
    first, _ = intake.take("a", "b")
    intake.events.read("dead", 10, 0)

    intake.events.ack([first])
    intake.events.ack([first])

    assert [one.body for one in intake.events.claim("heir", 0, 10)] == [body("b")]
    intake.events.ack([])


def test_what_a_listener_is_still_at_is_claimed_by_nobody(intake: Intake) -> None:
    """Saying so is no delivery; what was acknowledged meanwhile stays so."""
    first, second = intake.take("a", "b")
    intake.events.read("slow", 10, 0)
    intake.events.ack([second])
    intake.pass_ms(60)

    intake.events.keep("slow", [first, second])
    intake.events.keep("slow", [])

    assert intake.events.claim("heir", 50, 10) == []
    intake.pass_ms(60)
    assert [(one.id, one.deliveries) for one in intake.events.claim("heir", 50, 10)] == [(first, 2)]


def test_claiming_before_anything_was_read_finds_nothing(intake: Intake) -> None:
    """The first listener of all comes to a stream that is not there."""
    assert intake.events.claim("one", 0, 10) == []
    intake.events.tidy(0)


def test_a_log_holds_a_types_events_in_their_order(intake: Intake) -> None:
    """As expressions see them, however many came in one moment, and noted in whatever order."""
    ids = intake.events.append([body(str(number)) for number in range(25)])
    other = intake.take("x", type_="order.paid")

    for entry_id in reversed(ids):
        intake.events.note([(entry_id, "order.created"), (entry_id, "order.created")])

    recalled = intake.events.recall("order.created", 0, 100)
    assert [entry_id for entry_id, _ in recalled] == ids
    assert [root["id"] for _, root in recalled] == [str(number) for number in range(25)]
    assert [entry_id for entry_id, _ in intake.events.recall("order.paid", 0, 100)] == other


def test_a_log_is_read_from_a_moment_and_in_pages(intake: Intake) -> None:
    """The moment itself is in it; `after` goes on behind an entry."""
    early = intake.take("a", "b")
    intake.pass_ms(5)
    late = intake.take("c", "d", "e")
    since_ms = entry_key(late[0])[0]

    first = intake.events.recall("order.created", since_ms, 2)
    second = intake.events.recall("order.created", since_ms, 2, after=first[-1][0])

    assert [entry_id for entry_id, _ in first + second] == late
    assert [one for one, _ in intake.events.recall("order.created", since_ms, 9, after=early[0])] == late
    assert intake.events.recall("order.created", since_ms + 60_000, 9) == []


def test_what_is_no_event_any_more_does_not_end_a_log(intake: Intake) -> None:
    """Before: a page of nothing else was taken for the log's end, and what came later was never found."""
    gone = intake.events.append(["no event", "nor this", "nor that"])
    intake.events.note([(entry_id, "order.created") for entry_id in gone])
    (kept,) = intake.take("a")

    recalled = intake.events.recall("order.created", 0, 2)

    assert [entry_id for entry_id, _ in recalled] == [kept]


def test_an_event_without_a_time_has_that_of_its_arrival(intake: Intake) -> None:
    """The root says when it came in."""
    intake.take("a")

    ((_, root),) = intake.events.recall("order.created", 0, 1)

    assert root["data"] == {"n": 1}
    assert root["time"].endswith("Z")


def test_correlations_are_a_set(intake: Intake) -> None:
    """Added twice they are there once."""
    intake.events.add_correlations("order.paid", ["event.data.b", "event.data.a"])
    intake.events.add_correlations("order.paid", ["event.data.a"])
    intake.events.add_correlations("order.paid", [])

    assert intake.events.correlations("order.paid") == ["event.data.a", "event.data.b"]
    assert intake.events.correlations("order.created") == []


def test_whoever_only_looks_takes_nothing(intake: Intake) -> None:
    """The stream can be followed beside the listeners."""
    assert intake.events.newest(3) == []
    first, second = intake.take("a", "b")

    assert [one.id for one in intake.events.newest(1)] == [second]
    assert [one.id for one in intake.events.newest(9)] == [first, second]
    assert [one.id for one in intake.events.newest(9, second)] == [first]
    assert intake.events.newest(9, first) == intake.events.newest(9, "0") == []
    assert [one.id for one in intake.events.after(first, 10, 5)] == [second]
    assert [one.body for one in intake.events.after("0-0", 1)] == [body("a")]
    assert len(intake.events.read("one", 10, 0)) == 2


def test_a_key_stands_for_the_run_that_was_first(intake: Intake) -> None:
    """Whoever comes within the window starts that one, as does the first when it comes again."""
    reserved = intake.events.reserve([claim("r1", 5_000), claim("r2", 5_999), claim("r1", 5_000), claim("r3", 4_001)])

    assert {one.run_id for one in reserved} == {"r1"}
    assert not any(one.started for one in reserved)


def test_a_settled_key_is_known_to_be_started(intake: Intake) -> None:
    """Only by the run that stands for it."""
    intake.events.reserve([claim("r1", 5_000)])

    intake.events.settle([("key", "r2"), ("unknown", "r1")])
    before = intake.events.reserve([claim("r2", 5_000)])
    intake.events.settle([("key", "r1")])
    after = intake.events.reserve([claim("r2", 5_000)])

    assert [(one.run_id, one.started) for one in before + after] == [("r1", False), ("r1", True)]


def test_after_its_window_a_key_starts_another_run(intake: Intake) -> None:
    """Counted between the entries, not between when they are handled; an older one does not take the key back."""
    first, later, again, older = intake.events.reserve(
        [claim("r1", 5_000), claim("r2", 6_000), claim("r3", 6_001), claim("r1", 5_000)]
    )

    assert [one.run_id for one in (first, later, again, older)] == ["r1", "r2", "r2", "r1"]


def test_without_a_window_only_the_same_entry_is_the_same(intake: Intake) -> None:
    """Whoever wants no dedupe still gets one run an entry."""
    reserved = intake.events.reserve([claim("r1", 5_000, 0), claim("r2", 5_000, 0), claim("r2", 5_000, 0)])

    assert [one.run_id for one in reserved][:2] == ["r1", "r2"]
    assert reserved[2].run_id == "r2"


def test_an_entry_is_buried_once_for_each_trigger(intake: Intake) -> None:
    """A listener that dies between burying and acknowledging does it again."""
    (entry_id,) = intake.take("a")
    whole, part = Burial(entry_id, "{}", "no event", 5), Burial(entry_id, "{}", "no input", 1, "flow/placed")

    intake.events.bury([whole, part])
    intake.events.bury([part, whole])

    assert [letter.burial for letter in intake.events.dead(10)] == [whole, part]
    assert intake.events.dead_count() == 2
    (second,) = intake.events.dead(10, after=intake.events.dead(1)[0].id)
    assert second.burial == part


def test_a_dead_letter_is_replayed_once(intake: Intake) -> None:
    """It comes in as a new entry, meant for whom it was meant."""
    intake.events.bury([Burial("1-0", body("a"), "no input", 1, "flow/placed")])
    (letter,) = intake.events.dead(10)

    entry_id = intake.events.replay(letter.id)

    (entry,) = intake.events.read("one", 10, 0)
    assert (entry.id, entry.body, entry.only) == (entry_id, body("a"), "flow/placed")
    assert intake.events.replay(letter.id) is None
    assert intake.events.dead(10) == []


def test_a_dead_letter_can_be_removed(intake: Intake) -> None:
    """Whether it was there is told."""
    intake.events.bury([Burial("1-0", "nonsense", "no JSON")])
    (letter,) = intake.events.dead(10)

    assert intake.events.remove(letter.id)
    assert not intake.events.remove(letter.id)


def test_the_last_miss_of_a_trigger_is_remembered(intake: Intake) -> None:
    """Whatever its workflow is called."""
    first, last, other = Miss("a.b/t", "1-0", "no total"), Miss("a.b/t", "2-0", "é"), Miss("a.a/t", "1-0", "no")
    for miss in (first, last, other):
        intake.events.miss(miss)

    assert intake.events.misses() == [other, last]


def test_entries_are_cut_off_by_age(redis_server: LocalRedis, settings: Settings) -> None:
    """Of the stream in whole nodes, of a log one by one; a claim passes over what is gone."""
    short = settings.model_copy(update={"events_kept_ms": 1_000})
    events, connection = RedisEvents(redis_server.url(), short), Connection(redis_server.url())
    keys = Keys(settings.namespace, settings.shards)
    connection.execute("XADD", keys.events(), "1000-0", "event", body("old"))
    events.note([("1000-0", "order.created")])
    events.read("dead", 10, 0)

    new = events.append([body(str(number)) for number in range(200)])
    events.note([(new[0], "order.created")])
    connection.execute("XTRIM", keys.events(), "MINID", entry_key(new[0])[0])

    assert events.claim("heir", 0, 10) == []
    assert [entry_id for entry_id, _ in events.recall("order.created", 0, 10)] == [new[0]]
    assert connection.execute("PTTL", keys.event_log("order.created")) > 0


def test_what_is_no_text_is_still_read(redis_server: LocalRedis, settings: Settings) -> None:
    """So that it can be given up, and holds nothing up."""
    events, raw = RedisEvents(redis_server.url(), settings), Connection(redis_server.url(), text=False)
    stream = Keys(settings.namespace, settings.shards).events()
    raw.execute("XADD", stream, "*", "event", b"\xff\xfe")
    raw.execute("XADD", stream, "*", "other", "field")

    assert [one.body for one in events.read("one", 10, 0)] == ["��", ""]


def test_consumers_that_owe_nothing_are_forgotten(redis_server: LocalRedis, settings: Settings) -> None:
    """One that holds an entry stays, for the entry would go with it."""
    events, connection = RedisEvents(redis_server.url(), settings), Connection(redis_server.url())
    events.append([body("a"), body("b")])
    (kept,) = events.read("owing", 1, 0)
    (done,) = events.read("done", 1, 0)
    events.ack([done.id])

    events.tidy(0)

    stream = Keys(settings.namespace, settings.shards).events()
    assert [one[1] for one in connection.execute("XINFO", "CONSUMERS", stream, "listeners")] == ["owing"]
    assert [one.id for one in events.claim("heir", 0, 10)] == [kept.id]
