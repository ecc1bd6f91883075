"""Runs that are over: when they ended, how they are deleted, and what is remembered of them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.commit import Answer, Then
from orchestrator.store.connection import Connection
from orchestrator.store.redis import RedisStore
from tests.contract.arena import LATER, NOW, Arena, commit, stage, start

EVER = 4_000_000_000_000
REMEMBERED_MS = 60_000


def ended(arena: Arena, run_id: str = "run") -> list[str]:
    """The runs of a run's shard that are over."""
    return [found for _, found in arena.store.ended(arena.shard(run_id), EVER, 100)]


def forget(arena: Arena, **more: Any) -> Answer:
    """Delete the run."""
    return arena.store.apply(commit(stage(forget=REMEMBERED_MS, index={"all": False}, **more))).first


def test_a_run_that_ends_is_noted_with_its_moment(arena: Arena) -> None:
    """Those that ended before a moment are found, the first to end first."""
    for run_id in ("root/b", "root/a", "root/lives"):
        arena.start(run_id, entries={"$": LATER})
    moments = []
    for run_id in ("root/b", "root/a"):
        moments.append(arena.store.apply(commit(stage(end=True), run_id=run_id)).now_ms)
        arena.pass_ms(2)

    shard = arena.shard("root")
    assert arena.store.ended(shard, EVER, 10) == [(moments[0], "root/b"), (moments[1], "root/a")]
    assert arena.store.ended(shard, moments[1], 10) == [(moments[0], "root/b")]
    assert len(arena.store.ended(shard, EVER, 1)) == 1


def test_a_new_incarnation_is_not_over(arena: Arena) -> None:
    """It is noted again when it ends, once."""
    arena.start(end=True)
    at_first = ended(arena)

    arena.change(set={"incarnation": "2"}, entries={"$": LATER})
    meanwhile = ended(arena)
    arena.store.apply(commit(stage(end=True), incarnation="2"))

    assert (at_first, meanwhile, ended(arena)) == (["run"], [], ["run"])


def test_a_forgotten_run_leaves_nothing_but_what_its_shard_heard(arena: Arena) -> None:
    """No field, no ledger, no history, no index; its events stay in the feed."""
    arena.start(index={"all": True}, events=({"type": "x"},), entries={"$": LATER}, add=(("live", "a"),))

    assert forget(arena) is Answer.APPLIED

    assert not arena.fields()
    assert not arena.store.entries("run")
    assert arena.store.shard_entry("run") is None
    assert not arena.store.history("run")
    assert not ended(arena)
    assert arena.store.index_sizes(["all"]) == {"all": 0}
    assert [entry.run_id for entry in arena.store.feed(arena.shard())] == ["run"]


def test_a_forgotten_run_leaves_no_key_but_its_tombstone(redis_store: RedisStore) -> None:
    """And that one goes by itself."""
    redis_store.apply(start(index={"all": True}, events=({"type": "x"},), end=True))

    redis_store.apply(commit(stage(forget=REMEMBERED_MS, index={"all": False})))

    keys = redis_store.keys
    connection: Connection = redis_store._connection
    assert set(connection.execute("KEYS", f"{keys.namespace}:*")) == {
        keys.tombstone("run"),
        keys.feed(keys.shard_of("run")),
    }
    assert 0 < connection.execute("PTTL", keys.tombstone("run")) <= REMEMBERED_MS


def test_a_deletion_that_is_refused_deletes_nothing(arena: Arena) -> None:
    """Terminal, this incarnation, ended before: whatever of it does not hold (RULES 20)."""
    arena.start(set={"status": "completed", "ended_at": "7"})
    guards = {"status": "completed", "ended_at": "8"}

    refused = arena.store.apply(commit(stage(guards, forget=REMEMBERED_MS)))
    gone = arena.store.apply(commit(stage(forget=REMEMBERED_MS), incarnation="2"))

    assert (refused.first, gone.first) == (Answer.REFUSED, Answer.GONE)
    assert arena.fields()["status"] == "completed"


def test_what_comes_late_for_a_forgotten_run_writes_nothing(arena: Arena) -> None:
    """A settle, a renewal, a late result: none brings half a run back (RULES 20)."""
    arena.start(set={"a:token": "t1"}, entries={"a": LATER})
    forget(arena)
    settle = stage(
        {"a:token": "t1"}, set={"a:out": "1"}, entries={"a": NOW}, index={"all": True}, events=({"type": "x"},)
    )

    answers = [arena.store.apply(commit(late)).first for late in (settle, stage(set={"a:late": "1"}), stage(end=True))]

    assert answers == [Answer.GONE] * 3
    assert not arena.fields()
    assert not arena.store.entries("run")
    assert not arena.store.history("run")
    assert not ended(arena)
    assert arena.store.index_sizes(["all"]) == {"all": 0}


def test_a_forgotten_run_cannot_be_started_while_it_is_remembered(arena: Arena) -> None:
    """A schedule's slot, an event and a caller's key do not run twice (RULES 19)."""
    arena.start()
    arena.store.apply(commit(stage(forget=300)))

    at_once = arena.start(set={"input": "again"})
    arena.pass_ms(350)
    later = arena.start(set={"input": "again"})

    assert (at_once.first, later.first) == (Answer.GONE, Answer.APPLIED)
    assert arena.fields()["input"] == "again"


def test_without_a_time_nothing_is_remembered(arena: Arena) -> None:
    """The id is free at once."""
    arena.start()

    arena.store.apply(commit(stage(forget=0)))

    assert arena.start().first is Answer.APPLIED


@pytest.mark.parametrize("part", ["stage", "then"])
def test_nothing_of_a_commit_follows_the_deletion(arena: Arena, part: str) -> None:
    """Neither its `then` blocks nor its second stage; fields that are read are absent."""
    arena.start(set={"a": "1"})
    writes = Then({}, stage(set={"b": "1"}, entries={"b": NOW}).changes)
    forgets = Then({}, stage(forget=REMEMBERED_MS).changes)
    first = stage(forget=REMEMBERED_MS, then=(writes,)) if part == "stage" else stage(then=(forgets, writes))

    reply = arena.store.apply(commit(first, stage(set={"c": "1"}), reads=("a", "b")))

    assert reply.answers == (Answer.APPLIED,)
    assert reply.values == {"a": None, "b": None}
    assert not arena.fields()
    assert not arena.store.entries("run")


def test_a_deletion_that_is_sent_twice_finds_nothing(arena: Arena) -> None:
    """The second says so and changes nothing."""
    arena.start()

    assert [forget(arena), forget(arena)] == [Answer.APPLIED, Answer.GONE]


def test_ended_runs_are_read_from_a_moment_on(arena: Arena) -> None:
    """That moment included, the one before which is asked for excluded; some of them passed over."""
    for run_id in ("a", "b", "c"):
        arena.start(run_id)
        arena.store.apply(commit(stage(end=True), run_id=run_id))
        arena.pass_ms(2)
    shards = range(arena.settings.shards)
    all_ended = sorted(one for shard in shards for one in arena.store.ended(shard, arena.store.time_ms(), 10))
    (first, _), (second, _), (third, last) = all_ended

    found = sorted(one for shard in shards for one in arena.store.ended(shard, third, 10, since_ms=second))
    passed_over = arena.store.ended(arena.shard(last), third + 1, 10, skip=1, since_ms=third)

    assert first < second < third
    assert found == [all_ended[1]]
    assert passed_over == []
