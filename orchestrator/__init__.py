"""Spec-first, durable workflows on Celery and Redis."""

from orchestrator.client.handle import RunHandle
from orchestrator.client.sync import Orchestrator, Start
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
