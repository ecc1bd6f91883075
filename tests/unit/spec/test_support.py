from typing import Any

from orchestrator.spec.support import without_effect
from orchestrator.spec.workflow import WorkflowSpec, define_workflow


def workflow(*steps: Any, **fields: Any) -> WorkflowSpec:
    """A workflow of these steps."""
    return define_workflow(meta={"key": "order.ship", "version": "1.0.0"}, steps=steps, **fields)


def test_what_is_executed_is_not_named() -> None:
    """Operations, choices, waits, transitions, retries and compensation."""
    spec = workflow(
        {"id": "a", "operation": "x.y", "retry": {"max_attempts": 3}, "compensation": "undo", "on_success": "b"},
        {"id": "b", "transitions": [{"when": "input.x", "to": "$end"}], "on_success": "c"},
        {"id": "c", "wait": "2d"},
        {"id": "undo", "operation": "x.z"},
        compensation={"trigger": "manual"},
    )
    nested = workflow(
        {"id": "m", "map": {"items": "input", "steps": [{"id": "inner", "operation": "x.y", "allow_failure": True}]}},
        {"id": "p", "parallel": {"branches": {"left": [{"id": "left", "operation": "x.y", "max_visits": 2}]}}},
    )

    assert without_effect(spec) == without_effect(nested) == []


def test_fields_without_effect_are_warned_about_once_each() -> None:
    """However many steps have them."""
    step = {"operation": "x.y", "sla": {"max_duration": "1m"}, "limits": [{"key": "all", "max": 1}]}
    spec = workflow(
        {"id": "a", **step},
        {"id": "b", **step},
        sla={"max_duration": "1h"},
        triggers=[{"schedule": {"name": "nightly", "every": "1d"}}, {"event": {"name": "paid", "type": "order.paid"}}],
        search={"total": "input.total"},
        redact=["input.card"],
        limits=[{"key": "all", "rate": "10/s"}],
    )

    warnings = without_effect(spec)

    names = ["sla", "steps.sla"]
    assert [warning.path for warning in warnings] == names
    assert {warning.severity for warning in warnings} == {"warning"}
