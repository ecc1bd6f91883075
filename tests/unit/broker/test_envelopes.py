"""Rendered messages against those that Celery builds itself, over kombu's broker in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import signals
from celery._state import pop_current_task, push_current_task  # type: ignore[attr-defined]  # not in celery-types
from kombu import Connection

from orchestrator import Settings
from orchestrator.broker.app import make_app
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import DEFAULT_QUEUE, compile_plan
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import Effect, OperationInfo

SPEC = """
meta: {key: tests.mail, version: 1.0.0}
steps:
  - {id: pick, operation: text.pick, priority: 8, retry: {max_attempts: 3, jitter: full}}
  - {id: pack, operation: text.pick, timeout: 90s}
  - {id: post, operation: text.pick}
"""
ITEMS = """
meta: {key: tests.mails, version: 1.0.0}
steps:
  - {id: all, map: {items: "[1, 2]", steps: [{id: pick, operation: text.pick}, {id: pack, operation: text.pick}]}}
"""


@pytest.fixture
def plan() -> Plan:
    """The plan of three steps, one of which is tried again."""
    return compiled(SPEC)


def compiled(spec: str) -> Plan:
    """The plan of a spec in YAML, whose only operation is `text.pick`."""
    (loaded,) = load_text(spec, "mail.yaml")
    return compile_plan(
        loaded.spec, {"text.pick": OperationInfo("text.pick", "1.0.0", Effect.NONE, True)}, digest="digest"
    )


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    """A dispatcher to a broker in memory, which is emptied afterwards."""
    settings = Settings(broker_url="memory://")
    yield Dispatcher(make_app(settings), settings)
    taken()


@contextmanager
def listening() -> Iterator[list[str]]:
    """The names of the tasks that Celery says it is about to send."""
    names: list[str] = []

    def note(sender: str, **_: object) -> None:
        names.append(sender)

    signals.before_task_publish.connect(note)
    yield names
    signals.before_task_publish.disconnect(note)


def taken() -> list[Any]:
    """Every message that waits in the default queue."""
    with Connection("memory://") as connection, connection.SimpleQueue(DEFAULT_QUEUE) as queue:
        return [queue.get(block=False) for _ in range(queue.qsize())]


def without_ids(value: Any) -> Any:
    """The value without the ids that Celery draws for each task."""
    if isinstance(value, dict):
        drawn = ("id", "root_id", "task_id", "correlation_id", "delivery_tag")
        return {name: without_ids(part) for name, part in value.items() if name not in drawn}
    return [without_ids(part) for part in value] if isinstance(value, list | tuple) else value


def content(message: Any) -> Any:
    """What two messages of one canvas have in common."""
    return without_ids([message.payload, message.headers, message.properties])


def test_an_envelope_is_what_celery_would_have_sent(dispatcher: Dispatcher, plan: Plan) -> None:
    """Body, headers and properties are those of the chain that Celery builds for the same run, ids aside."""
    with listening() as heard:
        dispatcher.send(plan, "run-1", "pick")
    dispatcher.send(plan, "run-1", "pick")

    by_celery, rendered = taken()

    assert heard == ["orchestrator.step"]
    assert content(rendered) == content(by_celery)


def test_each_run_has_ids_of_its_own(dispatcher: Dispatcher, plan: Plan) -> None:
    """No run id and no task id of one run's message is in another's."""
    dispatcher.send_many([(plan, "run-1", "pick"), (plan, "run-2", "pick")])

    messages = taken()

    assert [message.payload[0] for message in messages] == [["run-1", "pick"], ["run-2", "pick"]]
    ids = [one["options"]["task_id"] for message in messages for one in message.payload[2]["chain"]]
    assert len({*ids, *(message.headers["id"] for message in messages)}) == 2 * len(plan.nodes)
    assert "run-1" not in str(messages[1].payload) + str(messages[1].headers)


def test_whoever_listens_to_celery_hears_of_each_message(dispatcher: Dispatcher, plan: Plan) -> None:
    """Instrumentation that adds headers by Celery's signals is not passed over."""
    with listening() as heard:
        dispatcher.send_many([(plan, f"run-{number}", "pick") for number in range(3)])

    assert heard == ["orchestrator.step"] * 3


@pytest.mark.parametrize("lane", [("all[7]/pick",), ("all[1]/pick", "all[4]/pick"), ("all/~",), ("all[7]/pick~",)])
def test_the_envelope_of_one_item_serves_the_others(dispatcher: Dispatcher, lane: tuple[str, ...]) -> None:
    """A message at another place of a map than the one that was rendered is what Celery would have sent."""
    plan = compiled(ITEMS)
    dispatcher.send_lanes(plan, "run-1", [[address.replace("[", "[2") for address in lane]])
    taken()
    with listening():
        dispatcher.send_lanes(plan, "run-1", [lane])
    dispatcher.send_lanes(plan, "run-1", [lane])

    by_celery, rendered = taken()

    assert rendered.payload[0] == ["run-1", ",".join(lane)]
    assert content(rendered) == content(by_celery)


def test_a_message_that_a_task_sends_names_it(dispatcher: Dispatcher, plan: Plan) -> None:
    """Monitors see which message came from which: parent and root are those that Celery gives."""
    dispatcher.send(plan, "run-0", "pick")
    taken()
    task: Any = dispatcher.app.task(name="tests.sender")(taken)
    task.push_request(id="own", root_id="first", called_directly=False)
    push_current_task(task)
    try:
        with listening():
            dispatcher.send(plan, "run-1", "pick")
        dispatcher.send(plan, "run-1", "pick")
    finally:
        pop_current_task()
        task.pop_request()

    by_celery, rendered = taken()

    for message in (by_celery, rendered):
        assert (message.headers["parent_id"], message.headers["root_id"]) == ("own", "first")
