"""What an author writes: a workflow, its steps, and where each leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from orchestrator.errors import SpecInvalid
from orchestrator.spec.fields import (
    Bare,
    Count,
    Data,
    Flag,
    PositiveDuration,
    Priority,
    Reference,
    Schema,
    SpecModel,
    Texts,
    is_percentage,
)
from orchestrator.spec.kinds import Approval, Child, EventWait, Wait, WorkflowKey
from orchestrator.spec.operations import Operation
from orchestrator.spec.policies import Defaults, Limit, Retry, RunCompensation, Sla
from orchestrator.spec.problems import problems_of
from orchestrator.spec.triggers import EventTrigger, ScheduleTrigger, Trigger
from orchestrator.spec.versions import is_version

Stability = Literal["idea", "in_creation", "experimental", "beta", "stable", "deprecated"]
Rest = Literal["cancel", "continue"]
RunIf = Literal["all_succeeded", "all_done", "any_succeeded", "any_failed"]


class StepKind(StrEnum):
    """What a step does; the one kind key that it has."""

    OPERATION = "operation"
    PARALLEL = "parallel"
    MAP = "map"
    WAIT = "wait"
    EVENT = "event"
    APPROVAL = "approval"
    WORKFLOW = "workflow"
    CHOICE = "choice"  # no kind key: only transitions


KIND_KEYS: Final[tuple[StepKind, ...]] = tuple(kind for kind in StepKind if kind is not StepKind.CHOICE)


class Transition(SpecModel):
    """Goes to `to` when `when` is true; always, without one."""

    to: str
    when: Bare | None = None
    label: str = ""


class FailureRoute(SpecModel):
    """Where a failure with one of these codes leads; `*` is any code."""

    to: str
    errors: Texts = ("*",)
    when: Bare | None = None


class Compensation(SpecModel):
    """An undo that is an operation of its own; without `inputs` it is given `undo` itself."""

    operation: Reference
    inputs: Data = Field(default_factory=dict)
    retry: Retry | None = None
    timeout: PositiveDuration | None = None


def _read_version(value: str) -> str:
    if not is_version(value):
        raise PydanticCustomError("invalid_version", f"`{value}` is not a semantic version; write it as `1.2.0`")
    return value


class Meta(SpecModel):
    """The name, the version and the owners of a workflow."""

    other_names: ClassVar[Mapping[str, str]] = {"workflow_id": "key"}

    key: WorkflowKey
    version: Annotated[str, AfterValidator(_read_version)]
    description: str = ""
    owners: Texts = ()
    tags: Texts = ()
    stability: Stability = "stable"


def _read_join(value: Any) -> Any:
    if value in ("all", "any") or (type(value) is int and value >= 1):
        return value
    raise PydanticCustomError("invalid_join", "a join is `all`, `any` or how many, from 1")


def _read_tolerance(value: Any) -> Any:
    if is_percentage(value) or (type(value) is int and value >= 0):
        return value
    raise PydanticCustomError("invalid_tolerance", 'write how many may fail, or a share such as `"10%"`')


def _read_routes(value: Any, info: ValidationInfo) -> Any:
    """A target, or routes; one route alone is a list of one."""
    if value is None or isinstance(value, str):
        return value
    return _ROUTES.validate_python(
        [value] if isinstance(value, Mapping | FailureRoute) else value, context=info.context
    )


def _read_compensation(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Operation):
        return value.key
    if value is None or isinstance(value, str):
        return value
    return Compensation.model_validate(value, context=info.context)


def _not_empty(value: Any) -> Any:
    if not value:
        raise PydanticCustomError("empty", "there must be at least one here")
    return value


Join = Annotated[Literal["all", "any"] | int, BeforeValidator(_read_join)]
_ROUTES = TypeAdapter(tuple[FailureRoute, ...])


class Step(SpecModel):
    """A node of a flow. `kind` follows from the one kind key that it has."""

    id: str
    title: str = ""
    description: str = ""

    operation: Reference | None = None
    parallel: Parallel | None = None
    map: Map | None = None
    wait: Wait | None = None
    event: EventWait | None = None
    approval: Approval | None = None
    workflow: Child | None = None

    inputs: Data = Field(default_factory=dict)
    retry: Retry | None = None
    timeout: PositiveDuration | None = None
    queue_timeout: PositiveDuration | None = None
    heartbeat_timeout: PositiveDuration | None = None
    queue: str | None = None
    priority: Priority | None = None
    compensation: Annotated[str | Compensation | None, BeforeValidator(_read_compensation)] = None
    pivot: Flag = False
    sla: Sla | None = None
    limits: tuple[Limit, ...] = ()

    transitions: tuple[Transition, ...] = ()
    on_success: str | None = None
    on_failure: Annotated[str | tuple[FailureRoute, ...] | None, BeforeValidator(_read_routes)] = None
    max_visits: Count | None = None

    needs: Texts = ()
    run_if: RunIf = "all_succeeded"
    when: Bare = "true"
    allow_failure: Flag = False

    @classmethod
    def long_form(cls, data: Any) -> Any:
        """Takes a written `kind` off, once it is seen to be true."""
        if not isinstance(data, Mapping) or "kind" not in data:
            return data
        fields = {name: value for name, value in data.items() if name != "kind"}
        written = [kind for kind in KIND_KEYS if fields.get(kind) is not None] or [StepKind.CHOICE]
        if data["kind"] not in written:
            raise PydanticCustomError(
                "wrong_kind", f"`kind: {data['kind']}` contradicts what the step is: {written[0]}"
            )
        return fields

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """Every kind key that is written; a valid step has at most one."""
        return tuple(kind for kind in KIND_KEYS if getattr(self, kind) is not None)

    @property
    def kind(self) -> StepKind:
        """The kind of the step."""
        return next(iter(self.kinds), StepKind.CHOICE)

    @property
    def success_transitions(self) -> tuple[Transition, ...]:
        """The transitions as written, then `on_success` as the one without a condition."""
        default = (Transition(to=self.on_success),) if self.on_success is not None else ()
        return self.transitions + default

    @property
    def failure_routes(self) -> tuple[FailureRoute, ...]:
        """`on_failure` as routes."""
        if isinstance(self.on_failure, str):
            return (FailureRoute(to=self.on_failure),)
        return self.on_failure or ()


class Branch(SpecModel):
    """One flow of a parallel step."""

    steps: Annotated[tuple[Step, ...], AfterValidator(_not_empty)]
    output: Data | None = None

    @classmethod
    def long_form(cls, data: Any) -> Any:
        """A list is its steps."""
        return {"steps": data} if isinstance(data, list | tuple) else data


class Parallel(SpecModel):
    """Runs its branches beside each other and joins them."""

    branches: Annotated[dict[str, Branch], AfterValidator(_not_empty)]
    join: Join = "all"
    rest: Rest = "cancel"


class Map(SpecModel):
    """Runs its steps once for each item of a list."""

    items: Bare
    steps: Annotated[tuple[Step, ...], AfterValidator(_not_empty)]
    output: Data | None = None
    item_name: str = "item"
    max_concurrency: Count = 10
    tolerate: Annotated[int | str, BeforeValidator(_read_tolerance)] = 0
    join: Join = "all"
    rest: Rest = "cancel"


class WorkflowSpec(SpecModel):
    """A workflow as its author wrote it."""

    meta: Meta
    input: Schema | None = None
    output_schema: Schema | None = None
    ctx: Schema | None = None
    output: Data | None = None
    steps: Annotated[tuple[Step, ...], AfterValidator(_not_empty)]
    defaults: Defaults = Defaults()
    timeout: PositiveDuration | None = None
    compensation: RunCompensation = RunCompensation()
    sla: Sla | None = None
    triggers: tuple[Trigger, ...] = ()
    search: dict[str, Bare] = Field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    redact: Texts = ()


def define_workflow(
    *,
    meta: Meta | Mapping[str, Any],
    steps: Sequence[Step | Mapping[str, Any]],
    input: type[BaseModel] | Mapping[str, Any] | None = None,  # noqa: A002  # the field's name
    output_schema: type[BaseModel] | Mapping[str, Any] | None = None,
    ctx: type[BaseModel] | Mapping[str, Any] | None = None,
    output: Callable[..., Any] | Mapping[str, Any] | str | None = None,
    defaults: Defaults | Mapping[str, Any] | None = None,
    timeout: timedelta | str | int | None = None,
    compensation: RunCompensation | Mapping[str, Any] | None = None,
    sla: Sla | Mapping[str, Any] | None = None,
    triggers: Sequence[Trigger | ScheduleTrigger | EventTrigger | Mapping[str, Any]] = (),
    search: Mapping[str, Callable[..., Any] | str] | None = None,
    limits: Sequence[Limit | Mapping[str, Any]] = (),
    redact: Sequence[str] = (),
) -> WorkflowSpec:
    """A workflow from Python; SpecInvalid lists every field that is wrong. How steps fit together, the lint tells."""
    fields = {name: value for name, value in locals().items() if value is not None}
    try:
        return WorkflowSpec.model_validate(fields)
    except ValidationError as error:
        raise SpecInvalid(problems_of(error, fields)) from error
