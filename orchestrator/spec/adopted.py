"""Celery tasks as operations: a task's body, called in our worker as its own worker would call it.

Nothing here imports Celery: a task is whatever has the attributes that are used. And nothing is asked of it before it
is needed, for an app may be configured, and its tasks made, after the operation has been declared.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, WithJsonSchema

from orchestrator.errors import OperationError

_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Attempt(Protocol):
    """What a body is told of the attempt that it is part of."""

    run_id: str
    attempt: int
    idempotency_key: str

    def heartbeat(self, progress: Any = None) -> None:
        """Say how far the work is."""


@dataclass(frozen=True)
class TaskBody:
    """A task's body as an operation's function: the inputs named in `args` go by position, the others by name.

    The body sees a `self.request` whose id is the idempotency key and whose retries are the attempts before this one.
    `self.retry` ends the attempt as a failure that the step's policy may retry, after its `countdown` if it has one;
    whether the effect took place is then as unknown as after any exception. `self.update_state` is a heartbeat with
    its `meta`. `autoretry_for`, `max_retries` and the task's `on_…` methods take no part: that is the spec's business.
    """

    task: Any
    args: tuple[str, ...]
    retry_outcome: Literal["failed", "unknown"]

    def __call__(self, given: Mapping[str, Any], context: Attempt) -> Any:
        """What the body returns."""
        named = dict(given)
        positional = [named.pop(name) for name in self.args]
        task = self._adopted
        task.push_request(
            id=context.idempotency_key,
            task=task.name,
            args=positional,
            kwargs=named,
            retries=context.attempt - 1,
            root_id=context.run_id,
            called_directly=False,
            attempt_of=context,
        )
        try:
            return (task if _has_own_call(task) else task.run)(*positional, **named)
        finally:
            task.pop_request()

    @property
    def source(self) -> str:
        """The task that it is the body of."""
        return f"the task {self.task.name}"

    @cached_property
    def input_type(self) -> Any:
        """An object with a key for each parameter, so that what a body lacks is found before it is called."""
        parameters = list(inspect.signature(self.task.run).parameters.values())
        named = {one.name: one.default is one.empty for one in parameters if one.kind in _NAMED}
        named |= dict.fromkeys(self.args, True)
        is_open = any(one.kind is one.VAR_KEYWORD for one in parameters)
        required = [name for name, needed in named.items() if needed]

        def check(given: dict[str, Any]) -> dict[str, Any]:
            wrong = [f"{name} is missing" for name in required if name not in given]
            wrong += [f"{name} is no parameter" for name in given if name not in named and not is_open]
            if wrong:
                raise ValueError(", ".join(wrong))
            return given

        schema = {"type": "object", "properties": {name: {} for name in named}, "required": required}
        closed = {} if is_open else {"additionalProperties": False}
        return Annotated[dict[str, Any], AfterValidator(check), WithJsonSchema(schema | closed)]

    def queue(self) -> str | None:
        """The queue that the task or its app's routes name; None if it is left to the app's default."""
        route = getattr(self.task, "queue", None)
        route = route or self.task.app.amqp.router.lookup_route(self.task.name, (), {}, {}, self.task)
        queue = route.get("queue") if isinstance(route, Mapping) else route
        return None if queue is None else str(getattr(queue, "name", queue))

    def limit_s(self) -> float | None:
        """The seconds that it may take: the least limit of the task, else of its app."""
        conf = self.task.app.conf
        own = [limit for limit in (self.task.soft_time_limit, self.task.time_limit) if limit]
        limits = own or [limit for limit in (conf.task_soft_time_limit, conf.task_time_limit) if limit]
        return min(map(float, limits), default=None)

    @cached_property
    def _adopted(self) -> Any:
        """A task like this one, but that tells our worker of its retries and states; the task is left alone."""
        kind, outcome = self.task.__class__, self.retry_outcome

        def retry(_: Any, *given: Any, throw: bool = True, **named: Any) -> OperationError:
            reason = named.get("exc", *given[2:3]) or sys.exc_info()[1]
            error = _retried(reason, named.get("countdown"), outcome)
            if throw:
                raise error
            return error

        def update_state(adopted: Any, *given: Any, **named: Any) -> None:
            adopted.request.attempt_of.heartbeat(named.get("meta", *given[2:3]))

        made = type(kind.__name__, (kind,), {"retry": retry, "update_state": update_state})
        adopted: Any = object.__new__(made)
        vars(adopted).update(vars(self.task))
        if "_orig_run" in vars(adopted):  # Celery has put a `run` before the class's, which retries the task itself
            del vars(adopted)["run"]
        return adopted


def _retried(
    reason: BaseException | None, delay_s: float | None, outcome: Literal["failed", "unknown"]
) -> OperationError:
    code = "task_retry" if reason is None else type(reason).__name__
    message = str(reason or "the task asked to be tried again")
    return OperationError(code, message, retry_after=delay_s, outcome=outcome)


def _has_own_call(task: Any) -> bool:
    """Whether its class wraps each call, as those of web frameworks do; Celery's own way would hide the request."""
    return not str(type(task).__call__.__module__).startswith("celery.app.")
