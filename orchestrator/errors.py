"""Every error that Orchestrator raises, as one tree.

    OrchestratorError
    ├── InvalidRequest            what was asked cannot be done as it stands     (exit 1)
    │   ├── SpecInvalid           a spec has problems; lists all of them
    │   ├── InvalidInput          an input does not fit the workflow's schema
    │   ├── InvalidSettings       the settings cannot be used as they are      (exit 2)
    │   ├── PayloadTooLarge       an input or output is over the limit
    │   ├── InvalidEvent          an external event is no CloudEvent 1.0
    │   ├── InvalidTraffic        a split of new runs over versions cannot be carried out
    │   ├── BodyTooLarge          the body of a request over HTTP is over the limit
    │   ├── Malformed             a request over HTTP that cannot be read as what it should be
    │   ├── UnsupportedMediaType  the body of a request is of a kind that is not read there
    │   ├── InvalidSignature      a webhook is not signed with this secret, or not now
    │   └── InvalidSchedule       an expression names no times
    ├── NotFound                  nothing has that name                          (exit 1)
    │   ├── UnknownWorkflow
    │   ├── UnknownRun
    │   ├── UnknownStep
    │   ├── UnknownEvent
    │   ├── UnknownSchedule
    │   ├── UnknownOperation
    │   ├── UnknownJob
    │   ├── UnknownAlert
    │   ├── UnknownChannel
    │   ├── UnknownDelivery
    │   ├── UnknownWorker         no worker of that name is there, or was in the last day
    │   └── UnknownKey
    ├── Conflict                  the state does not allow it                    (exit 1)
    │   ├── VersionConflict       that version is published with other content
    │   ├── RunConflict           that run id belongs to another start
    │   ├── ScheduleRetired       no version that new runs take has that schedule any more
    │   ├── RunOver               the run has ended
    │   ├── RunGoesOn             the run has not ended yet
    │   ├── Archived              the run is kept in the archive alone
    │   ├── SignalNotExpected    no step of the run waits for such a signal
    │   ├── NotAsked             somebody may not decide this approval, or not now
    │   ├── StepNotWaiting        the step is in another state than this needs
    │   ├── NotRetriable          what is to be undone first was not
    │   ├── AlertOver             the alert is resolved
    │   ├── PoolFixed             the worker's pool cannot change its size
    │   ├── WorkerRefused         the worker will not do what it is told
    │   └── IllegalTransition     a state table has no such step
    ├── AccessDenied              whoever asks may not                           (exit 1)
    │   ├── Unauthenticated       no valid API key came with the request
    │   └── Forbidden             the key's role does not allow it
    ├── TooManyRequests           the key is over its rate; wait, then ask again (exit 1)
    ├── RunFailed                 a run that was waited for did not complete     (exit 1)
    ├── WaitTimeout               the wait was given up; the run goes on         (exit 1)
    ├── Unreachable               Redis, broker or archive does not answer       (exit 3)
    │   └── ArchiveOutdated       the archive's tables are not those of this version
    ├── NotDelivered              an alert did not reach its channel
    ├── WorkerSilent              a worker does not answer                       (exit 1)
    ├── PayloadLost               a payload kept beside its run is gone or damaged
    ├── ProcessFailed             a process of the local fleet ended or kept silent
    ├── ExpressionError           an expression raised
    └── OperationError            raised by operations to say what happened

Each class has a stable `code`; its docstring is what to do about it. HTTP statuses and exit codes follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a spec, and where."""

    rule: str
    message: str
    path: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    step: str = ""
    severity: Literal["error", "warning"] = "error"

    @property
    def where(self) -> str:
        """The step and the path, as far as they are known."""
        step = f"step {self.step}" if self.step else ""
        return ", ".join(part for part in (step, f"at {self.path}" if self.path else "") if part)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line or "", self.column or "") if part != "")
        where = f" ({self.where})" if self.where else ""
        return f"{place + ': ' if place else ''}{self.severity}: {self.message}{where} [{self.rule}]"


class OrchestratorError(Exception):
    """Something went wrong in Orchestrator."""

    code: ClassVar[str] = "orchestrator_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.message = str(self.args[0])
        self.details: dict[str, Any] = details

    def as_dict(self) -> dict[str, Any]:
        """`{code, message, details}`, as `--json` prints it."""
        return {"code": self.code, "message": self.message, "details": self.details}


class InvalidRequest(OrchestratorError):
    """The request cannot be carried out as it stands; correct it and send it again."""

    code = "invalid_request"


class SpecInvalid(InvalidRequest):
    """The spec has problems; mend each of them and try again."""

    code = "invalid_spec"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems), problems=[str(p) for p in self.problems])


class InvalidInput(InvalidRequest):
    """The input does not fit the workflow's input schema."""

    code = "invalid_input"


class InvalidSettings(InvalidRequest):
    """The settings cannot be used as they are; look at `ORCHESTRATOR_*` in the environment and at the settings file."""

    code = "invalid_settings"
    exit_code = 2


class PayloadTooLarge(InvalidRequest):
    """The payload is over the limit (setting `max_payload_bytes`); pass a reference to the data instead."""

    code = "payload_too_large"


class InvalidEvent(InvalidRequest):
    """This is no CloudEvent 1.0; an event has at least `specversion`, `id`, `source` and `type`."""

    code = "invalid_event"


class InvalidTraffic(InvalidRequest):
    """New runs cannot be shared out like this; write `1.0.0=90 1.1.0=10`, and `by` as an expression over the input."""

    code = "invalid_traffic"


class BodyTooLarge(InvalidRequest):
    """The body of the request is over the limit (setting `max_body_bytes`)."""

    code = "body_too_large"


class Malformed(InvalidRequest):
    """The request cannot be read; its problems say where."""

    code = "malformed_request"


class UnsupportedMediaType(InvalidRequest):
    """The body of the request is of a kind that is not read here."""

    code = "unsupported_media_type"


class InvalidSchedule(InvalidRequest):
    """This names no times; write cron, such as `0 6 * * MON-FRI`, `every 15m`, or a moment with its offset."""

    code = "invalid_schedule"


class InvalidSignature(InvalidRequest):
    """The webhook is not signed with this secret, or is too old; do not act on it."""

    code = "invalid_signature"


class NotFound(OrchestratorError):
    """Nothing has that name."""

    code = "not_found"


class UnknownWorkflow(NotFound):
    """No such workflow or version is published; `orchestrator publish` it first."""

    code = "unknown_workflow"


class UnknownRun(NotFound):
    """No run has that id."""

    code = "unknown_run"


class UnknownStep(NotFound):
    """The run has not reached such a step; `show` lists the addresses of those that it has."""

    code = "unknown_step"


class UnknownSchedule(NotFound):
    """The workflow has no schedule of that name; `orchestrator schedules list` shows those that there are."""

    code = "unknown_schedule"


class UnknownEvent(NotFound):
    """No dead event has that id; `events dead` lists those that there are."""

    code = "unknown_event"


class UnknownOperation(NotFound):
    """No module of the setting `operations` and no live worker has that operation."""

    code = "unknown_operation"


class UnknownJob(NotFound):
    """No job has that id; jobs are deleted some days after their end."""

    code = "unknown_job"


class UnknownAlert(NotFound):
    """No alert has that id; they are deleted some weeks after they were raised (setting `alerts_kept_ms`)."""

    code = "unknown_alert"


class UnknownChannel(NotFound):
    """The setting `alerts` has no channel of that name."""

    code = "unknown_channel"


class UnknownDelivery(NotFound):
    """No delivery has that id, or it is not dead; `orchestrator alerts dead` lists those that are."""

    code = "unknown_delivery"


class UnknownWorker(NotFound):
    """No worker of that name is there, or was in the last day; `orchestrator workers` lists them."""

    code = "unknown_worker"


class UnknownKey(NotFound):
    """No API key has that id; `orchestrator keys list` shows those that there are."""

    code = "unknown_key"


class AccessDenied(OrchestratorError):
    """Whoever asks may not do this."""

    code = "access_denied"


class Unauthenticated(AccessDenied):
    """No valid API key came with the request; send `Authorization: Bearer orc_…`."""

    code = "unauthenticated"


class Forbidden(AccessDenied):
    """The API key's role does not allow this; ask somebody who manages keys for another."""

    code = "forbidden"


class TooManyRequests(OrchestratorError):
    """The API key is over its rate; wait for as long as `Retry-After` says."""

    code = "rate_limited"


class Conflict(OrchestratorError):
    """The present state does not allow it."""

    code = "conflict"


class VersionConflict(Conflict):
    """This version is already published with other content; versions never change, so publish a new one."""

    code = "version_conflict"


class RunConflict(Conflict):
    """This run id or idempotency key was used before: for another workflow or input, or for a run that is deleted."""

    code = "run_conflict"


class ScheduleRetired(Conflict):
    """No version that new runs take has this schedule any more; publish one that has."""

    code = "schedule_retired"


class RunOver(Conflict):
    """The run has ended, so it takes no more of this."""

    code = "run_over"


class RunGoesOn(Conflict):
    """This can be done only to a run that is over; wait for its end, or cancel it."""

    code = "run_goes_on"


class Archived(Conflict):
    """The run is kept in the archive alone: it can be read, and nothing can be done to it; start a new one."""

    code = "archived"


class SignalNotExpected(Conflict):
    """No step of the run waits, or will wait, for such a signal; the workflow's definition names those it takes."""

    code = "signal_not_expected"


class NotAsked(Conflict):
    """The approval does not ask this person, or not now; `orchestrator approvals list` shows whom it asks."""

    code = "not_asked"


class StepNotWaiting(Conflict):
    """The step is in another state than this needs; `show` tells in which."""

    code = "step_not_waiting"


class NotRetriable(Conflict):
    """Some undo of the run failed or has not been made: undo it again or waive it, then retry."""

    code = "not_retriable"


class AlertOver(Conflict):
    """The alert is resolved, so there is nothing to acknowledge."""

    code = "alert_over"


class PoolFixed(Conflict):
    """The worker's pool cannot change its size; only `prefork`, `gevent` and `eventlet` pools do."""

    code = "pool_fixed"


class WorkerRefused(Conflict):
    """The worker will not do what it is told; its answer says why."""

    code = "worker_refused"


class IllegalTransition(Conflict):
    """The state table has no such transition."""

    code = "illegal_transition"


class RunFailed(OrchestratorError):
    """The run ended without completing; `error` says why."""

    code = "run_failed"


class WaitTimeout(OrchestratorError):
    """The wait was given up before the run ended; the run itself goes on."""

    code = "result_timeout"


class Unreachable(OrchestratorError):
    """Redis, the message broker or the archive does not answer; check the URL and that it is running."""

    code = "unreachable"
    exit_code = 3


class ArchiveOutdated(Unreachable):
    """The archive's tables are not those that this version works with; run `orchestrator archive upgrade`."""

    code = "archive_outdated"


class NotDelivered(OrchestratorError):
    """An alert did not reach its channel; it is tried again."""

    code = "not_delivered"


class WorkerSilent(OrchestratorError):
    """The worker does not answer: it is gone, frozen, or a solo pool at work; look at it again in a moment."""

    code = "worker_silent"


class PayloadLost(OrchestratorError):
    """A payload kept beside its run is gone or damaged; check that every process has the same `payload_store`."""

    code = "payload_lost"


class ProcessFailed(OrchestratorError):
    """A process of the local fleet ended, or did not get ready in time; its last lines say why."""

    code = "process_failed"


class ExpressionError(OrchestratorError):
    """An expression raised while it was evaluated."""

    code = "expression_error"


class OperationError(OrchestratorError):
    """Raised by an operation to report that it failed, with a code of its own.

    `outcome="failed"` says that nothing happened outside; `"unknown"` that it may have. `retry_after` (seconds) is used
    instead of the delay that the retry policy computes. `retryable=False` ends the attempts whatever the policy says.
    """

    code = "operation_error"

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        retryable: bool = True,
        retry_after: float | None = None,
        outcome: Literal["failed", "unknown"] = "failed",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message or code, **dict(details or {}))
        self.code = code  # type: ignore[misc]  # an operation's codes are its own, so they live on the instance
        self.retryable = retryable
        self.retry_after = retry_after
        self.outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        """Celery pickles exceptions between its processes; keyword-only fields need help."""
        return _operation_error, (self.code, self.message, self.retryable, self.retry_after, self.outcome, self.details)


def _operation_error(
    code: str, message: str, retryable: bool, retry_after: float | None, outcome: Any, details: dict[str, Any]
) -> OperationError:
    return OperationError(code, message, retryable=retryable, retry_after=retry_after, outcome=outcome, details=details)
