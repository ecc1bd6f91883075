"""What requests carry. Bodies are strict: what is not in the document is refused, and nothing is converted."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Header, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

NAME: Final = r"^[A-Za-z0-9._:~#@^/\[\]-]+$"
EVENT_ID: Final = r"^[0-9]{1,15}(-[0-9]{1,10})?$"

Reason = Annotated[str, Field(max_length=1_000, description="Why; kept in the run's history and the audit log.")]
Duration = Annotated[
    str, Field(max_length=40, description="As in specs: `30s`, `1h30m`, `7d`, `PT30S`.", examples=["30s"])
]
Version = Annotated[
    str, Field(max_length=100, description="`1.2.0`, a range as `^1.2.0`, or `latest`.", examples=["1.0.0"])
]
Status = Literal["pending", "running", "compensating", "paused", "completed", "failed", "cancelled"]
SlaStand = Literal["ok", "warned", "breached", "met"]
JsonObject = dict[str, Any]

RunId = Annotated[
    str, Path(description="The run's id; that of a child is its parent's, its step and a number.", max_length=2_000)
]
WorkflowKey = Annotated[str, Path(description="The workflow's key.", max_length=300, examples=["payment.flow"])]
VersionName = Annotated[str, Path(description="`1.2.0`, or `latest`.", max_length=100, examples=["1.0.0"])]
StepAddress = Annotated[
    str, Path(description="The step's address, such as `ship[3]/ask`.", max_length=500, examples=["ask"])
]
WhyQuery = Annotated[str, Query(alias="reason", max_length=1_000, description="Why; kept in the audit log.")]
Number = Annotated[int, Field(ge=1), BeforeValidator(lambda given: int(given) if _is_whole(given) else given)]
"""To JSON Schema, 2.0 is a whole number like 2."""
After = Annotated[str, Query(pattern=EVENT_ID, description="Only events after the one with this id.")]
LastEventId = Annotated[str, Header(alias="Last-Event-ID", pattern=EVENT_ID, description="Go on behind it.")]


def _is_whole(given: Any) -> bool:
    return isinstance(given, float) and given.is_integer()


class Body(BaseModel):
    """A body, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Wanted(Body):
    """Why something is done."""

    reason: Reason = ""


TRACEPARENT = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$"
"""As W3C's Trace Context has it."""


class StartRun(Body):
    """A run to start."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"input": {"amount": 1250, "payment_method_id": "pm_ok"}, "ctx": {"user_id": "u-1"}}]
        }
    )

    input: JsonObject = Field(default={}, description="What the workflow's input schema asks for.")
    ctx: JsonObject = Field(default={}, description="The user context.")
    version: Version | None = Field(default=None, description="Not what new runs take, but this.")
    run_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._:-]{1,200}$", description="Again: the same run.")
    timeout: Duration | None = Field(default=None, description="The run's limit, if shorter than the workflow's.")
    traceparent: str | None = Field(
        default=None, pattern=TRACEPARENT, description="The trace that it belongs to, if not that of the header."
    )


class StartOne(StartRun):
    """One of several runs to start."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"workflow": "payment.flow", "input": {}, "idempotency_key": "order-17"}]}
    )

    workflow: str = Field(max_length=300)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=300)


class StartMany(Body):
    """Runs to start together: all are checked before the first is stored."""

    runs: list[StartOne] = Field(min_length=1, max_length=1_000)


class RetryRun(Wanted):
    """How to go on with a run that failed or was cancelled."""

    input: JsonObject | None = Field(default=None, description="In place of the run's input.")
    from_step: str | None = Field(
        default=None, max_length=500, description="Refused unless the retry goes on there: where the run failed."
    )
    incarnation: Number | None = Field(default=None, description="Refused unless the run is that one.")


class SendSignal(Body):
    """A signal to a run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "paid", "data": {"amount": 1250}, "id": "p-1"}]})

    name: str = Field(min_length=1, max_length=200, description="As the step that waits for it names it.")
    data: Any = Field(default=None, description="What the step's output will have.")
    id: str | None = Field(default=None, min_length=1, max_length=300, description="A second one with it is the first.")


class Decide(Body):
    """What somebody decides."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "approve", "comment": "fine", "form": {"cost_centre": "C-7"}}]}
    )

    decision: Literal["approve", "reject", "request_changes"]
    comment: Reason = ""
    form: Any = Field(default=None, description="What the approval's form asks for.")


class DecideByLink(Decide):
    """What somebody decides who has a link and no key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": "r-1",
                    "step": "ask",
                    "user": "ann",
                    "token": "0123456789abcdef0123456789abcdef",
                    "decision": "approve",
                }
            ]
        }
    )

    run_id: str = Field(min_length=1, max_length=300)
    step: str = Field(min_length=1, max_length=500)
    user: str = Field(min_length=1, max_length=200, description="For whom the link was made.")
    token: str = Field(pattern="^[0-9a-f]{32}$", description="What the link has.")


class Delegate(Body):
    """Who decides instead."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "bob"}]})

    to: str = Field(min_length=1, max_length=200)


class MakeLink(Body):
    """For whom."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "ann"}]})

    user: str = Field(min_length=1, max_length=200)


class Backfill(Wanted):
    """A range of slots that is past."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-01-01T00:00:00Z", "until": "90m"}]})

    since: str = Field(max_length=40, description="The first slot, then or later: a moment, or `90m` ago.")
    until: str | None = Field(default=None, max_length=40, description="The last, then or earlier; now, if not given.")
    one_by_one: bool = Field(default=True, description="Each when no run of the schedule is under way.")


class Resize(Wanted):
    """How a worker's pool is to change."""

    count: Number = Field(default=1, le=1_000, description="By so many processes.")


class LimitTime(Wanted):
    """How long a task may take; null: for ever."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"soft_s": 50.0, "hard_s": 60.0}]})

    soft_s: float | None = Field(default=None, gt=0, le=31_536_000, description="Then it is told, by an exception.")
    hard_s: float | None = Field(default=None, gt=0, le=31_536_000, description="Then its process is killed.")


class LimitRate(Wanted):
    """How often a task may be begun."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rate": "100/m"}]})

    rate: str = Field(
        pattern=r"^[0-9]{1,9}(/[smh])?$", description="A second, minute or hour; `0`: as often as it comes."
    )


class SkipStep(Wanted):
    """A step to leave out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"step": "overnight", "output": {"checked": True}}]})

    step: str = Field(min_length=1, max_length=500, description="Its address, such as `ship[3]/pack`.")
    output: Any = Field(default=None, description="What later steps read of it.")


class WaiveUndo(Wanted):
    """An undo that was made by hand."""

    step: str = Field(min_length=1, max_length=500, description="The address of the step that was undone.")


class SetTraffic(Wanted):
    """How new runs are shared out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"weights": {"1.0.0": 90, "1.1.0": 10}}]})

    weights: dict[str, Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]] = Field(
        min_length=1, max_length=100
    )
    by: str | None = Field(
        default=None, max_length=1_000, description="CEL over `input`, `ctx`: same value, same version."
    )


class RunFilter(Body):
    """Which runs; what is not given does not matter."""

    workflow: str | None = Field(default=None, max_length=300)
    version: str | None = Field(default=None, max_length=100)
    status: Status | None = None
    since: str | None = Field(default=None, max_length=40, description="Created then or later: a moment, or `90m` ago.")
    until: str | None = Field(default=None, max_length=40, description="Created then or earlier.")
    tags: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=20)
    where: dict[str, str | int | float | bool] = Field(default={}, max_length=16, description="By search fields.")
    text: str | None = Field(default=None, min_length=1, max_length=300)
    sla: SlaStand | None = None


class NewJob(Wanted):
    """Something to do to many runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"verb": "retry", "filter": {"workflow": "payment.flow"}, "reason": "the bank is back"}]
        }
    )

    verb: Literal["cancel", "retry"]
    filter: RunFilter


class NewKey(Wanted):
    """A key to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "shop", "role": "starter"}]})

    user: str = Field(min_length=1, max_length=200)
    role: Literal["viewer", "starter", "operator", "admin"]
    groups: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=50)
    workflows: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default=[], max_length=50, description="Patterns such as `payment.*`; none: all workflows."
    )
    expires_in: Duration | None = None
