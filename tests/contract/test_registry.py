from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from orchestrator.errors import UnknownWorkflow, VersionConflict
from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.spec.traffic import Traffic
from orchestrator.store.connection import Connection
from orchestrator.store.keys import WORKER_LIFETIME_MS, Keys
from orchestrator.store.registry import Definition, Marks, RedisRegistry, Registry, WorkerRecord
from orchestrator.store.registry_memory import MemoryRegistry

PAYMENT = Definition(
    key="payment.flow",
    version="1.0.0",
    digest="d1",
    canonical='{"meta":{"key":"payment.flow"}}',
    stability="stable",
    operations={"payments.charge@1": {"effect": "write"}},
    input_schema={"type": "object"},
)
WORKER = WorkerRecord(
    name="worker@host",
    queues=("default", "slow"),
    operations=({"key": "payments.charge", "version": "1.0.0"},),
    pid=7,
    host="host",
)


def test_a_published_version_is_kept_whole(registry: Registry) -> None:
    """What comes back is what was published, and when."""
    created = registry.publish(PAYMENT)

    kept = registry.get("payment.flow", "1.0.0")
    assert created is True
    assert kept.published_at_ms > 0
    assert replace(kept, published_at_ms=0) == PAYMENT


def test_the_same_content_again_is_no_news(registry: Registry) -> None:
    """Publishing is idempotent; the first moment stands."""
    registry.publish(PAYMENT)
    first = registry.get("payment.flow", "1.0.0")

    assert registry.publish(PAYMENT) is False
    assert registry.get("payment.flow", "1.0.0") == first


def test_other_content_under_a_published_version_is_refused(registry: Registry) -> None:
    """A version never changes, and nothing of the attempt stays."""
    registry.publish(PAYMENT)

    with pytest.raises(VersionConflict, match=r"payment\.flow@1\.0\.0"):
        registry.publish(replace(PAYMENT, digest="d2", canonical="{}"))

    assert registry.get("payment.flow", "1.0.0").canonical == PAYMENT.canonical
    assert len(registry.versions("payment.flow")) == 1


def test_workflows_and_versions_are_listed(registry: Registry) -> None:
    """Keys by name; versions as they were published."""
    for key, version in (("b.flow", "1.0.0"), ("a.flow", "2.0.0"), ("a.flow", "10.0.0")):
        registry.publish(replace(PAYMENT, key=key, version=version))

    assert registry.workflows() == ["a.flow", "b.flow"]
    assert {definition.version for definition in registry.versions("a.flow")} == {"2.0.0", "10.0.0"}
    assert registry.versions("none.flow") == []


def test_an_unknown_workflow_names_what_comes_near(registry: Registry) -> None:
    """A slip of the pen is answered with the name that was meant."""
    registry.publish(PAYMENT)

    with pytest.raises(UnknownWorkflow, match=r"did you mean payment\.flow\?"):
        registry.get("payment.flwo", "1.0.0")
    with pytest.raises(UnknownWorkflow, match=r"payment\.flow has 1\.0\.0"):
        registry.get("payment.flow", "2.0.0")
    with pytest.raises(UnknownWorkflow, match="publish it first"):
        registry.get("zzz", "1.0.0")


def test_a_worker_that_announces_itself_is_listed(registry: Registry) -> None:
    """Once, with what it said last."""
    registry.announce(WORKER)
    registry.announce(replace(WORKER, queues=("default",)))
    registry.announce(replace(WORKER, name="another@host"))

    listed = [replace(worker, seen_at=0) for worker in registry.workers()]
    assert listed == [replace(WORKER, name="another@host"), replace(WORKER, queues=("default",))]


def test_a_worker_was_seen_when_it_announced_itself(registry: Registry) -> None:
    """By the registry's clock, whatever the worker's says."""
    registry.publish(PAYMENT)
    before_ms = registry.get("payment.flow", "1.0.0").published_at_ms

    registry.announce(replace(WORKER, seen_at=7))

    assert registry.workers()[0].seen_at >= before_ms > 7


def test_beats_and_listeners_are_listed_apart(registry: Registry) -> None:
    """They take from no queue, so nobody counts them among those who do."""
    registry.announce(WORKER)
    registry.announce(replace(WORKER, name="beat@host", role="beat"))
    registry.announce(replace(WORKER, name="listener@host", role="listener"))

    assert [worker.name for worker in registry.workers()] == [WORKER.name]
    assert [beat.name for beat in registry.beats()] == ["beat@host"]
    assert [listener.name for listener in registry.listeners()] == ["listener@host"]


def test_nobody_works_where_nobody_announced_himself(registry: Registry) -> None:
    """The register is empty at first."""
    assert registry.workers() == []


def test_a_silent_worker_of_memory_is_lost_after_20_s() -> None:
    """By the clock that it is given; for a day."""
    now_ms = 1_000
    registry = MemoryRegistry(lambda: now_ms)
    registry.announce(WORKER)
    registry.announce(replace(WORKER, name="beat", role="beat"))

    now_ms += WORKER_LIFETIME_MS - 1
    still, none = registry.workers(), registry.lost()
    now_ms += 1

    assert (still, none) == ([replace(WORKER, seen_at=1_000)], [])
    assert (registry.workers(), registry.lost()) == ([], [replace(WORKER, seen_at=1_000)])
    now_ms += 86_400_000
    assert registry.lost() == []


def test_a_silent_worker_of_redis_is_lost_after_20_s(redis_server: LocalRedis, settings: Settings) -> None:
    """By Redis's clock; its name goes when it has not been seen for a day."""
    keys, connection = Keys(settings.namespace, settings.shards), Connection(redis_server.url())
    registry = RedisRegistry(redis_server.url(), settings)
    registry.announce(WORKER)
    silent = replace(WORKER, seen_at=connection.time_ms() - WORKER_LIFETIME_MS)

    connection.execute("SET", keys.worker(WORKER.name), json.dumps(asdict(silent)))
    lost, live = registry.lost(), registry.workers()
    connection.execute("ZADD", keys.workers(), connection.time_ms() - 86_400_001, WORKER.name)
    registry.announce(replace(WORKER, name="tomorrow"))

    assert (lost, live) == ([silent], [])
    assert [worker.name for worker in registry.workers()] == ["tomorrow"]
    assert connection.execute("ZRANGE", keys.workers(), 0, -1) == ["tomorrow"]


def test_a_worker_that_says_farewell_is_not_lost(registry: Registry) -> None:
    """It is gone, as one that nobody misses."""
    registry.announce(WORKER)

    registry.retire(WORKER.name)

    assert registry.workers() == registry.lost() == []


def test_what_a_later_version_says_of_itself_besides_is_passed_over(
    redis_server: LocalRedis, settings: Settings
) -> None:
    """In a rolling deploy both versions read each other's records."""
    keys, connection = Keys(settings.namespace, settings.shards), Connection(redis_server.url())
    registry = RedisRegistry(redis_server.url(), settings)
    registry.announce(WORKER)
    (record,) = registry.workers()

    connection.execute("SET", keys.worker(WORKER.name), json.dumps({**asdict(record), "colour": "blue"}))

    assert registry.workers() == [record]


def test_each_change_has_another_revision(registry: Registry) -> None:
    """What a process keeps of a workflow is good while its revision stands; others' changes do not touch it."""
    revisions, of_all = [registry.revision("payment.flow")], [registry.revision()]
    changes: list[Callable[[], object]] = [
        lambda: registry.publish(PAYMENT),
        lambda: registry.deprecate("payment.flow", "1.0.0"),
        lambda: registry.deprecate("payment.flow", "1.0.0", undo=True),
        lambda: registry.route("payment.flow", Traffic({"1.0.0": 1})),
        lambda: registry.route("payment.flow", None),
    ]
    for change in changes:
        change()
        revisions.append(registry.revision("payment.flow"))
        of_all.append(registry.revision())
    registry.publish(replace(PAYMENT, key="other.flow"))

    assert len(set(revisions)) == len(revisions)
    assert revisions[-1] == registry.revision("payment.flow")
    assert len({*of_all, registry.revision()}) == len(of_all) + 1
    assert registry.revision("payment.flow") == revisions[-1]


def test_marks_stand_beside_definitions(registry: Registry) -> None:
    """A deprecated version is published as it was; the first moment stands, until the mark is taken off."""
    registry.publish(PAYMENT)
    before = registry.get("payment.flow", "1.0.0")

    registry.deprecate("payment.flow", "1.0.0")
    marked = registry.marks("payment.flow").deprecated
    registry.deprecate("payment.flow", "1.0.0")

    assert registry.marks("payment.flow").deprecated == marked
    assert marked["1.0.0"] >= before.published_at_ms
    assert registry.get("payment.flow", "1.0.0") == before
    registry.deprecate("payment.flow", "1.0.0", undo=True)
    assert registry.marks("payment.flow") == Marks()


def test_a_split_is_kept_until_another_stands(registry: Registry) -> None:
    """Whole, and for its workflow alone."""
    registry.publish(PAYMENT)
    split = Traffic({"1.0.0": 12.5}, "input.tenant")

    registry.route("payment.flow", split)

    assert registry.marks("payment.flow").traffic == split
    assert registry.marks("other.flow") == Marks()
    registry.route("payment.flow", None)
    assert registry.marks("payment.flow").traffic is None


def test_only_what_is_published_is_marked(registry: Registry) -> None:
    """A slip of the pen changes nothing."""
    registry.publish(PAYMENT)

    with pytest.raises(UnknownWorkflow, match=r"payment\.flow has 1\.0\.0"):
        registry.deprecate("payment.flow", "1.0.1")
    with pytest.raises(UnknownWorkflow, match=r"payment\.flow has 1\.0\.0"):
        registry.route("payment.flow", Traffic({"1.0.0": 1, "1.0.1": 1}))

    assert registry.marks("payment.flow") == Marks()


def test_the_first_moment_of_a_mark_stands_in_redis(redis_server: LocalRedis, settings: Settings) -> None:
    """However often it is made, and by whoever sends it again."""
    keys, connection = Keys(settings.namespace, settings.shards), Connection(redis_server.url())
    registry = RedisRegistry(redis_server.url(), settings)
    registry.publish(PAYMENT)
    connection.execute("HSET", keys.marks("payment.flow"), "deprecated:1.0.0", 1_000)

    registry.deprecate("payment.flow", "1.0.0")

    assert registry.marks("payment.flow").deprecated == {"1.0.0": 1_000}
