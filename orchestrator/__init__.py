"""Spec-first, durable workflows on Celery and Redis."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orchestrator.errors import OperationError, OrchestratorError
from orchestrator.runtime.app import worker_app
from orchestrator.settings import Settings
from orchestrator.spec.kinds import Approval, Child, EventWait, Wait
from orchestrator.spec.operations import Effect, Operation, StepContext, operation
from orchestrator.spec.policies import Defaults, Limit, Retry, RunCompensation, Sla
from orchestrator.spec.triggers import EventTrigger, ScheduleTrigger
from orchestrator.spec.workflow import (
    Branch,
    Compensation,
    FailureRoute,
    Map,
    Meta,
    Parallel,
    Step,
    Transition,
    WorkflowSpec,
    define_workflow,
)

if TYPE_CHECKING:
    from orchestrator.client.handle import RunHandle
    from orchestrator.client.sync import Orchestrator, Start

__all__ = [
    "Approval",
    "Branch",
    "Child",
    "Compensation",
    "Defaults",
    "Effect",
    "EventTrigger",
    "EventWait",
    "FailureRoute",
    "Limit",
    "Map",
    "Meta",
    "Operation",
    "OperationError",
    "Orchestrator",
    "OrchestratorError",
    "Parallel",
    "Retry",
    "RunCompensation",
    "RunHandle",
    "ScheduleTrigger",
    "Settings",
    "Sla",
    "Start",
    "Step",
    "StepContext",
    "Transition",
    "Wait",
    "WorkflowSpec",
    "define_workflow",
    "operation",
    "worker_app",
]

_CLIENT = {"Orchestrator": "sync", "RunHandle": "handle", "Start": "sync"}


def __getattr__(name: str) -> Any:
    """The client is imported when it is asked for: workers and beat do without it."""
    if name not in _CLIENT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"orchestrator.client.{_CLIENT[name]}"), name)
