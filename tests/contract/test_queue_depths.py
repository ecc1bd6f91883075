"""What a real Redis tells of queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.broker.app import make_app
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.broker.queues import Depth, look
from orchestrator.clock import wall_ms
from orchestrator.local.redis_server import LocalRedis
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan
from orchestrator.settings import Settings
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import Effect, OperationInfo

SPEC = """
meta: {key: tests.depth, version: 1.0.0}
steps:
  - {id: high, operation: text.pick, queue: deep, priority: 9}
  - {id: usual, operation: text.pick, queue: deep}
  - {id: last, operation: text.pick, queue: deep, priority: 0}
"""
EMPTY = {"9-7": 0, "6-4": 0, "3-1": 0, "0": 0}


@pytest.fixture
def plan() -> Plan:
    """Three steps of one queue, each of another priority."""
    (loaded,) = load_text(SPEC, "depth.yaml")
    return compile_plan(
        loaded.spec, {"text.pick": OperationInfo("text.pick", "1.0.0", Effect.NONE, True)}, digest="digest"
    )


@pytest.fixture(params=["", "prefix-"])
def dispatcher(redis_server: LocalRedis, request: pytest.FixtureRequest) -> Iterator[Dispatcher]:
    """Sends to a database of its own, with and without a prefix to its keys."""
    settings = Settings(broker_url=redis_server.url(7))
    app = make_app(settings)
    app.conf.broker_transport_options |= {"global_keyprefix": request.param}
    yield Dispatcher(app, settings)
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.client.flushdb()
    app.close()


def test_depth_is_told_by_priority_with_the_age_of_the_oldest(dispatcher: Dispatcher, plan: Plan) -> None:
    """Of messages that are rendered like of the first, which Celery made; a queue that is not there is empty."""
    before_ms = wall_ms()
    dispatcher.send(plan, "run-1", "last")
    after_ms = wall_ms()
    while wall_ms() <= after_ms:
        pass  # the second message is younger
    dispatcher.send(plan, "run-2", "last")
    for step in ("high", "usual", "high"):
        dispatcher.send(plan, "run-3", step)

    found = look(dispatcher.app, ["deep", "not-there"])

    deep = found["deep"]
    assert (deep.waiting, deep.by_priority) == (5, {"9-7": 2, "6-4": 1, "3-1": 0, "0": 2})
    assert before_ms <= (deep.oldest_sent_ms or 0) <= after_ms
    assert found["not-there"] == Depth(0, EMPTY)


def test_each_message_says_when_it_was_sent(dispatcher: Dispatcher, plan: Plan) -> None:
    """One that was rendered once is sent with the moment of each time."""
    dispatcher.send(plan, "run-1", "usual")
    _take(dispatcher)
    dispatcher.send(plan, "run-2", "usual")
    _take(dispatcher)
    between_ms = wall_ms()
    dispatcher.send(plan, "run-3", "usual")

    assert (look(dispatcher.app, ["deep"])["deep"].oldest_sent_ms or 0) >= between_ms


def test_a_message_of_others_has_no_age(dispatcher: Dispatcher) -> None:
    """But is counted."""
    with dispatcher.app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        for text in ("no json", "{}"):
            channel.client.lpush("deep", text)

        found = look(dispatcher.app, ["deep"])

    assert found == {"deep": Depth(2, {**EMPTY, "9-7": 2})}


def _take(dispatcher: Dispatcher) -> None:
    """The oldest message of the queue, which is then no more there."""
    with dispatcher.app.connection_for_write() as connection, connection.SimpleQueue("deep") as queue:
        queue.get(block=False).ack()
