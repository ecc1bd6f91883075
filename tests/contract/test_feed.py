"""What readers of the feed ask of a store: events by their ids, and how far each reader is; in memory and in Redis."""

from __future__ import annotations

from orchestrator.store.positions import START
from orchestrator.store.registry import Registry
from tests.contract.arena import Arena, commit, stage, start


def log(*names: str) -> tuple[dict[str, str], ...]:
    """Events of these types."""
    return tuple({"type": name} for name in names)


def test_an_event_has_one_id_in_the_feed_and_in_its_runs_history(arena: Arena) -> None:
    """So who lost its place in the feed reads on in the histories."""
    arena.start("a", events=log("one"))
    arena.store.apply(start("a/b", events=log("two")))
    arena.store.apply(commit(stage(events=log("three", "four")), run_id="a"))

    feed = arena.store.feed(arena.shard("a"))

    assert [entry.id for entry in feed if entry.run_id == "a"] == [entry.id for entry in arena.store.history("a")]
    assert [entry.id for entry in feed if entry.run_id == "a/b"] == [entry.id for entry in arena.store.history("a/b")]
    assert [entry.event["type"] for entry in feed] == ["one", "two", "three", "four"]


def test_events_of_another_run_in_the_same_commit_have_the_feeds_ids_too(arena: Arena) -> None:
    """A commit that reaches another run writes into that one's history."""
    arena.start("a")
    arena.store.apply(commit(stage(events=log("one"), also=(start("a/b", events=log("two")),)), run_id="a"))

    feed = arena.store.feed(arena.shard("a"))

    assert [(entry.run_id, entry.id) for entry in feed] == [
        (run_id, entry.id) for run_id in ("a", "a/b") for entry in arena.store.history(run_id)
    ]


def test_feeds_are_read_from_an_event_on_that_one_included(arena: Arena) -> None:
    """Its presence says that nothing between it and the next one is gone."""
    arena.start(events=log("one", "two", "three"))
    shard, other = arena.shard(), (arena.shard() + 1) % arena.settings.shards
    one, two, three = arena.store.feed(shard)

    pages = arena.store.feeds({shard: two.id, other: START}, 10)

    assert pages == {shard: [two, three], other: []}
    assert arena.store.feeds({shard: START}, 2) == {shard: [one, two]}


def test_histories_of_many_runs_are_read_together(arena: Arena) -> None:
    """Each from after the same id, at most so much of each."""
    arena.start("a", events=log("one", "two", "three"))
    arena.start("b", events=log("four"))
    first = arena.store.history("a")[0].id

    a, b, none = arena.store.histories(["a", "b", "c"], first, 1)

    assert [[entry.event["type"] for entry in page] for page in (a, none)] == [["two"], []]
    assert b == [entry for entry in arena.store.history("b") if entry.id != first][:1]


def test_a_reader_moves_on_from_where_it_is(registry: Registry) -> None:
    """Each shard by itself; whoever takes it to be elsewhere moves nothing."""
    positions = registry.positions
    assert (positions.of("metrics"), positions.position("metrics", 3)) == ({}, START)

    assert positions.advance("metrics", 3, START, "5-0")
    assert not positions.advance("metrics", 3, START, "6-0")
    assert positions.advance("metrics", 3, "5-0", "7-1")

    assert positions.of("metrics") == {3: "7-1"}
    assert positions.position("metrics", 3) == "7-1"
    assert positions.of("alerts") == {}


def test_each_name_has_a_leader_of_its_own(registry: Registry) -> None:
    """Who leads one does not lead the others, nor the beats."""
    assert registry.leadership_of("metrics").lead("one", 60_000) == 1

    assert registry.leadership_of("metrics").lead("two", 60_000) is None
    assert registry.leadership_of("alerts").lead("two", 60_000) == 1
    assert registry.leadership.lead("three", 60_000) == 1
