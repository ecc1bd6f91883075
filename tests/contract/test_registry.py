from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import UnknownWorkflow, VersionConflict
from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.keys import WORKER_LIFETIME_MS, Keys
from orchestrator.store.registry import Definition, MemoryRegistry, RedisRegistry, Registry, WorkerRecord

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
    seen_at=1_700_000_000_000,
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

    assert registry.workers() == [replace(WORKER, name="another@host"), replace(WORKER, queues=("default",))]


def test_nobody_works_where_nobody_announced_himself(registry: Registry) -> None:
    """The register is empty at first."""
    assert registry.workers() == []


def test_a_silent_worker_leaves_the_register_of_memory_after_20_s() -> None:
    """By the clock that it is given."""
    now_ms = 1_000
    registry = MemoryRegistry(lambda: now_ms)
    registry.announce(WORKER)

    now_ms += WORKER_LIFETIME_MS - 1
    still = registry.workers()
    now_ms += 1

    assert still == [WORKER]
    assert registry.workers() == []


def test_a_silent_worker_leaves_the_register_of_redis_after_20_s(redis_server: LocalRedis, settings: Settings) -> None:
    """By the lifetime of its key; its name goes when it has not been seen for a day."""
    keys, connection = Keys(settings.namespace, settings.shards), Connection(redis_server.url())
    registry = RedisRegistry(redis_server.url(), settings)
    registry.announce(WORKER)

    lifetime_ms = connection.execute("PTTL", keys.worker(WORKER.name))
    connection.execute("DEL", keys.worker(WORKER.name))
    registry.announce(replace(WORKER, name="tomorrow", seen_at=WORKER.seen_at + 86_400_000))

    assert 0 < lifetime_ms <= WORKER_LIFETIME_MS
    assert [worker.name for worker in registry.workers()] == ["tomorrow"]
    assert connection.execute("ZRANGE", keys.workers(), 0, -1) == ["tomorrow"]
