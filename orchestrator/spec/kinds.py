"""The step kinds that hold no other steps: wait, event, approval, workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_serializer
from pydantic_core import PydanticCustomError

from orchestrator.spec.durations import milliseconds
from orchestrator.spec.fields import DOTTED_NAME, Bare, Duration, Flag, Schema, SpecModel, Template, Templates, Texts
from orchestrator.spec.versions import is_requirement


class Wait(SpecModel):
    """Waits for a duration, for one that an expression gives, or until a moment. Exactly one is set."""

    duration: Duration | None = None
    expression: Template | None = None
    until: Bare | None = None

    @classmethod
    def long_form(cls, data: Any) -> Any:
        """A duration, or a text `${…}` (or a lambda) that gives one."""
        if isinstance(data, int | float | timedelta) or (isinstance(data, str) and "${" not in data):
            return {"duration": data}
        return {"expression": data} if isinstance(data, str) or callable(data) else data

    @model_serializer
    def _as_written(self) -> int | str | dict[str, str]:
        if self.duration is not None:
            return milliseconds(self.duration)
        return self.expression if self.expression is not None else {"until": self.until or ""}


class Correlation(SpecModel):
    """The event belongs to this run when both give the same value."""

    event: Bare
    value: Bare


class EventWait(SpecModel):
    """Waits for an external event of a type, or for a signal to this run."""

    type: str | None = Field(None, min_length=1)
    source: str | None = None
    filter: Bare | None = None
    correlation: Correlation | None = None
    signal: Texts = ()
    data_schema: Schema | None = None


class EscalationLevel(SpecModel):
    """Who may decide as well, once so long has passed."""

    after: Duration
    users: Templates = ()
    groups: Templates = ()


class Approval(SpecModel):
    """Waits for people to decide."""

    users: Templates = ()
    groups: Templates = ()
    mode: Literal["any", "all", "majority", "sequential"] = "any"
    form: Schema | None = None
    exclude_starter: Flag = True
    remind: Duration | None = None
    escalate: tuple[EscalationLevel, ...] = ()


def _workflow_key(value: str) -> str:
    if not DOTTED_NAME.fullmatch(value):
        raise PydanticCustomError(
            "invalid_workflow_key", f"`{value}` is not a workflow key; it has at least one dot: `group.name`"
        )
    return value


def _requirement(value: str) -> str:
    if not is_requirement(value):
        message = f"`{value}` is not a version; write `1.2.0`, `^1.2.0` or `latest`"
        raise PydanticCustomError("invalid_version", message)
    return value


WorkflowKey = Annotated[str, AfterValidator(_workflow_key)]


class Child(SpecModel):
    """Runs another workflow; its version is resolved when it starts."""

    key: WorkflowKey
    version: Annotated[str, AfterValidator(_requirement)] = "latest"
    detach: Flag = False

    @classmethod
    def long_form(cls, data: Any) -> Any:
        """`key` or `key@version`."""
        if not isinstance(data, str):
            return data
        key, _, version = data.partition("@")
        return {"key": key, "version": version} if version else {"key": key}
