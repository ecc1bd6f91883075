"""Operations and plans for the property tests: by hand, and at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan, operation_references
from orchestrator.spec.lint import check
from orchestrator.spec.operations import Effect, OperationInfo
from orchestrator.spec.workflow import define_workflow

OPERATIONS = {
    key: OperationInfo(key, "1.0.0", effect, idempotent)
    for key, effect, idempotent in (
        ("do.read", Effect.NONE, True),
        ("do.write", Effect.WRITE, True),
        ("do.once", Effect.WRITE, False),
        ("do.letter", Effect.IRREVERSIBLE, False),
        ("undo.write", Effect.WRITE, True),
        ("undo.once", Effect.WRITE, False),
    )
}


def plan_of(*steps: Mapping[str, Any], **workflow: Any) -> Plan:
    """The plan of a workflow of these steps, which must be free of errors."""
    meta = {"key": workflow.pop("key", "test.flow"), "version": "1.0.0"}
    spec = define_workflow(meta=meta, steps=steps, **workflow)
    errors = [problem for problem in check(spec) if problem.severity == "error"]
    assert not errors, errors
    operations = {name: OPERATIONS[name] for name in operation_references(spec)}
    return compile_plan(spec, operations, digest="digest")


def write(name: str, **more: Any) -> dict[str, Any]:
    """A step that writes and can be undone."""
    return {"id": name, "operation": "do.write", "compensation": "undo.write", **more}


TWICE = {"max_attempts": 2, "delay": "10s", "backoff": "constant"}
"""A retry policy with one attempt more."""

_MAYBE = st.booleans()
_RETRIES = st.sampled_from(
    [
        None,
        {"max_attempts": 2, "delay": "1s"},
        {"max_attempts": 3, "delay": "10s", "backoff": "constant"},
        {"max_attempts": 3, "delay": "2s", "max_elapsed": "4s"},
        {"max_attempts": 2, "delay": "1s", "retry_on": ["declined"]},
        {"max_attempts": 2, "delay": "1s", "give_up_on": ["declined"]},
    ]
)
_LIMITS = st.sampled_from([{}, {}, {"timeout": "20s"}, {"queue_timeout": "5s"}, {"heartbeat_timeout": "8s"}])


def reads(*steps: str) -> dict[str, Any]:
    """Inputs that show which outputs a step saw."""
    return {"reads": {step: f"${{has(steps.{step}.output) ? steps.{step}.output : null}}" for step in steps}}


@st.composite
def _working(draw: st.DrawFn, name: str, before: list[str], targets: list[str]) -> dict[str, Any]:
    """An operation step of the main path."""
    operation = draw(st.sampled_from(["do.write", "do.write", "do.once", "do.letter", "do.read"]))
    step: dict[str, Any] = {"id": name, "operation": operation, "inputs": reads(*before), **draw(_LIMITS)}
    step["pivot"] = draw(st.sampled_from([False, False, False, True]))
    retry = draw(_RETRIES)
    if retry is not None:
        step["retry"] = retry
    undo = {"operation": "undo.write", "retry": {"max_attempts": 2, "delay": "1s"}}
    compensation = draw(st.sampled_from([None, "undo.write", "undo.once", "put-back", undo]))
    if compensation is not None and operation in ("do.write", "do.once"):
        step["compensation"] = compensation
    routes = [
        {"errors": ["declined"], "to": target, **({"when": "input.flag"} if draw(_MAYBE) else {})}
        for target in draw(st.lists(st.sampled_from(targets), max_size=1))
    ] + [{"errors": ["*"], "to": target} for target in draw(st.lists(st.sampled_from(targets), max_size=1))]
    if routes:
        step["on_failure"] = routes
    return step


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """What `plan_of` takes, of all that is executed now: a short main path, failure paths, waits, choices, undos."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 4)))]
    steps: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        following = names[place + 1] if place + 1 < len(names) else "$end"
        targets = ["$end", "$fail", "rescue", *names[place + 1 :]]
        kind = draw(st.sampled_from(["operation"] * 5 + ["wait", "choice"]))
        if kind == "operation":
            step = draw(_working(name, names[:place], targets))
            if draw(_MAYBE) and draw(_MAYBE):
                step["transitions"] = [{"when": "input.flag", "to": draw(st.sampled_from(targets))}]
                if draw(_MAYBE):
                    steps.append(step)
                    continue
            step["on_success"] = following
        elif kind == "wait":
            waits = ["1s", "30s", "${input.flag ? '2s' : '20s'}", {"until": "'2023-11-14T22:14:00Z'"}]
            step = {"id": name, "wait": draw(st.sampled_from(waits)), "on_success": following}
        else:
            to = draw(st.sampled_from(targets))
            step = {"id": name, "transitions": [{"when": "input.flag", "to": to}], "on_success": following}
        steps.append(step)
    return _closed(draw, names, steps)


def _closed(draw: st.DrawFn, names: list[str], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The workflow of these steps with the rescue and the undo that they name, without those that nothing reaches."""
    reached, ahead = set[str](), [names[0]]
    while ahead:
        name = ahead.pop()
        if name in reached or name not in names:
            continue
        reached.add(name)
        step = next(step for step in steps if step["id"] == name)
        ahead += [route["to"] for route in (*step.get("transitions", ()), *step.get("on_failure", ()))]
        ahead.append(step.get("on_success", "$end"))
    kept = [step for step in steps if step["id"] in reached]
    for step in kept:
        if "inputs" in step:
            step["inputs"] = reads(*(name for name in step["inputs"]["reads"] if name in reached))
    named = {route["to"] for step in kept for route in (*step.get("transitions", ()), *step.get("on_failure", ()))}
    if "rescue" in named:
        end = draw(st.sampled_from(["$end", "$fail"]))
        kept.append({"id": "rescue", "operation": "do.write", "compensation": "undo.write", "on_success": end})
    if any(step.get("compensation") == "put-back" for step in kept):
        kept.append({"id": "put-back", "operation": "undo.write"})
    workflow: dict[str, Any] = {"compensation": {"on_cancel": draw(st.sampled_from([True, True, False]))}}
    if draw(_MAYBE):
        workflow["output"] = reads(*(step["id"] for step in kept if "operation" in step and step["id"] != "put-back"))
    if draw(st.sampled_from([False, False, True])):
        workflow["timeout"] = "40s"
    return {"steps": kept, **workflow}
