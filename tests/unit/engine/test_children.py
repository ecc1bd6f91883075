from __future__ import annotations

import pytest

from orchestrator.engine import fields
from orchestrator.engine.children import ChildRun, child_of, is_of_child, stop_child, to_wake
from orchestrator.engine.commit import NOW, Answer, Changes, Commit, Reply, Stage
from orchestrator.engine.parents import told, waiter
from orchestrator.engine.view import RunView
from tests.property.specs import plan_of

CHILD = ChildRun("run/ship:1", "test.child", "1.2.0")
NOTED = {fields.child("ship"): fields.child_text(CHILD.run_id, (CHILD.workflow, CHILD.version))}


def view(**more: str) -> RunView:
    """A run whose step `ship` waits for a child."""
    values = {fields.INCARNATION: "3", fields.state("ship"): "waiting", **NOTED, **more}
    return RunView("run", dict(values), now_ms=1_000)


def test_a_step_knows_its_child_and_what_it_is_a_run_of() -> None:
    """So that stopping it takes no look at it."""
    assert child_of(view(), "ship") == CHILD
    assert child_of(view(), "other") is None


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("ship", True),
        ("ship~", True),
        ("own", True),
        ("own~", False),
        ("apart", True),
        ("apart~", False),
        ("a", False),
        ("~", False),
        ("$", False),
    ],
)
def test_what_is_looked_at_as_a_child(address: str, *, is_one: bool) -> None:
    """Steps that run workflows, and their undos unless an operation, or nothing, stands for those."""
    plan = plan_of(
        {"id": "a", "operation": "do.read"},
        {"id": "ship", "workflow": "test.child"},
        {"id": "own", "workflow": "test.child", "compensation": "undo.write"},
        {"id": "apart", "workflow": {"key": "test.child", "detach": True}},
    )

    assert is_of_child(plan, address) is is_one


def test_the_first_reason_to_stop_a_child_stands() -> None:
    """A step whose time is over fails with that, though its flow stops later."""
    first = stop_child(view(), "ship", CHILD, why="timeout").commit.stages[0].changes
    again = stop_child(view(**{fields.stops("ship"): "timeout"}), "ship", CHILD, why="halted").commit.stages[0].changes

    assert first.set == {fields.stops("ship"): "timeout"}
    assert again.set == {}
    assert [one.run_id for one in (*first.also, *again.also)] == [CHILD.run_id] * 2


def test_a_run_tells_whoever_waits_for_it_and_only_what_waits_for_it() -> None:
    """Guarded by state, child and incarnation."""
    values = {fields.WORKFLOW: "test.child", fields.VERSION: "1.2.0", **waiter("run", "ship", "3")}
    (commit,) = told(RunView(CHILD.run_id, dict(values), now_ms=0))

    assert told(RunView(CHILD.run_id, {}, now_ms=0)) == ()
    assert (commit.run_id, commit.incarnation) == ("run", "3")
    assert commit.stages[0].guards == {fields.state("ship"): "waiting", **NOTED, fields.until("ship"): None}
    assert commit.stages[0].changes.entries == {"ship": NOW}


def test_who_is_woken_is_what_an_applied_stage_has_made_due() -> None:
    """Not what was refused, nor what was sent before."""
    other = Commit("other", "1", (Stage({}, Changes(entries={"$": NOW, "a": NOW, "gone": None})),))
    stopped = Commit("stopped", "1", (Stage({}, Changes(expedite=(":state", "running"))),))
    commit = Commit("run", "1", (Stage({}, Changes(also=(other,))), Stage({}, Changes(also=(stopped,)))))

    def woken(*answers: Answer) -> list[tuple[str, tuple[str, ...]]]:
        return list(to_wake(commit, Reply(answers, 0, {})))

    assert woken(Answer.APPLIED, Answer.APPLIED) == [("other", ("a",)), ("stopped", ("~",))]
    assert woken(Answer.APPLIED, Answer.REFUSED) == [("other", ("a",))]
    assert woken(Answer.ALREADY) == []
