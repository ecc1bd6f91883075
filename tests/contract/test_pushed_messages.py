"""Messages that go to the broker's Redis without kombu, against those that kombu sends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from celery._state import pop_current_task, push_current_task  # type: ignore[attr-defined]  # not in celery-types

from orchestrator import Orchestrator, Settings, Start, Step, define_workflow
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.engine.commit import Answer
from orchestrator.errors import RunConflict
from orchestrator.local.redis_server import LocalRedis
from orchestrator.spec.workflow import Meta
from orchestrator.store.connection import Connection
from orchestrator.store.redis import Parcel, RedisStore
from tests.contract.arena import start

DB = 7
STARTS = 350
IDS = ("id", "root_id", "task_id", "correlation_id", "delivery_tag", "sent_ms")


@pytest.fixture
def client(redis_server: LocalRedis, settings: Settings) -> Iterator[RedisOrchestrator]:
    """A client of a database whose state and broker are one, with a workflow of three waits."""
    made = Orchestrator.connect(redis_server.url(DB), settings=settings)
    steps = [Step(id=f"step-{number}", wait="1h") for number in range(3)]
    made.publish(define_workflow(meta=Meta(key="tests.waits", version="1.0.0"), steps=steps))
    yield made
    Connection(redis_server.url(DB)).execute("FLUSHDB")


def waiting(redis_server: LocalRedis) -> list[Any]:
    """What waits in the database's queues, the oldest message first, with its body read."""
    connection = Connection(redis_server.url(DB))
    (queue,) = connection.execute("KEYS", "default*")
    messages = [json.loads(text) for text in reversed(connection.execute("LRANGE", queue, 0, -1))]
    return [message | {"body": json.loads(message["body"]["__value__"])} for message in messages]


def without_ids(value: Any, run_id: str) -> Any:
    """The value without the ids that are drawn for each task, its moment, and the run's id."""
    if isinstance(value, dict):
        return {name: without_ids(part, run_id) for name, part in value.items() if name not in IDS}
    if isinstance(value, list):
        return [without_ids(part, run_id) for part in value]
    return value.replace(run_id, "RUN") if isinstance(value, str) else value


def test_a_pushed_message_is_what_kombu_would_have_sent(client: RedisOrchestrator, redis_server: LocalRedis) -> None:
    """The first of a process is kombu's; the others differ from it in their ids only."""
    for number in range(2):
        client.start("tests.waits", run_id=f"run-{number}")

    by_kombu, pushed = waiting(redis_server)

    assert without_ids(pushed, "run-1") == without_ids(by_kombu, "run-0")
    ids = [message["properties"]["delivery_tag"] for message in (by_kombu, pushed)]
    ids += [message["headers"]["id"] for message in (by_kombu, pushed)]
    assert len(set(ids)) == 4
    assert pushed["headers"]["root_id"] == pushed["headers"]["id"] == pushed["properties"]["correlation_id"]
    assert pushed["headers"]["parent_id"] is None


def test_a_pushed_message_names_the_task_that_starts_the_run(
    client: RedisOrchestrator, redis_server: LocalRedis
) -> None:
    """Monitors see which message came from which, whoever put it there."""
    client.start("tests.waits", run_id="run-0")
    task: Any = client.dispatcher.app.task(name="tests.starter")(waiting)
    task.push_request(id="own", root_id="first", called_directly=False)
    push_current_task(task)
    try:
        client.start("tests.waits", run_id="run-1")
    finally:
        pop_current_task()
        task.pop_request()

    headers = waiting(redis_server)[-1]["headers"]

    assert (headers["root_id"], headers["parent_id"]) == ("first", "own")


def test_messages_of_many_starts_wait_in_the_order_of_the_starts(
    client: RedisOrchestrator, redis_server: LocalRedis
) -> None:
    """First come, first served, whoever put them there."""
    client.start("tests.waits", run_id="run-0")
    client.start_many(Start("tests.waits", run_id=f"run-{number}") for number in (1, 2, 3))

    first = [message["body"][0][0] for message in waiting(redis_server)]

    assert first == [f"run-{number}" for number in range(4)]


def test_a_run_that_exists_is_found_and_its_message_is_only_a_hint(
    client: RedisOrchestrator, redis_server: LocalRedis
) -> None:
    """The same start again sends another message, which does no harm, and is the same run."""
    handles = [client.start("tests.waits", run_id="run-1") for _ in range(3)]

    assert {handle.run_id for handle in handles} == {"run-1"}
    assert {message["body"][0][0] for message in waiting(redis_server)} == {"run-1"}
    assert [run.run_id for run in client.search(workflow="tests.waits").runs] == ["run-1"]


def test_a_list_that_cannot_be_pushed_to_refuses_no_run(redis_server: LocalRedis, redis_store: RedisStore) -> None:
    """The runs are stored; what was not sent, the ledger sends."""
    Connection(redis_server.url()).execute("SET", redis_store.keys.workflows(), "no list")

    (reply,), _ = redis_store.apply_parcel(Parcel([start("one")], [(redis_store.keys.workflows(), "message")]))

    assert reply.first is Answer.APPLIED


def test_runs_and_messages_are_stored_though_the_scripts_were_forgotten(
    redis_server: LocalRedis, redis_store: RedisStore
) -> None:
    """As after a restart of Redis: the message is behind the run that it is for."""
    connection, queue = Connection(redis_server.url()), f"{redis_store.keys.namespace}:queue"
    connection.execute("SCRIPT", "FLUSH")

    (reply,), _ = redis_store.apply_parcel(Parcel([start("one")], [(queue, "message")]))

    assert reply.first is Answer.APPLIED
    assert set(connection.execute("LRANGE", queue, 0, -1)) == {"message"}


def test_many_starts_are_stored_and_sent_each_once(client: RedisOrchestrator, redis_server: LocalRedis) -> None:
    """Over several batches, whose answers are read while others are on their way; one exists already."""
    client.start("tests.waits", run_id="run-7")

    handles = client.start_many([Start("tests.waits", run_id=f"run-{number}") for number in range(STARTS)])

    ids = {f"run-{number}" for number in range(STARTS)}
    assert {handle.run_id for handle in handles} == ids
    assert {run.run_id for run in client.search(workflow="tests.waits", limit=2 * STARTS).runs} == ids
    sent = Counter(message["body"][0][0] for message in waiting(redis_server))
    assert sent == Counter(ids) + Counter(["run-7"])


def test_what_was_not_answered_when_the_connection_is_lost_is_sent_again(
    redis_server: LocalRedis, redis_store: RedisStore
) -> None:
    """What had been applied by then is not applied again: such a run exists already."""

    def parcels() -> Iterator[Parcel]:
        killer = Connection(redis_server.url())
        for number in range(5):
            if number in (2, 3):
                killer.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            yield Parcel([start(f"run-{number}-{one}") for one in range(3)])

    replies = [replies for replies, _ in redis_store.apply_parcels(parcels())]

    assert [len(batch) for batch in replies] == [3] * 5
    assert [reply.first for reply in (*replies[0], *replies[4])] == [Answer.APPLIED] * 6
    run_ids = [f"run-{number}-{one}" for number in range(5) for one in range(3)]
    assert [redis_store.read(run_id, [fields.INCARNATION])[1] for run_id in run_ids] == [{fields.INCARNATION: "1"}] * 15


def test_starts_are_noted_with_the_runs(client: RedisOrchestrator) -> None:
    """In the same round trip; a conflict is told from it."""
    client.start_many([Start("tests.waits", run_id=f"run-{n}") for n in range(3)])
    with pytest.raises(RunConflict):
        client.start("tests.waits", {"n": 1}, run_id="run-1")

    told = [(one.target, one.outcome) for one in client.access.read(None, 10, "start")]

    assert told == [("runs/run-1", "run_conflict"), *((f"runs/run-{n}", "done") for n in (2, 1, 0))]
