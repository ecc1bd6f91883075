"""What is published and who works: definitions, which never change, and the register of workers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Protocol

from orchestrator.errors import UnknownWorkflow, VersionConflict
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.keys import WORKER_LIFETIME_MS, Keys

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Definition:
    """A published version of a workflow."""

    key: str
    version: str
    digest: str
    canonical: str
    """The canonical JSON that the digest is of."""
    stability: str
    operations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Operation key → what was declared of it when this was published."""
    input_schema: Mapping[str, Any] | None = None
    published_at_ms: int = 0
    """Filled in by `publish`."""


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What a live worker says of itself."""

    name: str
    queues: tuple[str, ...]
    operations: tuple[Mapping[str, Any], ...]
    """What each operation declares."""
    pid: int
    host: str
    seen_at: int


class Registry(Protocol):
    """Holds definitions and the register of workers."""

    def publish(self, definition: Definition) -> bool:
        """Whether it is new; False if it was there already, VersionConflict if with another digest."""

    def get(self, key: str, version: str) -> Definition:
        """One version; UnknownWorkflow names what comes near if there is none."""

    def versions(self, key: str) -> list[Definition]:
        """All versions of a workflow, in the order of publication."""

    def numbers(self, key: str) -> frozenset[str]:
        """The numbers of all versions of a workflow: what is cheap to ask for at every start."""

    def workflows(self) -> list[str]:
        """The keys of all workflows, sorted."""

    def announce(self, worker: WorkerRecord) -> None:
        """The worker lives for the next 20 s."""

    def workers(self) -> list[WorkerRecord]:
        """The live workers, by name."""


class RedisRegistry:
    """The registry in Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)

    def publish(self, definition: Definition) -> bool:
        """Whether it is new; False if it was there already, VersionConflict if with another digest."""
        place = self._keys.definitions(definition.key)
        record = replace(definition, published_at_ms=self._connection.time_ms())
        created, _, kept = self._connection.execute_many(
            [
                ("HSETNX", place, definition.version, json.dumps(asdict(record))),
                ("SADD", self._keys.workflows(), definition.key),
                ("HGET", place, definition.version),
            ],
            atomically=True,
        )
        _refuse_change(Definition(**json.loads(kept)), definition)
        return bool(created)

    def get(self, key: str, version: str) -> Definition:
        """One version; UnknownWorkflow names what comes near if there is none."""
        record = self._connection.execute("HGET", self._keys.definitions(key), version)
        if record is None:
            raise _unknown(self, key, version)
        return Definition(**json.loads(record))

    def versions(self, key: str) -> list[Definition]:
        """All versions of a workflow, in the order of publication."""
        records = self._connection.execute("HVALS", self._keys.definitions(key))
        return sorted((Definition(**json.loads(record)) for record in records), key=_publication)

    def numbers(self, key: str) -> frozenset[str]:
        """The numbers of all versions of a workflow: what is cheap to ask for at every start."""
        return frozenset(self._connection.execute("HKEYS", self._keys.definitions(key)))

    def workflows(self) -> list[str]:
        """The keys of all workflows, sorted."""
        return sorted(self._connection.execute("SMEMBERS", self._keys.workflows()))

    def announce(self, worker: WorkerRecord) -> None:
        """The worker lives for the next 20 s."""
        register = self._keys.workers()
        self._connection.execute_many(
            [
                ("SET", self._keys.worker(worker.name), json.dumps(asdict(worker)), "PX", WORKER_LIFETIME_MS),
                ("ZADD", register, worker.seen_at, worker.name),
                ("ZREMRANGEBYSCORE", register, "-inf", worker.seen_at - _DAY_MS),
            ]
        )

    def workers(self) -> list[WorkerRecord]:
        """The live workers, by name."""
        names = sorted(self._connection.execute("ZRANGE", self._keys.workers(), 0, -1))
        if not names:
            return []
        records = self._connection.execute("MGET", *(self._keys.worker(name) for name in names))
        return [_worker(record) for record in records if record is not None]


class MemoryRegistry:
    """The registry of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._definitions: dict[str, dict[str, Definition]] = {}
        self._workers: dict[str, tuple[int, str]] = {}

    def publish(self, definition: Definition) -> bool:
        """Whether it is new; False if it was there already, VersionConflict if with another digest."""
        record = replace(definition, published_at_ms=self._clock())
        with self._lock:
            kept = self._definitions.setdefault(definition.key, {}).setdefault(definition.version, record)
        _refuse_change(kept, definition)
        return kept is record

    def get(self, key: str, version: str) -> Definition:
        """One version; UnknownWorkflow names what comes near if there is none."""
        with self._lock:
            definition = self._definitions.get(key, {}).get(version)
        if definition is None:
            raise _unknown(self, key, version)
        return definition

    def versions(self, key: str) -> list[Definition]:
        """All versions of a workflow, in the order of publication."""
        with self._lock:
            return sorted(self._definitions.get(key, {}).values(), key=_publication)

    def numbers(self, key: str) -> frozenset[str]:
        """The numbers of all versions of a workflow: what is cheap to ask for at every start."""
        with self._lock:
            return frozenset(self._definitions.get(key, {}))

    def workflows(self) -> list[str]:
        """The keys of all workflows, sorted."""
        with self._lock:
            return sorted(self._definitions)

    def announce(self, worker: WorkerRecord) -> None:
        """The worker lives for the next 20 s."""
        with self._lock:
            self._workers[worker.name] = (self._clock() + WORKER_LIFETIME_MS, json.dumps(asdict(worker)))

    def workers(self) -> list[WorkerRecord]:
        """The live workers, by name."""
        with self._lock:
            return [_worker(record) for _, (until, record) in sorted(self._workers.items()) if until > self._clock()]


def _refuse_change(kept: Definition, published: Definition) -> None:
    if kept.digest != published.digest:
        raise VersionConflict(
            f"{kept.key}@{kept.version} is already published with other content; publish a new version",
            key=kept.key,
            version=kept.version,
            published=kept.digest,
            given=published.digest,
        )


def _unknown(registry: Registry, key: str, version: str) -> UnknownWorkflow:
    versions = [definition.version for definition in registry.versions(key)]
    if versions:
        known, hint = versions, f"{key} has {', '.join(versions)}"
    else:
        known = get_close_matches(key, registry.workflows(), n=3)
        hint = f"did you mean {' or '.join(known)}?" if known else "publish it first"
    return UnknownWorkflow(f"{key}@{version} is not published; {hint}", key=key, version=version, near=known)


def _publication(definition: Definition) -> tuple[int, str]:
    return definition.published_at_ms, definition.version


def _worker(record: str) -> WorkerRecord:
    fields = json.loads(record)
    return WorkerRecord(**{**fields, "queues": tuple(fields["queues"]), "operations": tuple(fields["operations"])})
