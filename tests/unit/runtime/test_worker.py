"""A worker tells each operation what it is part of."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import StepContext
from tests.unit.surroundings import Surroundings, made

pytestmark = pytest.mark.timeout(method="thread")


def test_an_operation_is_told_who_the_run_is_for_whatever_its_inputs_read() -> None:
    """Steps and undos have the run's ctx, and an idempotency key of their own, also if no expression names `ctx`."""
    told: list[tuple[str, Any, str]] = []

    def note(given: Any, context: StepContext) -> None:
        told.append((context.step, context.user, context.idempotency_key))

    def fail(given: Any) -> None:
        raise ValueError("no")

    around = Surroundings({"do.write": note, "undo.write": note})
    around.operations.register(made("do.fail", fail))
    around.publish(
        {"id": "a", "operation": "do.write", "compensation": "undo.write"},
        {"id": "b", "operation": "do.fail"},
    )
    run = around.start(ctx={"user_id": "u-1"})

    around.work(run, "a")
    around.work(run, "~")

    assert run.describe().compensation == "completed"
    assert told == [
        ("a", {"user_id": "u-1"}, f"{run.run_id}:a:1"),
        ("a~", {"user_id": "u-1"}, f"{run.run_id}:a~:1"),
    ]
