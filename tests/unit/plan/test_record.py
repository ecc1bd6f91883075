"""Plans and canvases as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.plan.canvas import main_chain
from orchestrator.plan.graph import Plan
from orchestrator.plan.record import to_json
from tests.unit.plan.plans import LANES, NAMES, canvas, named, upper, workflow


def record(plan: Plan) -> dict[str, Any]:
    """The plan and the canvas, as a program reads them."""
    written: dict[str, Any] = json.loads(json.dumps(to_json(plan, canvas(plan), lanes=LANES)))
    return written


def step(plan: Plan, name: str) -> dict[str, Any]:
    """What is recorded of one step."""
    return next(one for one in record(plan)["plan"]["steps"] if one["id"] == name)


@pytest.mark.parametrize("name", NAMES)
def test_the_canvas_begins_with_the_chain_that_a_start_sends(name: str) -> None:
    """The chain's own record, so that what is sent can be compared with it."""
    plan = named(name)

    written = record(plan)

    sent = main_chain(plan, plan.root.entries[0], message_bytes=16_384).to_json()
    assert {field: written["canvas"][field] for field in sent} == json.loads(json.dumps(sent))
    assert [step["id"] for step in written["plan"]["steps"]] == list(plan.nodes)


def test_routes_tell_conditions_and_codes() -> None:
    """With what they ask for, in the order in which they are tried."""
    call = step(named("retry_ladder.yaml"), "call")

    assert call["on_failure"] == [
        {"to": "$fail", "errors": ["bad_request"], "when": None},
        {"to": "fallback", "errors": None, "when": None},
    ]
    assert call["work"]["retry"]["give_up_on"] == ["bad_request"]


def test_a_container_tells_its_flows_and_its_join() -> None:
    """And each step says which flow it stands in."""
    plan = named("map_tolerate.yaml")

    invite = step(plan, "invite")["container"]

    assert (invite["flows"], invite["items"], invite["item_name"]) == (["invite[]"], "input.guests", "guest")
    assert (invite["max_concurrency"], invite["join"], invite["tolerate"]) == (4, "all", "25%")
    assert step(plan, "car")["flow"] == "invite[]"
    assert [flow["owner"] for flow in record(plan)["plan"]["flows"]] == ["invite"]


def test_a_child_tells_what_it_runs_and_on_which_terms() -> None:
    """A step that runs none has none."""
    plan = named("child.yaml")

    child = step(plan, "journey")["child"]

    assert (child["key"], child["version"], child["detach"]) == ("examples.journey", "^1.0.0", False)
    assert (child["timeout_ms"], child["retry"]["max_attempts"]) == (600_000, 1)
    assert child["inputs"] == {"city": "${input.city}", "traveller": "${input.traveller}"}
    assert step(plan, "hotel")["child"] is None


def test_needs_and_visits_are_told() -> None:
    """As they were written."""
    assert step(named("dag.yaml"), "publish")["needs"] == {
        "steps": ["report"],
        "run_if": "all_succeeded",
        "when": "input.publish",
        "allow_failure": False,
    }
    assert step(named("loop.yaml"), "ask")["max_visits"] == 20


def test_forks_of_the_canvas_hold_canvases() -> None:
    """A chord with its branches and its body; what a branch forks stands within it."""
    (tour,) = record(named("nested.yaml"))["canvas"]["forks"]

    (arrange,) = tour["flows"][0]["forks"]
    assert (tour["kind"], arrange["kind"]) == ("chord", "group")
    assert [signature["address"] for signature in tour["body"]["signatures"]] == ["tour", "programme"]
    assert [flow["flow"] for flow in arrange["flows"]] == ["transport", "rooms"]


def test_values_are_whole() -> None:
    """However long they are."""
    assert "x" * 500 in json.dumps(record(workflow(upper("shout", inputs={"text": "x" * 500}))))
