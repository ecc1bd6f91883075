"""Plans in words."""

from __future__ import annotations

import re

import pytest

from orchestrator.plan.graph import Plan
from orchestrator.plan.text import WIDTH, to_text
from tests.unit.plan.plans import LANES, NAMES, canvas, named, upper, workflow


def told(plan: Plan) -> str:
    """The plan and the canvas in words."""
    return to_text(plan, canvas(plan), lanes=LANES)


def of_step(text: str, step: str) -> str:
    """What is said of one step, up to the next, without the indentation."""
    found = re.search(rf"^ +(?:\d+\.|-) +{step} .*\n(?:(?! +(?:\d+\.|-) ).+\n)*", text, re.MULTILINE)
    assert found, step
    return "\n".join(line.strip() for line in found[0].splitlines())


def test_the_main_path_stands_before_what_lies_off_it() -> None:
    """Handlers and other branches come last, as a run that nothing diverts does not meet them."""
    ids = re.findall(r"^  (?:\d+\.|-)\s+(\S+)", told(named("payment_flow.py")), re.MULTILINE)

    assert ids == ["validate-payment", "charge-payment", "send-receipt", "notify-user", "notify-admin"]


def test_a_step_says_how_it_is_retried_and_undone_and_where_it_leads() -> None:
    """Everything that a reader of the spec would have to look up in defaults."""
    text = told(named("payment_flow.py"))

    assert "attempts    up to 3, exponential from 1s to 5m; each at most 10m" in of_step(text, "validate-payment")
    assert "undone by   payments.refund@1" in of_step(text, "charge-payment")
    assert "on failure  → notify-admin" in of_step(text, "charge-payment")
    assert "on success  → the workflow completes" in of_step(text, "send-receipt")


def test_failures_that_no_route_takes_are_told_as_well() -> None:
    """A handler for some codes is not a handler for all."""
    text = told(named("loop.yaml"))

    assert "on failure  by max_visits: → give-up" in of_step(text, "ask")
    assert "on failure  by any other: the workflow fails" in of_step(text, "ask")


def test_a_branch_that_fails_is_no_workflow_that_fails() -> None:
    """Each step says what its own flow does."""
    text = told(named("parallel_join.yaml"))

    assert "on success  → the branch completes\non failure  the branch fails" in of_step(text, "car")
    assert "completes   when all branches complete; one that fails fails the step" in of_step(text, "book")
    assert "time limit  5m" in of_step(text, "book")


def test_a_race_says_what_becomes_of_the_losers() -> None:
    """They are undone there, whatever the run does."""
    race = of_step(told(named("race.yaml")), "travel")

    assert "completes   with the first of its branches that completes" in race
    assert "the rest    is stopped, and what it did is undone" in race


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tolerate": "10%"}, "when all items are over; up to 10% may fail, and those are undone"),
        ({"tolerate": 2}, "when all items are over; up to 2 may fail, and those are undone"),
        ({"join": 3, "rest": "continue"}, "with 3 of its items that complete"),
        ({"max_concurrency": 1}, "one item"),
        ({"max_concurrency": 7}, "up to 7 items"),
    ],
)
def test_a_map_says_how_many_run_and_how_many_may_fail(options: dict[str, object], said: str) -> None:
    """Beside its items and what each is called."""
    plan = workflow(
        {"id": "all", "map": {"items": "input.lines", "item_name": "line", "steps": [upper("up")], **options}}
    )

    step = of_step(told(plan), "all")

    assert step.startswith("1.  all                      map of input.lines")
    assert "item        `line`, and `index` from 0" in step
    assert said in step


def test_a_step_of_a_needs_flow_says_when_it_runs() -> None:
    """What it needs, in which state, and under which condition."""
    text = told(named("dag.yaml"))

    assert "needs       reconcile, rates: runs when all of them are over, and one completed" in of_step(text, "report")
    assert "when        input.publish; else it is skipped" in of_step(text, "publish")
    assert "on failure  the workflow goes on all the same" in of_step(text, "rates")
    assert "on failure  only what runs after failures still runs" in of_step(text, "orders")


def test_a_loop_says_where_it_comes_back_and_how_often() -> None:
    """Of the ways that lead to a step, only the one back is a further visit."""
    text = told(named("loop.yaml"))

    assert "visits      at most 20; one more fails it with max_visits" in of_step(text, "ask")
    assert "on success  → ask (again: its next visit)" in of_step(text, "pause")
    assert text.count("again: its next visit") == 1


@pytest.mark.parametrize(
    ("terms", "failure", "cancel"),
    [
        ({}, "what is done is undone, newest first", "what is done is undone, newest first"),
        ({"on_cancel": False}, "what is done is undone, newest first", "nothing is undone"),
        ({"trigger": "manual"}, "nothing is undone until an operator says so (undo RUN)", "nothing is undone until"),
    ],
)
def test_a_workflow_says_when_it_is_undone(terms: dict[str, object], failure: str, cancel: str) -> None:
    """By itself, by hand, or not when it is cancelled."""
    text = told(workflow(upper("a"), compensation=terms))

    assert f"\n  on failure  {failure}\n" in text
    assert f"\n  on cancel   {cancel}" in text


def test_limits_are_told_where_they_hold() -> None:
    """Those of the workflow at the top, those of a step beside it."""
    text = told(
        workflow(
            upper("a", limits=[{"key": "${ctx.tenant}", "rate": "10/s"}]), limits=[{"key": "${ctx.tenant}", "max": 3}]
        )
    )

    assert "\n  limits      at most 3 at once for each ${ctx.tenant}\n" in text
    assert "limits      at most 10/s for each ${ctx.tenant}" in of_step(text, "a")


def test_inner_flows_stand_under_their_container_and_are_indented() -> None:
    """Map within parallel within map: each deeper than what it lies in."""
    text = told(named("nested.yaml")).split("\nCelery canvas")[0]

    depth = {name: len(lead) for lead, name in re.findall(r"^( +)\d+\. +(\S+)", text, re.MULTILINE)}

    assert depth["tour"] < depth["arrange"] < depth["rooms"] < depth["room"]
    assert depth["tour"] == depth["programme"]
    assert depth["arrange"] == depth["summary"]


@pytest.mark.parametrize("name", NAMES)
def test_lines_fit_a_screen(name: str) -> None:
    """What is longer is cut; the JSON has it whole."""
    assert max(map(len, told(named(name)).splitlines())) <= WIDTH


def test_a_child_says_what_it_runs_and_what_becomes_of_it() -> None:
    """Waited for, tried again and undone; or left alone."""
    journey = {"id": "journey", "workflow": "examples.journey@^1.0.0", "inputs": {"city": "Rome"}}
    terms = {"timeout": "10m", "retry": {"max_attempts": 2}}
    apart = {"id": "apart", "workflow": {"key": "examples.journey", "detach": True}}

    text = told(workflow({**journey, **terms}, apart))

    waited_for, detached = of_step(text, "journey"), of_step(text, "apart")
    assert "workflow examples.journey@^1.0.0\n" in waited_for
    for fact in (
        "input       city = Rome",
        "attempts    up to 2",
        "time limit  10m",
        "undone by   the undo of its run",
    ):
        assert fact in waited_for
    assert "workflow examples.journey@latest, detached" in detached
    assert "undone by" not in detached
