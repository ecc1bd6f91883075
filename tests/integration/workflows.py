"""Workflows that tests publish beside those of `specs/`."""

from __future__ import annotations

from typing import Any

from orchestrator import Meta, Step, WorkflowSpec, define_workflow

REFUND = {"operation": "payments.refund", "inputs": {"chargeKey": "${undo.idempotency_key}"}}
"""Gives a charge back by the key that it was made with."""


def charge_step(**options: Any) -> Step:
    """A step that charges `input.method` and can be undone, unless the options say otherwise."""
    inputs = {"amount": 1250, "paymentMethodId": "${input.method}"}
    return Step(**{"id": "charge", "operation": "payments.charge", "inputs": inputs, "compensation": REFUND, **options})


def upper_step(name: str, **options: Any) -> Step:
    """A step that does nothing outside."""
    return Step(id=name, operation="text.upper", inputs={"text": name}, **options)


def workflow(key: str, *steps: Step, **options: Any) -> WorkflowSpec:
    """A workflow of these steps, one after the other."""
    return define_workflow(meta=Meta(key=f"tests.{key}", version="1.0.0"), steps=list(steps), **options)
