"""What is published and who works: definitions, which never change, marks on them, and the register of workers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, Protocol

from orchestrator.errors import UnknownWorkflow, VersionConflict
from orchestrator.settings import Settings
from orchestrator.spec.traffic import Traffic
from orchestrator.store.connection import Connection
from orchestrator.store.keys import WORKER_LIFETIME_MS, Keys
from orchestrator.store.leadership import Leadership, RedisLeadership
from orchestrator.store.positions import Positions, RedisPositions

_DAY_MS = 86_400_000
_REVISION = "revision"
_TRAFFIC = "traffic"
_DEPRECATED = "deprecated:"


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
class Marks:
    """What operators say of a workflow's versions. It stands beside the definitions, which it does not change."""

    deprecated: Mapping[str, int] = field(default_factory=dict)
    """Version → since when, in ms."""
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What a live worker, beat or listener says of itself."""

    name: str
    queues: tuple[str, ...]
    operations: tuple[Mapping[str, Any], ...]
    """What each operation declares."""
    pid: int
    host: str
    concurrency: int = 0
    """How many steps it executes at once."""
    role: Literal["worker", "beat", "listener"] = "worker"
    seen_at: int = 0
    """Filled in by `announce`."""
    state: Literal["online", "draining", "stopping"] = "online"
    paused_queues: tuple[str, ...] = ()
    """Of one that is drained: the queues that it took from, and will again."""
    pool: str = ""
    started_at: int = 0
    """When it was ready, by its own clock, in ms."""
    software: str = ""
    processed: int = 0
    """Messages that it began to work off."""
    prefetched: int = 0
    """Messages that it holds and has not begun."""
    unacknowledged: Mapping[str, int] = field(default_factory=dict)
    """Queue → messages that it holds, begun or not."""
    active: tuple[Mapping[str, Any], ...] = ()
    """Messages that it works off: `name`, `run_id`, `step` that it began with, `since_ms`, `pid`."""
    vitals: Mapping[str, float] = field(default_factory=dict)
    """`rss_bytes` and `cpu_percent` of all its processes, `load` of its machine; what the system tells of them."""


class Registry(Protocol):
    """Holds definitions and the register of workers; and knows who leads, and how far readers of the feed are."""

    @property
    def leadership(self) -> Leadership:
        """Which beat leads."""

    @property
    def positions(self) -> Positions:
        """How far the readers of the feed are."""

    def leadership_of(self, name: str) -> Leadership:
        """Who leads at something else: one lease a name."""

    def publish(self, definition: Definition) -> bool:
        """Whether it is new; False if it was there already, VersionConflict if with another digest."""

    def get(self, key: str, version: str) -> Definition:
        """One version; UnknownWorkflow names what comes near if there is none."""

    def versions(self, key: str) -> list[Definition]:
        """All versions of a workflow, in the order of publication."""

    def revision(self, key: str | None = None) -> str:
        """Another text after each publication and each mark, of one workflow or of any: cheap to ask for every time."""

    def marks(self, key: str) -> Marks:
        """What operators say of a workflow's versions."""

    def deprecate(self, key: str, version: str, *, undo: bool = False) -> None:
        """Mark a version as deprecated, or take the mark off; UnknownWorkflow if it is not published."""

    def route(self, key: str, traffic: Traffic | None) -> None:
        """Share new runs out like this; None: no longer. UnknownWorkflow if one of the versions is not published."""

    def workflows(self) -> list[str]:
        """The keys of all workflows, sorted."""

    def announce(self, worker: WorkerRecord) -> None:
        """The worker lives for the next 20 s."""

    def retire(self, name: str) -> None:
        """Take it off the register: it has ended as it should, or nobody misses it."""

    def workers(self) -> list[WorkerRecord]:
        """The live workers, by name."""

    def lost(self) -> list[WorkerRecord]:
        """The workers that fell silent within the last day without a farewell, by name."""

    def beats(self) -> list[WorkerRecord]:
        """The live beats, by name."""

    def listeners(self) -> list[WorkerRecord]:
        """The live listeners, by name."""


class RedisRegistry:
    """The registry in Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)
        self.leadership: Leadership = RedisLeadership(self._connection, self._keys)
        self.positions: Positions = RedisPositions(self._connection, self._keys)

    def leadership_of(self, name: str) -> Leadership:
        """Who leads at something else: one lease a name."""
        return RedisLeadership(self._connection, self._keys, name)

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def publish(self, definition: Definition) -> bool:
        """Whether it is new; False if it was there already, VersionConflict if with another digest."""
        place = self._keys.definitions(definition.key)
        record = replace(definition, published_at_ms=self._connection.time_ms())
        created, _, kept, *_ = self._connection.execute_many(
            [
                ("HSETNX", place, definition.version, json.dumps(asdict(record))),
                ("SADD", self._keys.workflows(), definition.key),
                ("HGET", place, definition.version),
                *self._new_revisions(definition.key),
            ],
            atomically=True,
        )
        refuse_change(Definition(**json.loads(kept)), definition)
        return bool(created)

    def get(self, key: str, version: str) -> Definition:
        """One version; UnknownWorkflow names what comes near if there is none."""
        record = self._connection.execute("HGET", self._keys.definitions(key), version)
        if record is None:
            raise not_published(self, key, version)
        return Definition(**json.loads(record))

    def versions(self, key: str) -> list[Definition]:
        """All versions of a workflow, in the order of publication."""
        records = self._connection.execute("HVALS", self._keys.definitions(key))
        return sorted((Definition(**json.loads(record)) for record in records), key=publication)

    def revision(self, key: str | None = None) -> str:
        """Another text after each publication and each mark, of one workflow or of any: cheap to ask for every time."""
        if key is None:
            return self._connection.ask("GET", self._keys.revision()) or ""
        return self._connection.ask("HGET", self._keys.marks(key), _REVISION) or ""

    def marks(self, key: str) -> Marks:
        """What operators say of a workflow's versions."""
        marks = self._connection.execute("HGETALL", self._keys.marks(key))
        since = {name.removeprefix(_DEPRECATED): at for name, at in marks.items() if name.startswith(_DEPRECATED)}
        traffic = Traffic(**json.loads(marks[_TRAFFIC])) if _TRAFFIC in marks else None
        return Marks({version: int(at) for version, at in since.items()}, traffic)

    def deprecate(self, key: str, version: str, *, undo: bool = False) -> None:
        """Mark a version as deprecated, or take the mark off; UnknownWorkflow if it is not published."""
        self.get(key, version)
        place, mark = self._keys.marks(key), _DEPRECATED + version
        change = ("HDEL", place, mark) if undo else ("HSETNX", place, mark, self._connection.time_ms())
        self._connection.execute_many([change, *self._new_revisions(key)], atomically=True)

    def route(self, key: str, traffic: Traffic | None) -> None:
        """Share new runs out like this; None: no longer. UnknownWorkflow if one of the versions is not published."""
        check_published(self, key, traffic)
        place = self._keys.marks(key)
        change = (
            ("HDEL", place, _TRAFFIC) if traffic is None else ("HSET", place, _TRAFFIC, json.dumps(asdict(traffic)))
        )
        self._connection.execute_many([change, *self._new_revisions(key)], atomically=True)

    def workflows(self) -> list[str]:
        """The keys of all workflows, sorted."""
        return sorted(self._connection.execute("SMEMBERS", self._keys.workflows()))

    def announce(self, worker: WorkerRecord) -> None:
        """The worker lives for the next 20 s."""
        register, now_ms = self._keys.workers(), self._connection.time_ms()
        record = json.dumps(asdict(replace(worker, seen_at=now_ms)))
        self._connection.execute_many(
            [
                ("SET", self._keys.worker(worker.name), record, "PX", _DAY_MS),
                ("ZADD", register, now_ms, worker.name),
                ("ZREMRANGEBYSCORE", register, "-inf", now_ms - _DAY_MS),
            ]
        )

    def retire(self, name: str) -> None:
        """Take it off the register: it has ended as it should, or nobody misses it."""
        self._connection.execute_many(
            [("ZREM", self._keys.workers(), name), ("DEL", self._keys.worker(name), self._keys.held(name))]
        )

    def workers(self) -> list[WorkerRecord]:
        """The live workers, by name."""
        return [record for record in self._live() if record.role == "worker"]

    def lost(self) -> list[WorkerRecord]:
        """The workers that fell silent within the last day without a farewell, by name."""
        now_ms, records = self._records()
        return fell_silent(records, now_ms)

    def beats(self) -> list[WorkerRecord]:
        """The live beats, by name."""
        return [record for record in self._live() if record.role == "beat"]

    def listeners(self) -> list[WorkerRecord]:
        """The live listeners, by name."""
        return [record for record in self._live() if record.role == "listener"]

    def _live(self) -> list[WorkerRecord]:
        now_ms, records = self._records()
        return [record for record in records if lives(record, now_ms)]

    def _records(self) -> tuple[int, list[WorkerRecord]]:
        """Redis's moment, and everybody on the register, by name."""
        (seconds, microseconds), names = self._connection.execute_many(
            [("TIME",), ("ZRANGE", self._keys.workers(), 0, -1)]
        )
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        if not names:
            return now_ms, []
        texts = self._connection.execute("MGET", *(self._keys.worker(name) for name in sorted(names)))
        return now_ms, [record_of(text) for text in texts if text is not None]

    def _new_revisions(self, key: str) -> list[tuple[str, ...]]:
        """Drawn, not counted: a count that a crash of Redis set back would come to stand for something else."""
        drawn = secrets.token_hex(8)
        return [("HSET", self._keys.marks(key), _REVISION, drawn), ("SET", self._keys.revision(), drawn)]


def refuse_change(kept: Definition, published: Definition) -> None:
    """VersionConflict if what is kept under a number has other content than what is published under it."""
    if kept.digest != published.digest:
        raise VersionConflict(
            f"{kept.key}@{kept.version} is already published with other content; publish a new version",
            key=kept.key,
            version=kept.version,
            published=kept.digest,
            given=published.digest,
        )


def check_published(registry: Registry, key: str, traffic: Traffic | None) -> None:
    """UnknownWorkflow if one of the versions that new runs are shared out among is not published."""
    for version in traffic.weights if traffic else ():
        registry.get(key, version)


def not_published(registry: Registry, key: str, version: str) -> UnknownWorkflow:
    """What is raised for a version that is not there; it names what comes near."""
    versions = [definition.version for definition in registry.versions(key)]
    if versions:
        known, hint = versions, f"{key} has {', '.join(versions)}"
    else:
        known = get_close_matches(key, registry.workflows(), n=3)
        hint = f"did you mean {' or '.join(known)}?" if known else "publish it first"
    return UnknownWorkflow(f"{key}@{version} is not published; {hint}", key=key, version=version, near=known)


def publication(definition: Definition) -> tuple[int, str]:
    """Its place among the versions of a workflow: when it was published."""
    return definition.published_at_ms, definition.version


def lives(record: WorkerRecord, now_ms: int) -> bool:
    """Whether it was heard of lately."""
    return record.seen_at + WORKER_LIFETIME_MS > now_ms


def fell_silent(records: Iterable[WorkerRecord], now_ms: int) -> list[WorkerRecord]:
    """The workers that were heard of within the last day, but not lately."""
    silent = (record for record in records if record.role == "worker" and not lives(record, now_ms))
    return [record for record in silent if record.seen_at + _DAY_MS > now_ms]


def record_of(text: str) -> WorkerRecord:
    """What was announced; what a newer version says of itself besides is passed over."""
    given = json.loads(text)
    known: dict[str, Any] = {name: given[name] for name in _FIELDS & given.keys()}
    known |= {name: tuple(one) for name, one in known.items() if isinstance(one, list)}
    return WorkerRecord(**known)


_FIELDS = {one.name for one in fields(WorkerRecord)}
