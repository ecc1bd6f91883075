"""Operations: the users' code behind steps, what it declares about itself, and where it is found by name."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeAlias, get_type_hints

import semver
from pydantic import TypeAdapter

from orchestrator import logs
from orchestrator.errors import UnknownOperation
from orchestrator.spec.adopted import TaskBody
from orchestrator.spec.declarations import check_parameters, checked_codes, checked_timeout, checked_version
from orchestrator.spec.durations import Duration, milliseconds

Json: TypeAlias = Any

_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)+")
_REFERENCE: Final = re.compile(rf"(?P<key>{_KEY.pattern})(@(?P<major>\d+))?")


class Effect(StrEnum):
    """What an operation does to the world outside."""

    NONE = "none"  # it only reads and computes
    WRITE = "write"  # it changes something that can be changed back
    IRREVERSIBLE = "irreversible"  # it changes something for good, such as sending a letter


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """What is known of an operation without its code: stored with published versions and in the workers' register."""

    key: str
    version: str
    effect: Effect
    idempotent: bool
    errors: tuple[str, ...] = ()
    queue: str | None = None
    timeout_ms: int | None = None
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None

    @property
    def major(self) -> int:
        """The first number of its version."""
        return semver.Version.parse(self.version).major

    @property
    def reference(self) -> str:
        """`key@major`, as it is frozen when a workflow is published."""
        return f"{self.key}@{self.major}"

    def to_json(self) -> dict[str, Json]:
        """A JSON object that `from_json` reads back as an equal record."""
        return {**asdict(self), "effect": self.effect.value, "errors": list(self.errors)}

    @classmethod
    def from_json(cls, record: Mapping[str, Json]) -> OperationInfo:
        """The record that `to_json` wrote; fields that only a newer release knows are ignored."""
        known = {one.name: record[one.name] for one in fields(cls) if one.name in record}
        return cls(**{**known, "effect": Effect(known["effect"]), "errors": tuple(known.get("errors", ()))})


@dataclass(slots=True)
class StepContext:
    """What an operation is told about the attempt that it is part of, as its second argument.

    `user` is the run's `ctx`; `deadline_s` the seconds that were left when the attempt began, None without a timeout.
    `idempotency_key` is the same for every attempt of the step. Made without the last three, as in a test of an
    operation, it takes heartbeats silently and is never cancelled.
    """

    run_id: str
    step: str
    attempt: int = 1
    idempotency_key: str = ""
    user: Mapping[str, Any] = field(default_factory=dict)
    deadline_s: float | None = None
    on_heartbeat: Callable[[Json], None] | None = field(default=None, repr=False)
    is_cancelled: Callable[[], bool] | None = field(default=None, repr=False)
    make_log: Callable[[StepContext], Any] | None = field(default=None, repr=False)
    _log: Any = field(default=None, init=False, repr=False)

    def heartbeat(self, progress: Json = None) -> None:
        """Say that the work goes on, and how far it is; the last progress is kept beside the step."""
        if self.on_heartbeat is not None:
            self.on_heartbeat(progress)

    @property
    def cancelled(self) -> bool:
        """Nobody waits for this attempt any more: stop as soon as it is safe to."""
        return self.is_cancelled is not None and self.is_cancelled()

    @property
    def log(self) -> Any:
        """A structlog logger bound to the run, step and attempt, made when it is first asked for."""
        if self._log is None:
            self._log = (self.make_log or _bound_log)(self)
        return self._log


def _bound_log(context: StepContext) -> Any:
    return logs.get("operation").bind(run_id=context.run_id, step=context.step, attempt=context.attempt)


@dataclass(frozen=True)
class Operation:
    """A function that steps call by its key, with what it declares; calling it calls the function."""

    function: Callable[..., Any] = field(repr=False)
    key: str
    version: str
    effect: Effect
    idempotent: bool
    errors: tuple[str, ...] = ()
    queue: str | None = None
    timeout: timedelta | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        return self.function(*args, **kwargs)

    @cached_property
    def major(self) -> int:
        """The first number of its version."""
        return semver.Version.parse(self.version).major

    @property
    def reference(self) -> str:
        """`key@major`."""
        return f"{self.key}@{self.major}"

    @property
    def source(self) -> str:
        """Where its function is defined, `file:qualname`: the same however its file was imported."""
        file = getattr(inspect.unwrap(self.function), "__globals__", {}).get("__file__", self.function.__module__)
        return f"{file}:{self.function.__qualname__}"

    @cached_property
    def is_async(self) -> bool:
        """Whether calling it gives something to await."""
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def takes_context(self) -> bool:
        """Whether it has a second parameter, for the StepContext."""
        return len(inspect.signature(self.function).parameters) > 1

    @cached_property
    def input_type(self) -> Any:
        """The annotation of its first parameter; Any if it has none."""
        return self._hints.get(next(iter(inspect.signature(self.function).parameters)), Any)

    @cached_property
    def output_type(self) -> Any:
        """The annotation of what it returns; Any if it has none."""
        return self._hints.get("return", Any)

    def input_schema(self) -> dict[str, Any] | None:
        """JSON Schema of its input; None if it takes anything."""
        return None if self.input_type is Any else self._input.json_schema(mode="validation")

    def output_schema(self) -> dict[str, Any] | None:
        """JSON Schema of its output; None if it gives anything."""
        return None if self.output_type is Any else self._output.json_schema(mode="serialization")

    def validate_input(self, value: Json) -> Any:
        """The JSON value as its input type; pydantic's ValidationError if it does not fit."""
        return value if self.input_type is Any else self._input.validate_python(value)

    def serialize_output(self, value: Any) -> str:
        """What it returned, as JSON text; ValidationError if it does not fit the declared type, else ValueError.

        A returned mapping may name a model's fields by alias or by name; the JSON has the aliases.
        """
        checked = self._output.validate_python(value, by_alias=True, by_name=True)
        return self._output.dump_json(checked, by_alias=True).decode()

    def describe(self) -> OperationInfo:
        """What is known of it without its code."""
        return OperationInfo(
            key=self.key,
            version=self.version,
            effect=self.effect,
            idempotent=self.idempotent,
            errors=self.errors,
            queue=self.queue,
            timeout_ms=None if self.timeout is None else milliseconds(self.timeout),
            input_schema=self.input_schema(),
            output_schema=self.output_schema(),
        )

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def _input(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.input_type)

    @cached_property
    def _output(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.output_type)


@dataclass(frozen=True)
class TaskOperation(Operation):
    """An operation whose code is the body of a Celery task; what it does not say of itself, the task does."""

    function: TaskBody = field(repr=False)

    @property
    def source(self) -> str:
        """The task, wherever it was imported from."""
        return self.function.source

    @cached_property
    def input_type(self) -> Any:
        """An object with the task's parameters."""
        return self.function.input_type

    @cached_property
    def output_type(self) -> Any:
        """Anything: a task's annotations are no checks."""
        return Any

    def describe(self) -> OperationInfo:
        """What is known of it without its code."""
        said, limit_s = super().describe(), self.function.limit_s()
        task_ms = None if limit_s is None else milliseconds(timedelta(seconds=limit_s))
        return replace(said, queue=said.queue or self.function.queue(), timeout_ms=said.timeout_ms or task_ms)


class OperationDeclarer:
    """Declares operations, and registers them under their key and major version.

    `idempotent` must be said unless `effect` is none: an idempotent operation may be executed again with the same
    `idempotency_key`, and has its effect once.
    """

    def __call__(
        self,
        key: str,
        *,
        version: str,
        effect: Effect | str,
        idempotent: bool | None = None,
        errors: Iterable[str] = (),
        queue: str | None = None,
        timeout: Duration | None = None,
    ) -> Callable[[Callable[..., Any]], Operation]:
        """Declare a function, sync or async, that takes its input and, if it wants to, a StepContext."""
        declared = _declared(key, version, effect, idempotent, errors, queue, timeout)

        def declare(function: Callable[..., Any]) -> Operation:
            check_parameters(key, function)
            return OPERATIONS.register(Operation(function, **declared))

        return declare

    def from_task(
        self,
        task: Any,
        *,
        effect: Effect | str,
        idempotent: bool | None = None,
        key: str | None = None,
        version: str = "1.0.0",
        args: Iterable[str] = (),
        errors: Iterable[str] = (),
        queue: str | None = None,
        timeout: Duration | None = None,
    ) -> Operation:
        """Declare the body of a Celery task, which goes on being a task; by default under its name.

        The step's inputs are its keyword arguments, but for those named in `args`, which it gets by position. Queue and
        time limit are the task's, or its app's, unless they are said here.
        """
        declared = _declared(
            str(task.name) if key is None else key, version, effect, idempotent, errors, queue, timeout
        )
        body = TaskBody(task, tuple(args), "failed" if declared["effect"] is Effect.NONE else "unknown")
        return OPERATIONS.register(TaskOperation(body, **declared))


operation: Final = OperationDeclarer()


def parse_reference(reference: str) -> tuple[str, int | None]:
    """The key and the major version of `key` or `key@major`; ValueError if it is neither."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(f"{reference!r} is not an operation reference; write `payments.charge` or `payments.charge@1`")
    return match["key"], int(match["major"]) if match["major"] else None


class OperationRegistry:
    """Operations by key and major version; several majors of one key live side by side."""

    def __init__(self) -> None:
        self._by_reference: dict[str, Operation] = {}

    def __iter__(self) -> Iterator[Operation]:
        return iter(sorted({op.reference: op for op in self._by_reference.values()}.values(), key=_by_key))

    def __contains__(self, reference: object) -> bool:
        return reference in self._by_reference

    def register(self, made: Operation) -> Operation:
        """Add an operation; the same function may be registered again, as when its module is reloaded."""
        known = self._by_reference.get(made.reference)
        if known is not None and known.source != made.source:
            raise ValueError(f"{made.reference} is already registered by {known.source}, so {made.source} cannot be it")
        self._by_reference[made.reference] = made
        highest = self._by_reference.get(made.key, made)
        if made.major >= highest.major:
            self._by_reference[made.key] = made
        return made

    def get(self, reference: str) -> Operation:
        """The operation of `key@major`, or the highest major of `key`; UnknownOperation names what is like it."""
        try:
            return self._by_reference[reference]
        except KeyError:
            raise self._unknown(reference) from None

    def infos(self) -> tuple[OperationInfo, ...]:
        """What is known of each, by key and major."""
        return tuple(one.describe() for one in self)

    def _unknown(self, reference: str) -> UnknownOperation:
        near = difflib.get_close_matches(reference, list(self._by_reference), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return UnknownOperation(f"there is no operation {reference}{hint}", reference=reference, near=near)


def _by_key(made: Operation) -> tuple[str, int]:
    return made.key, made.major


def _declared(
    key: str,
    version: str,
    effect: Effect | str,
    idempotent: bool | None,
    errors: Iterable[str],
    queue: str | None,
    timeout: Duration | None,
) -> dict[str, Any]:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not an operation key; write it as `payments.charge`, with at least one dot")
    declared_effect = _effect(key, effect)
    return {
        "key": key,
        "version": checked_version(key, version),
        "effect": declared_effect,
        "idempotent": _idempotent(key, declared_effect, idempotent),
        "errors": checked_codes(key, errors),
        "queue": queue,
        "timeout": checked_timeout(key, timeout),
    }


OPERATIONS: Final = OperationRegistry()
"""The operations of this process: `@operation` registers here."""


def load_operations(modules: Iterable[str]) -> None:
    """Import the modules, so that what they declare is registered."""
    for module in modules:
        importlib.import_module(module)


def _effect(key: str, effect: Effect | str) -> Effect:
    try:
        return Effect(effect)
    except ValueError:
        raise ValueError(f"{key}: effect must be one of {', '.join(Effect)}, not {effect!r}") from None


def _idempotent(key: str, effect: Effect, idempotent: bool | None) -> bool:
    if effect is Effect.NONE:
        return True
    if idempotent is None:
        raise ValueError(
            f"{key}: an operation with effect={effect.value!r} must say whether it is idempotent: True if executing it "
            "again with the same idempotency_key has its effect once; False if it must never be executed twice"
        )
    return idempotent
