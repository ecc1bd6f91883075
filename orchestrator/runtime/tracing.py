"""A span for each attempt, around the call of its operation, so that the operation's own spans hang below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, use_span

from orchestrator.engine.address import is_undo, parse_address
from orchestrator.engine.effects import Attempt
from orchestrator.engine.outcome import Failure, Outcome
from orchestrator.plan.graph import Plan
from orchestrator.telemetry import Telemetry, context_of


class Tracing:
    """Makes the spans of a worker's attempts."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def around(
        self,
        execute: Callable[[], Outcome],
        attempt: Attempt,
        plan: Plan | None,
        traceparent: str | None,
        request: Any,
    ) -> Outcome:
        """What executing an attempt comes to, inside a span of its own. It tells codes, and no values."""
        parent = self._telemetry.parent(attempt.run_id, attempt.incarnation, traceparent)
        step = parse_address(attempt.address).step
        workflow = "" if plan is None else plan.key
        span = self._telemetry.tracer.start_span(
            f"{'undo' if is_undo(attempt.address) else 'step'} {workflow} {step}",
            context=context_of(parent),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "celery",
                "messaging.operation.type": "process",
                "messaging.operation.name": "run",
                "messaging.destination.name": attempt.work.queue,
                "messaging.message.id": str(getattr(request, "id", None) or ""),
                "orchestrator.run_id": attempt.run_id,
                "orchestrator.incarnation": int(attempt.incarnation),
                "orchestrator.workflow": workflow,
                "orchestrator.version": "" if plan is None else plan.version,
                "orchestrator.step": attempt.address,
                "orchestrator.operation": attempt.work.operation,
                "orchestrator.attempt": attempt.number,
            },
        )
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            outcome = execute()
            if isinstance(outcome, Failure):
                span.set_attribute("error.type", outcome.code)
                span.set_attribute("orchestrator.retryable", outcome.retryable)
                span.set_status(Status(StatusCode.ERROR, outcome.code))
        return outcome
