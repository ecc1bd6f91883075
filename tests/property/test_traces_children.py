"""Rule 15: a parent and its child, whatever comes between their commits.

Each trace is how a weaker reading of the rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from orchestrator.engine.effects import Apply, PrepareChild
from orchestrator.engine.start import StartRequest, start
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import DECLINES, OK, REFUSES, Behaviour
from tests.property.laws_of_trees import STRANGER, check_newest_first, check_tree_end
from tests.property.specs import TWICE, write
from tests.property.test_trees import plans_of
from tests.property.tree import ROOT, Tree
from tests.property.world import TIMING

pytestmark = pytest.mark.property

CHILD = "run/ship:1"
SHIP = {"id": "ship", "workflow": "t.child"}


def tree_of(
    *root: Mapping[str, Any],
    child: tuple[Mapping[str, Any], ...] = (write("c"),),
    grandchild: tuple[Mapping[str, Any], ...] = (write("g"),),
    habits: Mapping[str, Behaviour] | None = None,
) -> Tree:
    """A run of these steps; by default their child does one thing that can be undone."""
    plans = plans_of(root=root, child=child, grandchild=grandchild)
    return Tree(plans, habits=habits or {}, fuses=False)


def child_begun(tree: Tree) -> Tree:
    """The tree, with the step waiting for its child, whose first message is still there."""
    while CHILD not in tree.runs():
        tree.take(0)
        tree.finish(0)
    return tree


def look(tree: Tree, run_id: str, address: str) -> None:
    """Somebody looks at an address of a run, and goes on with what there is to do."""
    tree.messages.insert(0, (run_id, address))
    tree.take(2)
    tree.finish(2)


def test_the_child_is_created_by_the_commit_that_makes_the_step_wait() -> None:
    """A worker that dies before it leaves neither; after it, both, and the ledger alone brings the child on."""
    tree = tree_of(SHIP)
    tree.until(0, Apply)
    before = tree.runs()
    tree.crash(0)

    look(tree, ROOT, "ship")
    tree.messages.clear()

    assert before == [ROOT]
    assert tree.runs() == [ROOT, CHILD]
    assert tree.view().state("ship") is StepState.WAITING
    tree.settle_down()
    assert tree.status() is RunStatus.COMPLETED


def test_a_cancel_between_look_and_commit_leaves_no_orphan() -> None:
    """take·ship go·prepare cancel go·commit: the start is refused with the commit that would wait for it."""
    tree = tree_of(SHIP)
    tree.until(0, PrepareChild)
    tree.go(0)

    tree.cancel(drops=False)
    tree.finish(0)
    tree.settle_down()

    assert tree.runs() == [ROOT]
    assert tree.status() is RunStatus.CANCELLED


def test_two_workers_that_start_the_child_start_one() -> None:
    """The message came twice; and a commit whose reply is lost is sent again."""
    tree = tree_of(SHIP)
    tree.messages *= 2
    for seat in (0, 1):
        tree.until(seat, PrepareChild)
        tree.go(seat)
    tree.until(0, Apply)
    tree.lose_reply(0)
    for seat in (1, 0):
        tree.finish(seat)
    tree.settle_down()

    assert tree.runs() == [ROOT, CHILD]
    assert tree.effects == ["c"]


def test_a_child_whose_worker_dies_as_it_ends_has_told_its_parent() -> None:
    """Child ends, worker dies, hint lost: the step is ready by the child's own commit."""
    tree = child_begun(tree_of(SHIP, write("after")))
    while not tree.view(CHILD).over:
        tree.go(0)
    tree.crash(0)
    tree.messages.clear()

    assert tree.view().state("ship") is StepState.READY
    assert ("run", "ship") in tree.due()
    tree.settle_down()
    assert tree.effects == ["c", "after"]


def test_a_paused_parent_hears_its_child_and_goes_on_when_it_is_resumed() -> None:
    """Nothing but the state, the child and the incarnation is asked for when a child tells of its end."""
    tree = child_begun(tree_of(SHIP, write("after")))
    tree.pause(on=True)
    tree.work()

    assert tree.view(CHILD).over
    assert tree.view().state("after") is not StepState.RUNNING
    assert tree.effects == ["c"]
    tree.settle_down()
    assert tree.effects == ["c", "after"]


def test_a_cancel_stops_the_child_and_waits_for_its_undo() -> None:
    """What the parent did before is undone when the child has undone itself, not beside it."""
    tree = child_begun(tree_of(write("a"), SHIP, child=(write("c"), {"id": "pause", "wait": "1h"})))
    tree.work()
    tree.cancel(drops=False)
    look(tree, ROOT, DRAIN)

    assert tree.view(CHILD).stopping
    assert tree.view().state("ship") is StepState.WAITING
    tree.settle_down()
    assert tree.effects == ["a", "c", "c~", "a~"]
    assert (tree.status(), tree.status(CHILD)) == (RunStatus.CANCELLED, RunStatus.CANCELLED)
    assert tree.view().state("ship") is StepState.CANCELLED
    check_tree_end(tree)


def test_a_canceller_that_dies_is_made_up_for_by_the_ledger() -> None:
    """Neither the message for the undo nor that for the child is needed."""
    tree = child_begun(tree_of(write("a"), SHIP, child=(write("c"), {"id": "pause", "wait": "1h"})))
    tree.work()

    tree.cancel(drops=False)
    tree.messages.clear()
    tree.settle_down()

    assert tree.effects == ["a", "c", "c~", "a~"]
    assert tree.status(CHILD) is RunStatus.CANCELLED


def test_a_child_that_completes_as_its_parent_is_cancelled_is_undone() -> None:
    """The step has its result, though it goes nowhere from there: the effect is known, and given back."""
    tree = child_begun(tree_of(write("a"), SHIP))
    while not tree.view(CHILD).over:
        tree.go(0)
    tree.cancel()

    tree.settle_down()

    assert tree.view().state("ship") is StepState.COMPLETED
    assert tree.effects == ["a", "c", "c~", "a~"]
    assert (tree.status(), tree.status(CHILD)) == (RunStatus.CANCELLED, RunStatus.COMPLETED)


def test_a_failed_try_is_followed_by_a_child_of_its_own() -> None:
    """A child id by attempt starts a second child after a lapse; without a number a retry finds the failed one."""
    tree = tree_of({**SHIP, "retry": TWICE})

    tree.work(DECLINES)
    first = tree.runs()
    tree.to_next_entry()
    tree.sweep()
    tree.settle_down()

    assert first == [ROOT, CHILD]
    assert tree.runs() == [ROOT, CHILD, "run/ship:2"]
    assert (tree.status(), tree.status(CHILD)) == (RunStatus.COMPLETED, RunStatus.FAILED)


def test_a_child_that_is_retried_on_its_own_moves_nothing_in_its_parent() -> None:
    """While the parent waits for its next try, and after the step has failed."""
    tree = tree_of({**SHIP, "retry": TWICE})
    tree.work(REFUSES)
    attempt = tree.view()[fields.attempt("ship")]

    assert tree.retry(CHILD)
    while not tree.view(CHILD).over:
        look(tree, CHILD, "c")
    tree.messages.clear()

    assert attempt == "2"
    assert tree.status(CHILD) is RunStatus.COMPLETED
    assert tree.view().state("ship") is StepState.WAITING
    tree.settle_down()
    assert tree.status("run/ship:2") is RunStatus.COMPLETED


def test_a_tree_is_undone_newest_first_across_the_border() -> None:
    """Root, child and grandchild took turns; so do their undos, backwards."""
    middle = (write("c1"), {"id": "deep", "workflow": "t.grandchild"}, write("c2"))
    tree = tree_of(write("a"), SHIP, write("b"), write("z"), child=middle, habits={"z": REFUSES})

    tree.settle_down()

    assert tree.effects == ["a", "c1", "g", "c2", "b", "b~", "c2~", "g~", "c1~", "a~"]
    assert tree.status() is RunStatus.FAILED
    assert [tree.status(one) for one in tree.runs()[1:]] == [RunStatus.COMPLETED] * 2
    check_newest_first(tree)


@pytest.mark.parametrize("lost", ["message", "reply", "worker"])
def test_an_undo_of_a_child_is_begun_once(lost: str) -> None:
    """Its new incarnation and the waiting undo are one commit."""
    tree = tree_of(SHIP, write("z"), habits={"z": REFUSES})
    while tree.view().state("ship~") is not StepState.READY:
        tree.go(0)
    tree.crash(0)
    tree.messages = [(ROOT, "ship~")]
    tree.until(0, Apply)
    if lost == "reply":
        tree.lose_reply(0)
    elif lost == "worker":
        tree.go(0)
        tree.crash(0)
    else:
        tree.finish(0)
        tree.messages.clear()
    tree.settle_down()

    assert tree.effects == ["c", "c~"]
    assert tree.view(CHILD).incarnation == "2"
    assert tree.view()[fields.COMPENSATION] == "completed"


def test_an_undo_that_fails_in_the_child_is_told_and_made_again_from_the_root() -> None:
    """The root says `failed`; asked again, it has only that undo of the child made again."""
    tree = tree_of(write("a"), SHIP, write("z"), habits={"z": REFUSES, "c~": REFUSES})
    tree.settle_down()
    first = (tree.view()[fields.COMPENSATION], tree.view().state("ship~"), list(tree.effects))

    tree.habits = {}
    assert tree.undo_again()
    tree.settle_down()

    assert first == ("failed", StepState.FAILED, ["a", "c", "a~"])
    assert tree.view()[fields.COMPENSATION] == tree.view(CHILD)[fields.COMPENSATION] == "completed"
    assert tree.effects == ["a", "c", "a~", "c~"]


def test_an_undo_that_an_operator_has_begun_meanwhile_is_looked_at_again() -> None:
    """take·ship~ go·read, undo of the child by hand, go·commit: the parent does not wait for what nobody tells it."""
    tree = tree_of(SHIP, write("z"), habits={"z": REFUSES, "c~": REFUSES})
    tree.settle_down()
    tree.habits = {}
    tree.undo_again()
    tree.messages = [(ROOT, "ship~")]
    tree.until(0, Apply)

    assert tree.undo_again(CHILD)
    tree.finish(0)
    waits = tree.view().state("ship~")
    tree.settle_down()

    assert waits is StepState.READY
    assert tree.view()[fields.COMPENSATION] == "completed"
    assert tree.effects == ["c", "c~"]


@pytest.mark.parametrize("late", [False, True])
def test_what_an_earlier_run_of_the_root_s_id_has_left_is_passed_over(late: bool) -> None:
    """A detached child may outlive its root; the next run of that id starts others, and waits for no stranger."""
    tree = tree_of(SHIP)
    if late:
        tree.until(0, Apply)
    left = StartRequest(CHILD, input='{"old": true}', ctx="{}", started_by=STRANGER)
    tree.store.apply(start(tree.plans["t.child"], left, TIMING))

    tree.work()

    assert tree.child("ship") == "run/ship:2"
    assert tree.status() is RunStatus.COMPLETED


def test_a_retried_parent_starts_undone_children_anew_and_keeps_the_others() -> None:
    """Rule 9 across the border: what was undone runs again, as another child with other keys."""
    kept = {"id": "kept", "workflow": "t.grandchild", "pivot": True}
    tree = tree_of(kept, SHIP, write("z"), habits={"z": REFUSES})
    tree.settle_down()

    tree.habits = {}
    assert tree.retry()
    tree.settle_down()

    assert tree.status() is RunStatus.COMPLETED
    assert tree.runs() == [ROOT, "run/kept:1", CHILD, "run/ship:2"]
    assert tree.effects == ["g", "c", "c~", "c", "z"]
    assert len({one.key for one in tree.outside if one.address == "c"}) == 2


def test_a_child_that_a_retry_has_kept_is_undone_for_the_later_incarnation() -> None:
    """It was started for the first life of its parent; the undo says whom to tell."""
    failing = {"id": "z", "operation": "do.write", "on_failure": {"errors": ["declined"], "to": "$fail"}}
    tree = tree_of(SHIP, failing, habits={"z": REFUSES})
    plan = tree.plans["t.root"]
    tree.plans = {**tree.plans, "t.root": replace(plan, undo_by_hand=True)}
    tree.settle_down()
    tree.plans = {**tree.plans, "t.root": plan}

    assert tree.undo_again()
    tree.settle_down()

    assert tree.effects == ["c", "c~"]
    assert (tree.view().incarnation, tree.view(CHILD).incarnation) == ("2", "2")
    assert tree.view()[fields.COMPENSATION] == "completed"


def test_a_detached_child_is_left_alone() -> None:
    """The step has its id as output at once; neither the parent's end nor its undo touches it."""
    apart = {"id": "ship", "workflow": {"key": "t.child", "detach": True}}
    tree = child_begun(tree_of(apart, write("z"), habits={"z": REFUSES}))
    child_messages = [message for message in tree.messages if message[0] == CHILD]
    tree.messages = [message for message in tree.messages if message[0] == ROOT]
    tree.work()

    assert tree.status() is RunStatus.FAILED
    assert tree.view().json(fields.output("ship")) == {"run_id": CHILD}
    assert tree.status(CHILD) is RunStatus.RUNNING
    tree.messages = child_messages
    tree.settle_down()
    assert tree.effects == ["c"]
    assert tree.status(CHILD) is RunStatus.COMPLETED


def test_a_timeout_stops_the_child_and_then_fails_the_step() -> None:
    """Not before the child has undone itself."""
    slow = (write("c"), {"id": "pause", "wait": "1h"})
    tree = child_begun(tree_of({**SHIP, "timeout": "20s"}, child=slow))
    tree.work()
    tree.now_ms += 20_000
    tree.sweep()

    assert tree.view(CHILD).stopping
    assert tree.view().state("ship") is StepState.WAITING
    tree.settle_down()
    assert tree.error()["code"] == "step_timeout"
    assert tree.error()["child_run"] == CHILD
    assert tree.effects == ["c", "c~"]


def test_a_child_that_loses_a_race_is_stopped_and_undone() -> None:
    """The winner goes on meanwhile; the run's end waits for the loser."""
    slow = (write("c"), {"id": "pause", "wait": "1h"})
    race = {"id": "race", "parallel": {"branches": {"a": [SHIP], "b": [write("b")]}, "join": "any"}}
    tree = tree_of(race, child=slow)

    tree.settle_down()

    assert tree.status() is RunStatus.COMPLETED
    assert tree.view().state("race[a]/ship") is StepState.CANCELLED
    assert tree.status("run/race[a]/ship:1") is RunStatus.CANCELLED
    assert tree.effects.count("c") == tree.effects.count("c~")


def test_a_stale_wake_changes_nothing() -> None:
    """A look at the step while the child goes on, and one when the run is over."""
    tree = child_begun(tree_of(SHIP))
    before = tree.values()
    look(tree, ROOT, "ship")
    unchanged = tree.values() == before
    tree.settle_down()
    over = tree.values()

    look(tree, ROOT, "ship")
    look(tree, ROOT, "ship~")

    assert unchanged
    assert tree.values() == over


def test_a_child_needs_nobody_but_the_sweeper() -> None:
    """Every message is lost, of every run."""
    tree = tree_of(write("a"), SHIP, write("b"))
    for _ in range(100):
        tree.messages.clear()
        tree.to_next_entry()
        tree.sweep()
        if tree.messages:
            tree.messages = tree.messages[:1]
            tree.take(0)
            tree.finish(0, OK)
        if tree.view().over:
            break

    assert tree.status() is RunStatus.COMPLETED
    assert tree.effects == ["a", "c", "b"]


def test_a_step_that_fails_behind_its_completed_child_is_undone_before_its_handler_starts() -> None:
    """The child is done, and its step has nowhere to go: what is undone is the step itself, and the run goes on."""
    nowhere = {**SHIP, "transitions": [{"when": "false", "to": "$end"}], "on_failure": "h"}
    tree = tree_of(write("a", on_success="ship"), nowhere, write("h", on_success="$end"))

    tree.settle_down()

    assert tree.effects == ["a", "c", "c~", "h"]
    assert (tree.status(), tree.status(CHILD)) == (RunStatus.COMPLETED, RunStatus.COMPLETED)
    assert tree.view(CHILD)[fields.COMPENSATION] == "completed"


def test_a_child_in_a_closed_graph_is_stopped_and_the_flow_goes_on_closing() -> None:
    """A failure beside it closes the flow; what waits is cancelled, and what runs after failures runs."""
    slow = (write("c"), {"id": "pause", "wait": "1h"})
    told = {"id": "told", "operation": "do.write", "needs": ["ship", "z"], "run_if": "all_done"}
    tree = tree_of(SHIP, write("z"), told, child=slow, habits={"z": REFUSES})

    tree.settle_down()

    assert tree.view().state("ship") is StepState.CANCELLED
    assert tree.status(CHILD) is RunStatus.CANCELLED
    assert tree.effects == ["c", "c~", "told"]
    assert tree.status() is RunStatus.FAILED


def test_children_of_items_are_runs_of_their_own() -> None:
    """Each has the item's address in its id; one that fails is undone alone where that is tolerated."""
    each = {"id": "each", "map": {"items": "[1, 2, 3]", "steps": [SHIP], "tolerate": 1}}
    tree = tree_of(each)
    tree.work(OK)
    tree.settle_down()

    assert [run_id for run_id in tree.runs() if run_id != ROOT] == [f"run/each[{n}]/ship:1" for n in range(3)]
    assert tree.effects == ["c"] * 3
    assert tree.status() is RunStatus.COMPLETED
