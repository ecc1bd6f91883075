"""Operations from Celery tasks that a team already has."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from celery import Celery, Task
from pydantic import ValidationError

from orchestrator.errors import OperationError
from orchestrator.spec import operations
from orchestrator.spec.operations import Effect, Operation, OperationRegistry, StepContext, operation

CONTEXT = StepContext("run-1", "bill", attempt=2, idempotency_key="run-1:bill:1")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> OperationRegistry:
    """A register of the test's own, in place of the process's."""
    fresh = OperationRegistry()
    monkeypatch.setattr(operations, "OPERATIONS", fresh)
    return fresh


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """A team's app, whose tasks are its own."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    monkeypatch.setattr(app, "task", partial(app.task, shared=False))
    return app


def wrap(task: Any, **said: Any) -> Operation:
    """The operation of a task without effect, but for what is said otherwise."""
    return operation.from_task(task, **{"effect": "none", **said})


def test_a_task_s_body_gets_its_inputs_by_name(app: Celery, registry: OperationRegistry) -> None:
    """Under the task's name, unless the operation has a key of its own."""

    @app.task(name="shop.add")
    def add(a: int, b: int = 1) -> int:
        return a + b

    made = wrap(add, version="2.1.0")

    assert made(made.validate_input({"a": 2}), CONTEXT) == 3
    assert registry.get("shop.add@2") is made
    assert wrap(add, key="math.add").reference == "math.add@1"


def test_inputs_named_as_args_go_by_position(app: Celery) -> None:
    """In that order, the others by name."""

    @app.task(name="shop.path")
    def path(first: str, /, *more: str, end: str) -> str:
        return "/".join((first, *more, end))

    made = wrap(path, args=["root", "leaf"])

    assert made({"end": "c", "leaf": "b", "root": "a"}, CONTEXT) == "a/b/c"


def test_a_bound_task_sees_a_request(app: Celery) -> None:
    """The same id for every attempt, as Celery's retries have, and how many there were before."""

    @app.task(name="shop.seen", bind=True)
    def seen(self: Task[Any, Any], order: str) -> list[Any]:
        request = self.request
        return [self.name, request.id, request.retries, request.root_id, request.kwargs, request.called_directly]

    shown = wrap(seen)({"order": "o1"}, CONTEXT)

    assert shown == ["shop.seen", "run-1:bill:1", 1, "run-1", {"order": "o1"}, False]
    assert seen.request.id is None


@pytest.mark.parametrize(("effect", "outcome"), [(Effect.NONE, "failed"), (Effect.WRITE, "unknown")])
def test_a_retry_is_a_failure_that_may_be_retried(app: Celery, effect: Effect, outcome: str) -> None:
    """After its countdown; a write may have happened, as after any exception. Nothing is sent."""

    @app.task(name="shop.flaky", bind=True, max_retries=0)
    def flaky(self: Task[Any, Any]) -> None:
        raise self.retry(exc=ConnectionError("away"), countdown=7)

    with pytest.raises(OperationError, match="away") as raised:
        wrap(flaky, effect=effect, idempotent=True)({}, CONTEXT)

    failure = raised.value
    assert (failure.code, failure.retryable, failure.retry_after) == ("ConnectionError", True, 7)
    assert failure.outcome == outcome


def test_a_retry_without_a_reason_has_a_code_of_its_own(app: Celery) -> None:
    """It may also be returned, to be raised by the task."""

    @app.task(name="shop.later", bind=True)
    def later(self: Task[Any, Any]) -> None:
        raise self.retry(throw=False)

    with pytest.raises(OperationError) as raised:
        wrap(later)({}, CONTEXT)

    assert (raised.value.code, raised.value.retry_after) == ("task_retry", None)


def test_what_celery_would_retry_by_itself_is_a_failure(app: Celery) -> None:
    """With its own exception: the step's policy decides, and the task's own retries are left to the task."""

    @app.task(name="shop.auto", autoretry_for=(ValueError,))
    def auto() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        wrap(auto)({}, CONTEXT)


def test_a_state_that_a_task_reports_is_a_heartbeat(app: Celery) -> None:
    """With what it says of itself."""
    beats: list[Any] = []

    @app.task(name="shop.long", bind=True)
    def long(self: Task[Any, Any]) -> None:
        self.update_state(state="PROGRESS", meta={"done": 1})
        self.update_state(None, "PROGRESS", {"done": 2})

    wrap(long)({}, StepContext("run", "step", on_heartbeat=beats.append))

    assert beats == [{"done": 1}, {"done": 2}]


def test_a_class_that_wraps_each_call_still_does(app: Celery) -> None:
    """As the tasks of web frameworks do, to have their surroundings; its attributes and methods are there."""

    class Framed(Task):  # type: ignore[type-arg]
        abstract = True
        frame = "[%s]"

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.frame % self.run(*args, **kwargs)

    @app.task(name="shop.framed", base=Framed, bind=True)
    def framed(self: Task[Any, Any]) -> str:
        return str(self.request.id)

    assert wrap(framed)({}, CONTEXT) == "[run-1:bill:1]"


def test_what_a_body_lacks_is_found_before_it_is_called(app: Celery) -> None:
    """And what it has no parameter for; the schema says both."""

    @app.task(name="shop.ship", bind=True)
    def ship(self: Task[Any, Any], order: str, fast: bool = False) -> None:
        """Never called."""

    made = wrap(ship)

    with pytest.raises(ValidationError, match="order is missing, slow is no parameter"):
        made.validate_input({"slow": True})
    assert json.loads(json.dumps(made.input_schema())) == {
        "type": "object",
        "properties": {"order": {}, "fast": {}},
        "required": ["order"],
        "additionalProperties": False,
    }
    assert made.output_schema() is None


def test_queue_and_time_limit_are_the_tasks_or_its_apps(app: Celery) -> None:
    """As they stand when they are asked for, not when the operation was declared."""

    @app.task(name="shop.route", soft_time_limit=20, time_limit=30)
    def route() -> None:
        """Never called."""

    @app.task(name="other.plain")
    def plain() -> None:
        """Never called."""

    routed, left = wrap(route), wrap(plain)
    app.conf.update(task_routes={"shop.*": {"queue": "ships"}}, task_time_limit=90)

    assert (routed.describe().queue, routed.describe().timeout_ms) == ("ships", 20_000)
    assert (left.describe().queue, left.describe().timeout_ms) == (None, 90_000)


def test_what_the_operation_says_stands_above_the_task(app: Celery) -> None:
    """Queue and timeout."""

    @app.task(name="shop.own", time_limit=30)
    def own() -> None:
        """Never called."""

    described = wrap(own, queue="mine", timeout="5s").describe()

    assert (described.queue, described.timeout_ms) == ("mine", 5_000)


def test_a_task_that_is_declared_twice_is_one_operation(app: Celery) -> None:
    """As when its module is reloaded; another task cannot take its key."""

    @app.task(name="shop.one")
    def one() -> None:
        """Never called."""

    @app.task(name="shop.two")
    def two() -> None:
        """Never called."""

    wrap(one), wrap(one)
    with pytest.raises(ValueError, match=r"already registered by the task shop\.one"):
        wrap(two, key="shop.one")


def test_an_adopted_task_declares_its_effect_like_any_operation(app: Celery) -> None:
    """A name without a dot is no key, and a write must say whether it is idempotent."""

    @app.task(name="plain")
    def plain() -> None:
        """Never called."""

    with pytest.raises(ValueError, match="at least one dot"):
        wrap(plain)
    with pytest.raises(ValueError, match="must say whether it is idempotent"):
        wrap(plain, key="shop.plain", effect="write")


def test_the_task_itself_is_left_alone(app: Celery) -> None:
    """It goes on being what it was, with its own retry."""

    @app.task(name="shop.same", bind=True)
    def same(self: Task[Any, Any]) -> int:
        return int(self.request.retries)

    before = dict(vars(same))
    wrap(same)({}, CONTEXT)

    assert vars(same) == before
    assert same.apply(retries=3).get() == 3
    assert same.__class__.retry is Task.retry
