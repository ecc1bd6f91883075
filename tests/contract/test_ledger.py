from __future__ import annotations

import math

from orchestrator.engine.commit import NEVER, Answer, Due
from tests.contract.arena import LATER, NOW, Arena, commit, stage


def test_an_entry_falls_due_at_the_earlier_of_its_moments(arena: Arena) -> None:
    """From the commit, at a moment, or never."""
    at_ms = arena.store.time_ms() + 30_000

    reply = arena.start(
        entries={
            "within": Due(within_ms=500),
            "at": Due(at_ms=at_ms),
            "both, within first": Due(within_ms=10, at_ms=at_ms),
            "both, at first": Due(within_ms=600_000, at_ms=at_ms),
            "never": NEVER,
        }
    )

    assert arena.store.entries("run") == {
        "within": reply.now_ms + 500,
        "at": at_ms,
        "both, within first": reply.now_ms + 10,
        "both, at first": at_ms,
        "never": math.inf,
    }


def test_an_address_has_one_entry(arena: Arena) -> None:
    """A second one takes the place of the first, none removes it."""
    arena.start(entries={"a": NEVER, "b": NEVER, "c": NEVER})

    reply = arena.change(entries={"a": LATER, "b": None, "never": None})

    assert arena.store.entries("run") == {"a": reply.now_ms + 60_000, "c": math.inf}


def test_the_shard_knows_the_earliest_entry(arena: Arena) -> None:
    """Whatever moves in the run's ledger."""
    arena.start(entries={"$": NEVER})
    only_the_run = arena.store.shard_entry("run")
    first = arena.change(entries={"a": Due(within_ms=500), "b": LATER})
    with_a_step = arena.store.shard_entry("run")
    arena.change(entries={"a": None})

    assert only_the_run == math.inf
    assert with_a_step == first.now_ms + 500
    assert arena.store.shard_entry("run") == first.now_ms + 60_000


def test_a_paused_run_is_not_looked_at(arena: Arena) -> None:
    """Its entries stay as they are; the shard's is infinite until the pause is over (RULES 13)."""
    arena.start(entries={"a": NOW})

    arena.change(set={"paused": "1"})
    paused = arena.store.shard_entry("run"), arena.store.due(arena.shard(), 10)
    arena.change(entries={"b": NOW})
    still = arena.store.shard_entry("run")
    arena.change(set={"paused": "0"})

    assert paused == (math.inf, [])
    assert still == math.inf
    assert arena.store.shard_entry("run") == arena.store.entries("run")["a"]


def test_the_end_deletes_the_ledger(arena: Arena) -> None:
    """A run that is over has no entry, nor has its shard; entries of the same commit go with it."""
    arena.start(entries={"$": NEVER, "a": NOW})

    arena.change(entries={"b": NOW}, end=True)

    assert arena.store.entries("run") == {}
    assert arena.store.shard_entry("run") is None
    assert arena.store.due(arena.shard(), 10) == []


def test_a_ledger_without_entries_has_none_in_the_shard(arena: Arena) -> None:
    """As if the run were over, even if it is paused."""
    arena.start(entries={"a": NOW})

    arena.change(entries={"a": None}, set={"paused": "1"})

    assert arena.store.shard_entry("run") is None


def test_a_refused_commit_leaves_the_ledger(arena: Arena) -> None:
    """Both levels of it."""
    reply = arena.start(entries={"a": LATER})

    arena.store.apply(commit(stage({"a": "1"}, entries={"a": NOW, "b": NOW}, end=True)))

    assert arena.store.entries("run") == {"a": reply.now_ms + 60_000}
    assert arena.store.shard_entry("run") == reply.now_ms + 60_000


def test_expedite_makes_everything_due_but_what_has_the_value_and_the_run(arena: Arena) -> None:
    """What waits in a stopping flow is looked at now; what runs is waited for."""
    start = arena.start(
        set={"runs:state": "running", "waits:state": "waiting"},
        entries={"$": LATER, "runs": LATER, "waits": NEVER, "bare": LATER},
    )

    reply = arena.change(set={"bare:other": "running"}, entries={"new": LATER}, expedite=(":state", "running"))

    later = start.now_ms + 60_000
    now = reply.now_ms
    assert arena.store.entries("run") == {"$": later, "runs": later, "waits": now, "bare": now, "new": now}
    assert arena.store.shard_entry("run") == now


def test_expedite_sees_the_fields_of_its_own_commit(arena: Arena) -> None:
    """What the commit itself sets running is waited for."""
    start = arena.start(set={"a:state": "ready"}, entries={"a": LATER})

    arena.change(set={"a:state": "running"}, expedite=(":state", "running"))

    assert arena.store.entries("run") == {"a": start.now_ms + 60_000}


def test_expedite_does_not_put_off_what_is_due(arena: Arena) -> None:
    """An entry that is due stays due since when it was."""
    reply = arena.start(entries={"a": NOW})
    arena.pass_ms(5)

    arena.change(expedite=(":state", "running"))

    assert arena.store.entries("run") == {"a": reply.now_ms}


def test_a_stage_that_wants_entries_due_is_refused_before(arena: Arena) -> None:
    """Only the sweeper ends a lease, and only once it has run out (RULES 1)."""
    arena.start(entries={"a": Due(within_ms=20), "b": LATER})
    lapse = commit(stage(due=("a",), set={"a": "ready"}))

    early = arena.store.apply(lapse)
    arena.pass_ms(25)
    both = arena.store.apply(commit(stage(due=("a", "b"))))
    absent = arena.store.apply(commit(stage(due=("never",))))
    late = arena.store.apply(lapse)

    assert [reply.first for reply in (early, both, absent)] == [Answer.REFUSED] * 3
    assert late.first is Answer.APPLIED


def test_a_stage_whose_entries_are_not_due_may_have_been_applied_before(arena: Arena) -> None:
    """The renewed entry of a lapse that is sent again does not make it a refusal."""
    arena.start(set={"a": "ready"}, entries={"a": LATER})

    reply = arena.store.apply(commit(stage(due=("a",), already={"a": "ready"})))

    assert reply.first is Answer.ALREADY


def test_due_names_runs_and_addresses_longest_due_first(arena: Arena) -> None:
    """Reading what is due changes nothing, so two sweepers see the same."""
    root = "root"
    arena.start(f"{root}/late", entries={"$": NEVER, "b": Due(at_ms=2_000), "a": Due(at_ms=1_000), "c": LATER})
    arena.start(f"{root}/later", entries={"x": Due(at_ms=1_500)})
    arena.start(f"{root}/not", entries={"x": LATER})

    first, second = arena.store.due(arena.shard(root), 10), arena.store.due(arena.shard(root), 10)

    assert [(run.run_id, run.addresses) for run in first] == [(f"{root}/late", ("a", "b")), (f"{root}/later", ("x",))]
    assert [run.run_id for run in second] == [run.run_id for run in first]
    assert first[0].now_ms <= arena.store.time_ms()


def test_due_stops_at_its_limit(arena: Arena) -> None:
    """The limit is of addresses, so that a wide run does not fill a sweeper's memory."""
    arena.start("root/a", entries={f"a{n}": Due(at_ms=1_000 + n) for n in range(5)})
    arena.start("root/b", entries={f"b{n}": Due(at_ms=2_000 + n) for n in range(5)})

    found = {limit: [run.addresses for run in arena.store.due(arena.shard("root"), limit)] for limit in (3, 5, 7)}

    assert found[3] == [("a0", "a1", "a2")]
    assert found[5] == [("a0", "a1", "a2", "a3", "a4")]
    assert found[7] == [("a0", "a1", "a2", "a3", "a4"), ("b0", "b1")]


def test_a_child_is_due_in_the_shard_of_its_root(arena: Arena) -> None:
    """A tree of runs lives in one slot."""
    roots = [f"root-{n}" for n in range(5)]

    for root in roots:
        arena.start(f"{root}/child[1]/grand", entries={"a": NOW})

    for root in roots:
        assert f"{root}/child[1]/grand" in [run.run_id for run in arena.store.due(arena.shard(root), 10)]


def test_a_moment_that_the_run_holds_caps_an_entry(arena: Arena) -> None:
    """As it is when the entry is written, by the same commit too; one that is not there caps nothing."""
    arena.start(stamp={"level": 500}, entries={"own": Due(within_ms=60_000, cap="level"), "none": Due(cap="absent")})
    level = int(arena.fields()["level"])

    reply = arena.change(
        entries={"earlier": Due(within_ms=-1, cap="level"), "later": Due(at_ms=level + 1, cap="level"), "own": LATER}
    )

    assert arena.store.entries("run") == {
        "own": reply.now_ms + 60_000,
        "none": math.inf,
        "earlier": reply.now_ms - 1,
        "later": level,
    }
