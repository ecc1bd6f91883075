from __future__ import annotations

import pytest

from orchestrator.store.keys import Keys, shard_of

KEYS = Keys("orchestrator", 16)


@pytest.mark.parametrize(("run_id", "shard"), [("123456789", 6), ("payment-1", 6), ("ünïcode", 10), ("", 0)])
def test_the_shard_of_a_run_never_changes(run_id: str, shard: int) -> None:
    """Data that exists is found again by every process and every release."""
    assert shard_of(run_id, 16) == shard


def test_children_live_with_their_root() -> None:
    """The part before the first slash decides."""
    assert shard_of("root/ship[3]/child~1", 16) == shard_of("root", 16)


def test_runs_spread_over_all_shards() -> None:
    """No shard is left out, none has twice its part."""
    counts = [0] * 16

    for n in range(16_000):
        counts[shard_of(f"run-{n}", 16)] += 1

    assert 500 < min(counts) <= max(counts) < 2_000


def test_a_commit_names_the_keys_that_readers_name() -> None:
    """One truth in two forms."""
    shard = KEYS.shard_of("run")

    assert KEYS.of_commit("run") == [
        KEYS.run("run"),
        KEYS.ledger("run"),
        KEYS.history("run"),
        KEYS.shard_ledger(shard),
        KEYS.feed(shard),
        KEYS.ended(shard),
    ]
    assert "run".join(KEYS.ledger_affixes(shard)) == KEYS.ledger("run")


def test_no_two_keys_have_one_name() -> None:
    """Run ids and index names cannot run into each other."""
    own = [*KEYS.of_commit("run:due")[:3], KEYS.tombstone("due"), KEYS.tombstone("run:due")]
    names = [*KEYS.of_commit("due"), *own, KEYS.index(KEYS.shard_of("due"), "due")]

    assert len(set(names)) == len(names)
