"""What a worker of an attached app serves."""

from __future__ import annotations

import pytest
from celery import Celery
from celery.signals import worker_ready, worker_shutting_down
from kombu import Queue

from orchestrator.plan.canvas import STEP_TASK
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.runtime.app import serve
from orchestrator.settings import Settings

SETTINGS = Settings(broker_url="memory://", operations=[])


@pytest.fixture(autouse=True)
def signals_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is connected to them here is not there afterwards."""
    for signal in (worker_ready, worker_shutting_down):
        monkeypatch.setattr(signal, "receivers", list(signal.receivers or ()))


def served(**conf: object) -> Celery:
    """An app of a team whose worker is about to begin."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.update(task_default_queue="shop", **conf)
    serve(app, SETTINGS)
    return app


def test_our_task_stands_beside_theirs() -> None:
    """With what it needs said by itself, whatever the app's settings are."""
    app = served(task_acks_late=False, task_serializer="yaml", task_store_errors_even_if_ignored=True)

    task = app.tasks[STEP_TASK]

    assert (task.acks_late, task.reject_on_worker_lost, task.serializer) == (True, True, "json")
    assert (task.ignore_result, task.store_errors_even_if_ignored, task.max_retries) == (True, False, None)


def test_a_worker_that_is_told_no_queues_also_takes_our_default() -> None:
    """Beside its own."""
    assert set(served().amqp.queues.consume_from) == {"shop", DEFAULT_QUEUE}


def test_a_queue_that_the_app_declares_stays_as_it_is() -> None:
    """Though it has our default's name."""
    own = Queue(DEFAULT_QUEUE, routing_key="own")

    assert served(task_queues=[own]).amqp.queues.consume_from[DEFAULT_QUEUE].routing_key == "own"


def test_a_worker_that_is_told_its_queues_takes_those() -> None:
    """`-Q` is the last word."""
    app = served()

    app.amqp.queues.select(["packing"])

    assert set(app.amqp.queues.consume_from) == {"packing"}
