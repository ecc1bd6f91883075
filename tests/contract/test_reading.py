from __future__ import annotations

import threading
from enum import StrEnum

from orchestrator.clock import elapsed_s
from tests.contract.arena import Arena, commit, stage, start


class Kind(StrEnum):
    """What engines write as an event's type."""

    STARTED = "run_started"


def test_read_gives_the_values_and_the_moment(arena: Arena) -> None:
    """Fields that are not there are None, and so are those of a run that is not there."""
    arena.start(set={"a": "1"})

    now_ms, values = arena.store.read("run", ("a", "b"))

    assert values == {"a": "1", "b": None}
    assert abs(arena.store.time_ms() - now_ms) < 5_000
    assert arena.store.read("none", ("a",))[1] == {"a": None}
    assert arena.store.read("run", ())[1] == {}
    assert arena.store.read_all("none")[1] == {}


def test_history_keeps_the_order_of_commits_and_within_them(arena: Arena) -> None:
    """Ids grow, moments do not fall, events come back as JSON has them."""
    reply = arena.start(events=({"type": Kind.STARTED, "tags": ("a", "ü"), "n": 1.5, "none": None},))
    arena.change(events=({"type": "b"}, {"type": "c"}))

    entries = arena.store.history("run")

    assert entries[0].event == {"type": "run_started", "tags": ["a", "ü"], "n": 1.5, "none": None}
    assert [entry.event["type"] for entry in entries] == ["run_started", "b", "c"]
    assert all(entry.id.startswith(f"{entry.at_ms}-") for entry in entries)
    assert abs(entries[0].at_ms - reply.now_ms) < 1_000


def test_history_goes_on_after_an_entry(arena: Arena) -> None:
    """Pages neither miss an event nor repeat one."""
    arena.start(events=tuple({"type": "x", "n": n} for n in range(7)))
    found, after = list[int](), "0"

    while page := arena.store.history("run", after, 3):
        found += [entry.event["n"] for entry in page]
        after = page[-1].id

    assert found == list(range(7))


def test_waiting_for_history_ends_with_the_event(arena: Arena) -> None:
    """Another thread's commit wakes who waits."""
    arena.start(events=({"type": "a"},))
    last = arena.store.history("run")[-1].id
    writer = threading.Thread(target=arena.change, kwargs={"events": ({"type": "b"},)})

    writer.start()
    entries = arena.store.wait_history("run", last, 10)
    writer.join()

    assert [entry.event["type"] for entry in entries] == ["b"]


def test_waiting_for_history_ends_with_its_time(arena: Arena) -> None:
    """Nothing comes, nothing is returned; what is there already is returned at once."""
    arena.start(events=({"type": "a"},))
    last = arena.store.history("run")[-1].id
    began = elapsed_s()

    nothing = arena.store.wait_history("run", last, 0.05)
    waited_s = elapsed_s() - began
    there = arena.store.wait_history("run", "0", 0)

    assert nothing == []
    assert 0.04 <= waited_s < 5
    assert len(there) == 1


def test_the_feed_has_every_event_of_its_shard(arena: Arena) -> None:
    """With the run that it is of; other shards' feeds have none of it."""
    arena.start("root/a", events=({"type": "a"},))
    arena.start("root/b", events=({"type": "b"}, {"type": "c"}))

    entries = arena.store.feed(arena.shard("root"))

    assert [(entry.run_id, entry.event["type"]) for entry in entries] == [
        ("root/a", "a"),
        ("root/b", "b"),
        ("root/b", "c"),
    ]
    assert [entry.event["type"] for entry in arena.store.feed(arena.shard("root"), entries[0].id)] == ["b", "c"]
    assert arena.store.feed((arena.shard("root") + 1) % arena.settings.shards) == []


def test_the_feed_is_capped(arena: Arena) -> None:
    """It loses its oldest entries, histories lose none (RULES 22)."""
    arena.start()

    for n in range(0, 400, 50):
        arena.change(events=tuple({"type": "x", "n": n + i} for i in range(50)))

    feed = arena.store.feed(arena.shard())
    assert len(feed) < 400
    assert feed[-1].event["n"] == 399
    assert len(arena.store.history("run")) == 400


def test_an_index_lists_its_runs_newest_first(arena: Arena) -> None:
    """By the moment of their creation, then by id; in pages that neither miss a run nor repeat one."""
    names = [f"root/{n}" for n in range(5)]
    arena.store.apply_many([start(name, index={"all": True}) for name in names])
    arena.pass_ms(3)
    arena.start("root/new", index={"all": True})
    found, before = list[tuple[int, str]](), None

    while page := arena.store.index("all", arena.shard("root"), before, 2):
        found += page
        before = page[-1]

    assert found == sorted(found, reverse=True)
    assert found[0][1] == "root/new"
    assert sorted(run_id for _, run_id in found) == [*names, "root/new"]
    assert str(found[0][0]) == arena.fields("root/new")["created_at"]


def test_a_run_moves_between_indexes(arena: Arena) -> None:
    """Out of one and into the other in one commit, and only if it is applied; its place is that of its creation."""
    reply = arena.start(index={"status:running": True, "mine": True})
    arena.pass_ms(2)

    arena.store.apply(commit(stage({"no": "1"}, index={"status:running": False, "status:failed": True})))
    before = arena.store.index_sizes(["status:running", "status:failed"])
    arena.change(index={"status:running": False, "status:completed": True})

    assert before == {"status:running": 1, "status:failed": 0}
    assert arena.store.index("status:completed", arena.shard(), None, 10) == [(reply.now_ms, "run")]
    assert arena.store.index("status:running", arena.shard(), None, 10) == []


def test_sizes_count_over_all_shards(arena: Arena) -> None:
    """One question for all indexes; an unknown one is empty."""
    for n in range(20):
        arena.start(f"run-{n}", index={"all": True, **({"odd": True} if n % 2 else {})})

    assert arena.store.index_sizes(["all", "odd", "none"]) == {"all": 20, "odd": 10, "none": 0}


def test_a_store_that_is_there_answers_a_ping(arena: Arena) -> None:
    """And says nothing."""
    arena.store.ping()


def test_many_runs_are_read_at_once(arena: Arena) -> None:
    """The same fields of each, in the order asked for; one that is not there has none."""
    for run_id in "ab":
        arena.start(run_id, set={"name": run_id})

    found = arena.store.read_many(["b", "none", "a"], ("name", "other"))

    assert [values["name"] for values in found] == ["b", None, "a"]
    assert all(values["other"] is None for values in found)
    assert arena.store.read_many([], ("name",)) == []


def test_the_newest_runs_of_all_shards_are_paged_through(arena: Arena) -> None:
    """In one order over all of them, however many were created in the same millisecond, and none twice."""
    arena.store.apply_many([start(f"run-{n}", index={"all": True}) for n in range(60)])
    arena.pass_ms(2)
    arena.store.apply_many([start(f"root/{n}", index={"all": True}) for n in range(60)])
    found, before = list[tuple[int, str]](), None

    while page := arena.store.newest("all", before, 20):
        assert len(page) <= 20
        found += page
        before = page[-1]

    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found) == 120
    assert arena.store.newest("none", None, 7) == []


def test_the_oldest_runs_of_all_shards_are_paged_through(arena: Arena) -> None:
    """The same order, from its other end."""
    arena.store.apply_many([start(f"run-{n}", index={"all": True}) for n in range(60)])
    arena.pass_ms(2)
    arena.store.apply_many([start(f"root/{n}", index={"all": True}) for n in range(60)])
    found, after = list[tuple[int, str]](), None

    while page := arena.store.oldest("all", after, 20):
        assert len(page) <= 20
        found += page
        after = page[-1]

    assert found == sorted(found)
    assert len(set(found)) == len(found) == 120
    assert arena.store.oldest("none", None, 7) == []


def test_a_store_says_what_it_is(arena: Arena) -> None:
    """Enough to judge whether it may hold runs."""
    server = arena.store.server()

    assert server.name in {"memory", "redis", "valkey"}
    assert server.eviction == "noeviction"
    assert server.persists is (server.name != "memory")
    assert server.version >= (6, 2) or server.name == "memory"
