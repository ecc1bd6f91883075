"""Spec-first, durable workflows on Celery and Redis.

A name's module is imported when the name is first used: a producer that speaks HTTP needs no Redis and no Celery.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.client.asynchronous import AsyncOrchestrator, AsyncRunHandle
    from orchestrator.client.run_surface import RunHandle, Start
    from orchestrator.client.surface import Orchestrator
    from orchestrator.client.webhooks import verify_webhook
    from orchestrator.errors import OperationError, OrchestratorError, RunConflict, RunFailed, Unreachable, WaitTimeout
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

__all__ = [
    "Approval",
    "AsyncOrchestrator",
    "AsyncRunHandle",
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
    "RunConflict",
    "RunFailed",
    "RunHandle",
    "ScheduleTrigger",
    "Settings",
    "Sla",
    "Start",
    "Step",
    "StepContext",
    "Transition",
    "Unreachable",
    "Wait",
    "WaitTimeout",
    "WorkflowSpec",
    "define_workflow",
    "operation",
    "verify_webhook",
    "worker_app",
]

_MODULES = {
    "client.asynchronous": ("AsyncOrchestrator", "AsyncRunHandle"),
    "client.run_surface": ("RunHandle", "Start"),
    "client.surface": ("Orchestrator",),
    "client.webhooks": ("verify_webhook",),
    "errors": ("OperationError", "OrchestratorError", "RunConflict", "RunFailed", "Unreachable", "WaitTimeout"),
    "runtime.app": ("worker_app",),
    "settings": ("Settings",),
    "spec.kinds": ("Approval", "Child", "EventWait", "Wait"),
    "spec.operations": ("Effect", "Operation", "StepContext", "operation"),
    "spec.policies": ("Defaults", "Limit", "Retry", "RunCompensation", "Sla"),
    "spec.triggers": ("EventTrigger", "ScheduleTrigger"),
    "spec.workflow": (
        "Branch",
        "Compensation",
        "FailureRoute",
        "Map",
        "Meta",
        "Parallel",
        "Step",
        "Transition",
        "WorkflowSpec",
        "define_workflow",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return found
