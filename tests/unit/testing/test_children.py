"""Steps that run a workflow, in the harness: as authors and operators see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from orchestrator import WorkflowSpec, define_workflow
from orchestrator.client.handle import RedisRunHandle
from orchestrator.errors import NotRetriable, SpecInvalid, StepNotWaiting
from orchestrator.testing import Flow, Harness, always, delay, fail, ok

SHIP = {"id": "ship", "workflow": "test.child"}
PAY = {"id": "pay", "operation": "x.pay", "compensation": "x.refund"}


def spec(key: str, *steps: Mapping[str, Any], version: str = "1.0.0", **workflow: Any) -> WorkflowSpec:
    """A workflow of these steps."""
    return define_workflow(meta={"key": f"test.{key}", "version": version}, steps=steps, **workflow)


@pytest.fixture
def child(harness: Harness) -> Flow:
    """A workflow of one step that can be undone."""
    return harness(spec("child", PAY)).script("x.refund", always(ok()))


@pytest.fixture(autouse=True)
def _unplayed(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """What always goes well need not be called."""
    monkeypatch.setattr(harness, "check", lambda: None)


def parent(harness: Harness, *steps: Mapping[str, Any], **workflow: Any) -> Flow:
    """The flow of a workflow whose other operations always go well."""
    flow = harness(spec("parent", *steps, **workflow))
    for step in steps:
        if "operation" in step and step["id"] != "z":
            flow.script(step["id"], always(ok(step["id"])))
    return flow


def test_the_child_s_output_is_the_step_s(harness: Harness, child: Flow) -> None:
    """Its input is what the step's inputs are; its ctx the parent's; it knows whose child it is."""
    child.script("pay", ok({"charge": 7}))
    flow = parent(harness, {**SHIP, "inputs": {"amount": "${input.amount}"}})

    run = flow.run({"amount": 3}, ctx={"user_id": "u-1"})

    shown = run.child("ship").handle.describe()
    assert run.output == {"charge": 7}
    assert (shown.run_id, shown.parent, shown.parent_step) == ("run-1/ship:1", "run-1", "ship")
    assert (shown.input, shown.ctx) == ({"amount": 3}, {"user_id": "u-1"})


def test_a_child_s_failure_is_the_step_s(harness: Harness, child: Flow) -> None:
    """With the child's own code and step, and the run that it happened in; a handler may take it."""
    child.script("pay", fail("declined", retryable=False))
    flow = parent(
        harness,
        {**SHIP, "on_failure": {"errors": ["declined"], "to": "tell"}},
        {"id": "tell", "operation": "x.tell", "inputs": {"why": "${error.code}"}, "on_success": "$end"},
    )

    run = flow.run()

    assert run.status == "completed"
    assert run.step("ship").error == {
        "code": "declined",
        "message": "declined",
        "step": "pay",
        "address": "pay",
        "child_run": "run-1/ship:1",
    }
    assert run.calls_of("tell")[0].input == {"why": "declined"}


def test_a_failed_child_is_tried_again_by_the_step_s_policy(harness: Harness, child: Flow) -> None:
    """Each try is a run of its own."""
    child.script("pay", fail("declined", retryable=False), ok("paid"))
    flow = parent(harness, {**SHIP, "retry": {"max_attempts": 3, "delay": "30s"}})

    run = flow.run()

    assert (run.output, run.step("ship").attempt, run.duration) == ("paid", 2, timedelta(seconds=30))
    assert run.step("ship").child_run == "run-1/ship:2"


@pytest.mark.parametrize(
    ("step", "input_schema", "code"),
    [
        (SHIP, {"type": "object", "required": ["amount"]}, "invalid_input"),
        ({"id": "ship", "workflow": "test.nobody"}, None, "unknown_workflow"),
        ({"id": "ship", "workflow": "test.child@^7.0.0"}, None, "unknown_workflow"),
        ({**SHIP, "inputs": {"a": "${input.a.b}"}}, None, "expression_error"),
    ],
)
def test_a_child_that_cannot_be_started_fails_the_step(
    harness: Harness, step: Mapping[str, Any], input_schema: Any, code: str
) -> None:
    """With a code that says why; there is no run of it."""
    harness(spec("child", PAY, input=input_schema))

    run = parent(harness, step).run()

    assert (run.status, run.error["code"]) == ("failed", code)
    assert run.step("ship").child_run is None


def test_children_go_ten_deep_and_no_deeper(harness: Harness) -> None:
    """One that calls itself for ever fails in the eleventh run under the root, and all of it fails with that."""
    run = harness(spec("endless", {"id": "again", "workflow": "test.endless"})).run()

    own = run.handle
    depth, shown = 0, own.describe()
    while (below := shown.steps[0].child_run) is not None:
        depth, shown = depth + 1, RedisRunHandle(below, own.store, own.versions, own.dispatcher).describe()
    assert depth == 10
    assert run.error["code"] == "depth_exceeded"


def test_a_child_has_no_more_time_than_its_parent_has_left(harness: Harness, child: Flow) -> None:
    """Nor more than its own workflow gives it."""
    child.script("pay", delay("1h", ok()))
    flow = parent(harness, {"id": "first", "operation": "x.first"}, {"id": "rest", "wait": "20s"}, SHIP, timeout="30s")

    run = flow.run()

    assert (run.status, run.error["code"]) == ("failed", "run_timeout")
    assert run.child("ship").handle.describe().status in ("failed", "cancelled")
    assert run.child("ship").handle.describe().duration_ms >= 10_000


def test_a_cancel_goes_down_and_a_cancelled_child_comes_up(harness: Harness, child: Flow) -> None:
    """As the step's failure `child_cancelled`, which no policy retries."""
    child.script("pay", always(delay("5m", ok())))
    flow = parent(harness, {**SHIP, "retry": {"max_attempts": 3}})
    down, up = flow.start(), flow.start()
    for run in (down, up):
        run.until(lambda run: run.step("ship").child_run is not None).advance("1s")

    up.child("ship").cancel("not this one", "ann")
    down.cancel().finish()
    up.finish()

    assert (down.status, down.child("ship").status) == ("cancelled", "cancelled")
    assert (up.status, up.error["code"], up.step("ship").attempt) == ("failed", "child_cancelled", 1)


def test_a_completed_child_is_undone_with_its_parent(harness: Harness, child: Flow) -> None:
    """It stays completed; its compensation says how that went. A preview names it before."""
    child.script("pay", ok("paid"))
    flow = parent(
        harness, {"id": "a", "operation": "x.a", "compensation": "x.b"}, SHIP, {"id": "z", "operation": "x.z"}
    )
    flow.script("z", delay("10s", fail("broken", retryable=False))).script("x.b", ok())
    run = flow.start().until("z")

    planned = run.handle.undo_preview().undos
    run.finish()

    assert [(one.address, one.operation) for one in planned] == [
        ("ship~", "workflow test.child@1.0.0"),
        ("a~", "x.b@1"),
    ]
    assert (run.status, run.compensation, run.undos) == ("failed", "completed", ["ship", "a"])
    assert (run.child("ship").status, run.child("ship").handle.describe().compensation) == ("completed", "completed")


def test_a_compensation_of_the_step_stands_in_for_the_child_s_undo(harness: Harness, child: Flow) -> None:
    """It is told what the child was given and gave."""
    child.script("pay", ok("paid"))
    flow = parent(harness, {**SHIP, "inputs": {"n": 1}, "compensation": "x.call-off"}, {"id": "z", "operation": "x.z"})
    flow.script("z", fail("broken", retryable=False)).script("x.call-off", ok())

    run = flow.run()

    (call,) = run.calls_of("x.call-off")
    assert (call.input["input"], call.input["output"]) == ({"n": 1}, "paid")
    assert run.child("ship").handle.describe().compensation == "none"


def test_a_child_that_its_parent_waits_for_is_not_skipped_nor_begun_again(harness: Harness, child: Flow) -> None:
    """What waits for it would be left behind; once the step is over, it is a run like any other."""
    child.script("pay", delay("10s", fail("declined", retryable=False)), ok())
    run = parent(harness, SHIP).start().until(lambda run: run.step("ship").child_run is not None)

    with pytest.raises(StepNotWaiting):
        run.handle.skip("ship")
    run.until(lambda run: run.child("ship").handle.describe().ended_at is not None)
    with pytest.raises(NotRetriable):
        run.child("ship").handle.retry()
    run.finish()
    run.child("ship").handle.retry()

    assert run.status == "failed"


def test_a_detached_child_goes_its_own_way(harness: Harness, child: Flow) -> None:
    """The step completes with its id, and the parent does not wait."""
    child.script("pay", delay("5m", ok()))

    run = parent(harness, {"id": "ship", "workflow": {"key": "test.child", "detach": True}}).run()

    assert (run.output, run.duration) == ({"run_id": "run-1/ship:1"}, timedelta(0))
    assert run.child("ship").status == "running"
    run.advance("2h")
    assert run.child("ship").status == "completed"


def test_a_child_of_an_exact_version_has_to_be_published_first(harness: Harness, child: Flow) -> None:
    """A range or `latest` is resolved when the child starts."""
    parent(harness, {"id": "ship", "workflow": "test.child@1.0.0"})

    with pytest.raises(SpecInvalid, match=r"test.child.*2\.0\.0"):
        harness(spec("other", {"id": "ship", "workflow": "test.child@2.0.0"}))
