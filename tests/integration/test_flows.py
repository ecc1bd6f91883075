"""Containers, needs flows and loops on real workers."""

from __future__ import annotations

from typing import Any

from orchestrator import WorkflowSpec, define_workflow
from tests.integration.system import System, ended, events, executions


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
    assert sorted(executions(run)) == sorted(f"all[{number}]/up" for number in range(40))
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
