"""A commit to one run may carry commits to others of its shard, and be guarded by what they are (RULES 15)."""

from __future__ import annotations

import pytest

from orchestrator.engine.commit import Answer, Changes, Stage, Then
from tests.contract.arena import LATER, NOW, Arena, commit, stage, start

CHILD = "run/step:1"


def test_a_run_is_created_by_the_commit_that_waits_for_it(arena: Arena) -> None:
    """Fields, ledger, index, history and feed of both are written together."""
    arena.start()
    born = start(CHILD, set={"a": "1"}, entries={"x": NOW}, index={"all": True}, events=({"type": "born"},))

    reply = arena.store.apply(commit(stage(set={"child": CHILD}, entries={"s": LATER}, also=(born,)), reads=("child",)))

    assert reply.first is Answer.APPLIED
    assert reply.values == {"child": CHILD}
    assert arena.fields()["child"] == CHILD
    assert arena.fields(CHILD)["a"] == "1"
    assert set(arena.store.entries("run")) == {"s"}
    assert set(arena.store.entries(CHILD)) == {"x"}
    assert arena.store.shard_entry(CHILD) == arena.store.entries(CHILD)["x"]
    assert [run_id for _, run_id in arena.store.newest("all", None, 10)] == [CHILD]
    assert [entry.event["type"] for entry in arena.store.history(CHILD)] == ["born"]
    assert [entry.run_id for entry in arena.store.feed(arena.shard())] == [CHILD]


def test_the_end_of_a_run_tells_another(arena: Arena) -> None:
    """The ledger of the one is deleted, the entry of the other falls due."""
    arena.start(set={"s": "waiting"}, entries={"s": LATER})
    arena.start(CHILD, entries={"$": LATER})
    told = commit(stage({"s": "waiting"}, set={"s": "ready"}, entries={"s": NOW}))

    arena.store.apply(commit(stage(end=True, also=(told,)), run_id=CHILD))

    assert arena.fields()["s"] == "ready"
    assert arena.store.entries(CHILD) == {}
    assert [due.run_id for due in arena.store.due(arena.shard(), 10)] == ["run"]


@pytest.mark.parametrize(
    "other",
    [
        commit(stage({"s": "waiting"}, set={"s": "ready"})),
        commit(stage(set={"s": "ready"}), incarnation="7"),
        commit(stage(set={"s": "ready"}), run_id="run/never"),
        start("run", set={"s": "ready"}),
    ],
    ids=["refused", "older", "gone", "exists"],
)
def test_what_is_refused_elsewhere_changes_nothing_there_and_stops_nothing_here(arena: Arena, other: object) -> None:
    """The stage that carries it stands all the same."""
    arena.start(set={"s": "settled"})
    arena.start(CHILD)

    reply = arena.store.apply(commit(stage(set={"a": "1"}, also=(other,)), run_id=CHILD))

    assert reply.first is Answer.APPLIED
    assert arena.fields(CHILD)["a"] == "1"
    assert arena.fields()["s"] == "settled"
    assert arena.fields("run/never") == {}


def test_a_stage_that_is_refused_carries_nothing(arena: Arena) -> None:
    """Nor does one that was applied before: sent twice, it is applied once."""
    arena.start()
    carrying = commit(stage({"a": None}, already={"a": "1"}, set={"a": "1"}, also=(start(CHILD, set={"n": "1"}),)))

    replies = [
        arena.store.apply(commit(stage({"a": "9"}, also=(start("run/b"),)))),
        *map(arena.store.apply, [carrying] * 2),
    ]

    assert [reply.first for reply in replies] == [Answer.REFUSED, Answer.APPLIED, Answer.ALREADY]
    assert arena.fields("run/b") == {}
    assert arena.fields(CHILD)["n"] == "1"


def test_the_other_runs_stages_are_judged_in_turn(arena: Arena) -> None:
    """With their members, numbers, and what follows the last departure."""
    arena.start(add=(("live", "x"),))
    arena.start(CHILD, number=("first",))
    empty = Then({"n:live": "0"}, Changes(set={"over": "1"}, entries={"~": NOW}))
    leaves = Stage({}, Changes(remove=(("live", "x"),), number=("seq",)), then=(empty,))

    arena.store.apply(
        commit(stage(number=("second",), also=(commit(leaves, stage({"over": "1"}, set={"b": "2"})),)), run_id=CHILD)
    )

    found = arena.fields()
    assert (found["over"], found["b"], found["seq"]) == ("1", "2", "1")
    assert arena.fields(CHILD)["second"] == "2"
    assert set(arena.store.entries("run")) == {"~"}


def test_a_stage_may_be_guarded_by_other_runs(arena: Arena) -> None:
    """What they are now, absences included."""
    arena.start()
    guarded = stage(set={"a": "1"})
    absent = Stage({}, guarded.changes, elsewhere=((CHILD, {"incarnation": None}),))
    present = Stage({}, guarded.changes, elsewhere=((CHILD, {"incarnation": "1", "s": None}),))

    before = [arena.store.apply(commit(one)).first for one in (present, absent)]
    arena.start(CHILD)
    after = [arena.store.apply(commit(one)).first for one in (present, absent)]

    assert before == [Answer.REFUSED, Answer.APPLIED]
    assert after == [Answer.APPLIED, Answer.REFUSED]


def test_a_run_may_be_deleted_with_another(arena: Arena) -> None:
    """And is not remembered, if nothing asks for that."""
    arena.start()
    arena.start(CHILD, end=True)

    arena.store.apply(commit(stage(also=(commit(stage(forget=0), run_id=CHILD),))))

    assert arena.fields(CHILD) == {}
    assert arena.start(CHILD).first is Answer.APPLIED


def test_runs_of_different_shards_have_no_commit_together(arena: Arena) -> None:
    """One slot of a cluster holds one shard."""
    arena.start()
    other = next(name for name in map(str, range(100)) if arena.shard(name) != arena.shard())

    with pytest.raises(ValueError, match="different shards"):
        arena.store.apply(commit(stage(also=(start(other),))))
