"""Containers, needs flows and loops on real workers."""

from __future__ import annotations

from typing import Any

from orchestrator import WorkflowSpec, define_workflow
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, events, executions, happened, until
from tests.integration.workflows import charge_step


def flow(key: str, *steps: Any, **options: Any) -> WorkflowSpec:
    """A workflow of these steps."""
    return define_workflow(meta={"key": f"tests.{key}", "version": "1.0.0"}, steps=list(steps), **options)


def upper(name: str, text: str = "a", **options: Any) -> dict[str, Any]:
    """A step that puts a text in capitals."""
    return {"id": name, "operation": "text.upper", "inputs": {"text": text}, **options}


def test_branches_join_and_the_flow_goes_on_with_what_they_left(system: System) -> None:
    """Each branch once, the step behind them once, with the outputs of all."""
    branches = {"left": [upper("l1"), upper("l2", "${steps.l1.output.text}b")], "right": [upper("r1", "c")]}
    joined = upper("joined", "${steps.both.output.left.text}${steps.both.output.right.text}")
    system.publish(flow("join", upper("first"), {"id": "both", "parallel": {"branches": branches}}, joined))

    run = system.client.start("tests.join")

    assert run.result(20) == {"text": "ABC"}
    assert sorted(executions(run)) == ["both[left]/l1", "both[left]/l2", "both[right]/r1", "first", "joined"]


def test_a_map_runs_every_item_once_in_order_of_the_list(system: System) -> None:
    """However many run at once."""
    body = [upper("up", "${item}")]
    system.publish(flow("map", {"id": "all", "map": {"items": "input.words", "steps": body, "max_concurrency": 3}}))
    words = [f"w{number}" for number in range(40)]

    run = system.client.start("tests.map", {"words": words})

    assert run.result(20) == [{"text": word.upper()} for word in words]
    done = [item for event in events(run, "items_completed") for item in event["items"]]
    assert sorted(done) == list(range(40))
    assert ended(run).status == "completed"


def test_a_needs_flow_runs_each_step_when_what_it_needs_has_settled(system: System) -> None:
    """A diamond with a step that is skipped."""
    steps = [
        upper("top"),
        upper("left", needs=["top"]),
        upper("right", needs=["top"]),
        upper("bottom", "${steps.left.output.text}${steps.right.output.text}", needs=["left", "right"]),
        upper("never", needs=["top"], when="input.extra"),
    ]
    system.publish(flow("needs", *steps, output={"text": "${steps.bottom.output.text}"}))

    run = system.client.start("tests.needs", {"extra": False})

    assert run.result(20) == {"text": "AA"}
    assert [event["step"] for event in events(run, "step_skipped")] == ["never"]


def test_a_needs_flow_of_500_steps_completes(system: System) -> None:
    """Ten chains between a first and a last step."""
    steps = [upper("first"), *(upper(f"n{n}", needs=[f"n{n - 10}" if n >= 10 else "first"]) for n in range(498))]
    steps.append(upper("last", needs=[f"n{n}" for n in range(488, 498)]))
    system.publish(flow("wide", *steps))

    run = system.client.start("tests.wide")

    assert run.result(20) == {"text": "A"}
    assert len(executions(run)) == 500


def test_a_killed_worker_in_a_branch_is_got_over(system: System) -> None:
    """The branch is taken up again, the other is not touched, and the join happens once."""
    system.publish(flow("killed-branch", gated_fork(), upper("after")))
    gate = system.gate()
    run = system.client.start("tests.killed-branch", {"method": f"pm_gate_{gate.name}"})
    pid = gate.reached()
    until(lambda: happened(run, "step_completed", "fork[short]/short"), "the other branch is over")

    system.holder(pid).kill()
    gate.open()

    assert ended(run).status == "completed"
    assert len(system.charges(run)) == 1
    assert executions(run).count("fork[short]/short") == 1
    assert executions(run).count("after") == 1


def test_a_lost_chord_body_is_made_good(make_system: MakeSystem) -> None:
    """Celery's count of the chord is deleted while its header runs: the state knows when all have arrived.

    The workers are new: those that know an operation to be quick keep its branch, and send no message for it.
    """
    system = make_system()
    system.start_worker()
    system.start_beat()
    system.ready()
    system.publish(flow("lost-body", gated_fork(), upper("after")))
    gate = system.gate()
    run = system.client.start("tests.lost-body", {"method": f"pm_gate_{gate.name}"})
    gate.reached()
    until(lambda: happened(run, "step_completed", "fork[last]/last"), "the rest of the header is over")

    assert forget_chords(system) > 0
    gate.open()

    assert ended(run).status == "completed"
    assert executions(run).count("after") == 1


def test_a_failed_branch_is_undone_before_its_handler(system: System) -> None:
    """What both branches did is undone, what stands before them stays."""
    paid = [charge_step(id="paid", inputs=paid_with("pm_ok"))]
    bad = [charge_step(id="held"), charge_step(id="declined", inputs=paid_with("pm_declined"))]
    fork = {"id": "fork", "parallel": {"branches": {"paid": paid, "bad": bad}}}
    before = charge_step(id="before", inputs=paid_with("pm_ok"), on_success="fork")
    handled = {**fork, "on_success": "$end", "on_failure": "sorry"}
    system.publish(flow("handled-fork", before, handled, upper("sorry", on_success="$end")))
    gate = system.gate()
    run = system.client.start("tests.handled-fork", {"method": f"pm_gate_{gate.name}"})
    gate.reached()
    until(lambda: happened(run, "step_completed", "fork[paid]/paid"), "the other branch is over")

    gate.open()

    assert ended(run).status == "completed"
    assert executions(run)[-1] == "sorry"
    undone = {f"{run.run_id}:fork[paid]/paid:1", f"{run.run_id}:fork[bad]/held:1"}
    assert {charge.key for charge in system.charges(run)} == {f"{run.run_id}:before:1", *undone}
    assert {refund.key for refund in system.refunds(run)} == undone


def paid_with(method: str) -> dict[str, Any]:
    """The inputs of a charge."""
    return {"amount": 1250, "paymentMethodId": method}


def gated_fork() -> dict[str, Any]:
    """Three branches, of which one, in the header of the chord, is held at a gate."""
    branches = {"short": [upper("short")], "held": [charge_step()], "last": [upper("last")]}
    return {"id": "fork", "parallel": {"branches": branches}}


def forget_chords(system: System) -> int:
    """Delete what Celery knows of chords; how many keys that were."""
    keys = list(system.broker.scan_iter("celery-taskset-meta-*"))
    return system.broker.delete(*keys) if keys else 0
