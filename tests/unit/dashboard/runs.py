"""Runs as the client describes them."""

from __future__ import annotations

from orchestrator.client.shown import RunDescription, StepDescription


def described(*steps: StepDescription, **more: object) -> RunDescription:
    """A run of these steps."""
    nothing = dict.fromkeys(("ended_at", "input", "ctx", "output", "error", "attention"))
    given = {
        "run_id": "r-1",
        "workflow": "order.ship",
        "version": "1.0.0",
        "status": "running",
        "compensation": "none",
        "created_at": "2026-01-31T12:00:00.000Z",
        "duration_ms": 5,
        "started_by": "ada",
        **nothing,
        **more,
    }
    return RunDescription(steps=steps, **given)  # type: ignore[arg-type]
