"""Random commits to both stores: same answers, same values, same ledgers, same events."""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.engine.commit import Changes, Commit, Due, Stage, Then
from orchestrator.settings import Settings
from orchestrator.store.keys import shard_of
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore

FAR_MS = 4_000_000_000_000
"""A moment that does not come while the test runs; relative ones are as far, or long past."""

FIELDS = ("a", "b", "a:state", "b:state", "paused", "n:live", "m:live:x", "a:seq")
FREE_FIELDS = (*FIELDS[:5], *FIELDS[:5], "incarnation")
ADDRESSES = ("$", "a", "b", "c")
STAMPS = ("stamp:p", "stamp:q", "paused_at")
TEXTS = ("0", "1", "2", "running", "ü{}")

texts = st.sampled_from(TEXTS)
addresses = st.sampled_from(ADDRESSES)
free_fields = st.sampled_from(FREE_FIELDS)
guards = st.dictionaries(st.sampled_from(FIELDS), st.none() | texts, max_size=2)
moments = st.sampled_from((None, "stamp:p", "stamp:q", "nothing"))
dues = st.builds(Due, st.sampled_from((None, -9_000_000, 9_000_000)), st.sampled_from((None, 1, FAR_MS)), moments)
members = st.lists(st.tuples(st.sampled_from(("live", "gate")), st.sampled_from("xyz")), max_size=2).map(tuple)
changes = st.builds(
    Changes,
    set=st.dictionaries(free_fields, texts, max_size=3),
    delete=st.lists(free_fields, max_size=1).map(tuple),
    stamp=st.dictionaries(st.sampled_from(STAMPS), st.sampled_from((-18_000_000, -9_000_000, 9_000_000)), max_size=2),
    number=st.lists(st.sampled_from(("a:seq", "b:seq")), max_size=2).map(tuple),
    add=members,
    remove=members,
    entries=st.dictionaries(addresses, st.none() | dues, max_size=2),
    expedite=st.none() | st.tuples(st.just(":state"), texts),
    index=st.dictionaries(st.sampled_from(("i", "j")), st.booleans(), max_size=2),
    events=st.lists(st.fixed_dictionaries({"type": texts}), max_size=2).map(tuple),
    end=st.sampled_from((False, False, False, True)),
    forget=st.sampled_from((*(None,) * 12, 0, 9_000_000)),
)
stages = st.builds(
    Stage,
    guards,
    changes,
    due=st.lists(addresses, max_size=1).map(tuple),
    already=st.none() | guards,
    before=st.lists(st.builds(Then, guards, changes, moments), max_size=2).map(tuple),
    then=st.lists(st.builds(Then, guards, changes, moments), max_size=2).map(tuple),
)
commits = st.builds(
    Commit,
    st.just("run"),
    st.sampled_from(("1", "1", "1", "1", "2", None)),
    st.lists(stages, min_size=1, max_size=2).map(tuple),
    st.just((*FIELDS, "incarnation")),
)
START = Commit("run", None, (Stage({}, Changes(set={"incarnation": "1", "paused": "0"}, stamp={"created_at": 0})),))


@pytest.mark.property
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(commits, min_size=1, max_size=8))
def test_both_stores_agree_about_random_commits(redis_store: RedisStore, sequence: list[Commit]) -> None:
    """Whatever is sent, in whatever order, and sent again."""
    run_id = f"run-{uuid4()}"
    clocked = Settings(namespace="agreement", feed_length=100)
    memory = MemoryStore(clocked, redis_store.time_ms)

    for commit in (START, *sequence):
        for sent in (_for(run_id, commit),) * 2:
            assert _outcome(redis_store, sent) == _outcome(memory, sent)


def _for(run_id: str, commit: Commit) -> Commit:
    return Commit(run_id, commit.incarnation, commit.stages, commit.reads)


def _outcome(store: Store, commit: Commit) -> Any:
    reply = store.apply(commit)
    shard = shard_of(commit.run_id, 16)
    held = {name: [run for _, run in store.index(name, shard, None, 10_000)] for name in ("i", "j")}
    shard_entry = store.shard_entry(commit.run_id)
    return {
        "answers": reply.answers,
        "values": dict(reply.values),
        "fields": {
            name: _kind(float(value)) if name in (*STAMPS, "created_at") else value
            for name, value in store.read_all(commit.run_id)[1].items()
        },
        "ledger": {address: _kind(moment) for address, moment in store.entries(commit.run_id).items()},
        "shard entry": None if shard_entry is None else _kind(shard_entry),
        "due": [sorted(run.addresses) for run in store.due(shard, 10_000) if run.run_id == commit.run_id],
        "ended": [_kind(at) for at, run in store.ended(shard, FAR_MS, 10_000) if run == commit.run_id],
        "events": [entry.event for entry in store.history(commit.run_id)],
        "in": {name: commit.run_id in runs for name, runs in held.items()},
    }


def _kind(moment: float) -> float:
    """A moment to the half hour: the two stores are asked one after the other."""
    return moment if math.isinf(moment) else moment // 1_800_000
