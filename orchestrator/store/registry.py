"""What is published and who works: definitions, which never change, marks on them, and the register of workers."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, Protocol

from orchestrator.errors import UnknownWorkflow, VersionConflict
from orchestrator.settings import Settings
from orchestrator.spec.traffic import Traffic
from orchestrator.store.connection import Connection
from orchestrator.store.keys import WORKER_LIFETIME_MS, Keys
from orchestrator.store.leadership import Leadership, MemoryLeadership, RedisLeadership
from orchestrator.store.positions import MemoryPositions, Positions, RedisPositions

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
        _check_published(self, key, traffic)
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
        return _lost(records, now_ms)

    def beats(self) -> list[WorkerRecord]:
        """The live beats, by name."""
        return [record for record in self._live() if record.role == "beat"]

    def listeners(self) -> list[WorkerRecord]:
        """The live listeners, by name."""
        return [record for record in self._live() if record.role == "listener"]

    def _live(self) -> list[WorkerRecord]:
        now_ms, records = self._records()
        return [record for record in records if _lives(record, now_ms)]

    def _records(self) -> tuple[int, list[WorkerRecord]]:
        """Redis's moment, and everybody on the register, by name."""
        (seconds, microseconds), names = self._connection.execute_many(
            [("TIME",), ("ZRANGE", self._keys.workers(), 0, -1)]
        )
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        if not names:
            return now_ms, []
        texts = self._connection.execute("MGET", *(self._keys.worker(name) for name in sorted(names)))
        return now_ms, [_worker(text) for text in texts if text is not None]

    def _new_revisions(self, key: str) -> list[tuple[str, ...]]:
        """Drawn, not counted: a count that a crash of Redis set back would come to stand for something else."""
        drawn = secrets.token_hex(8)
        return [("HSET", self._keys.marks(key), _REVISION, drawn), ("SET", self._keys.revision(), drawn)]


class MemoryRegistry:
    """The registry of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.leadership: Leadership = MemoryLeadership(clock)
        self.positions: Positions = MemoryPositions()
        self._leaderships: dict[str, Leadership] = {}
        self._definitions: dict[str, dict[str, Definition]] = {}
        self._marks: dict[str, Marks] = {}
        self._revisions: dict[str, int] = {}
        self._workers: dict[str, str] = {}

    def leadership_of(self, name: str) -> Leadership:
        """Who leads at something else: one lease a name."""
        with self._lock:
            return self._leaderships.setdefault(name, MemoryLeadership(self._clock))

    def publish(self, definition: Definition) -> bool:
        """Whether it is new; False if it was there already, VersionConflict if with another digest."""
        record = replace(definition, published_at_ms=self._clock())
        with self._lock:
            kept = self._definitions.setdefault(definition.key, {}).setdefault(definition.version, record)
            self._revise(definition.key)
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

    def revision(self, key: str | None = None) -> str:
        """Another text after each publication and each mark, of one workflow or of any: cheap to ask for every time."""
        with self._lock:
            return str(sum(self._revisions.values()) if key is None else self._revisions.get(key, ""))

    def marks(self, key: str) -> Marks:
        """What operators say of a workflow's versions."""
        with self._lock:
            return self._marks.get(key, Marks())

    def deprecate(self, key: str, version: str, *, undo: bool = False) -> None:
        """Mark a version as deprecated, or take the mark off; UnknownWorkflow if it is not published."""
        self.get(key, version)
        with self._lock:
            marks = self._marks.get(key, Marks())
            others = {one: at for one, at in marks.deprecated.items() if one != version}
            mark = {} if undo else {version: marks.deprecated.get(version, self._clock())}
            self._marks[key] = replace(marks, deprecated={**others, **mark})
            self._revise(key)

    def route(self, key: str, traffic: Traffic | None) -> None:
        """Share new runs out like this; None: no longer. UnknownWorkflow if one of the versions is not published."""
        _check_published(self, key, traffic)
        with self._lock:
            self._marks[key] = replace(self._marks.get(key, Marks()), traffic=traffic)
            self._revise(key)

    def workflows(self) -> list[str]:
        """The keys of all workflows, sorted."""
        with self._lock:
            return sorted(self._definitions)

    def announce(self, worker: WorkerRecord) -> None:
        """The worker lives for the next 20 s."""
        now_ms = self._clock()
        with self._lock:
            self._workers[worker.name] = json.dumps(asdict(replace(worker, seen_at=now_ms)))

    def retire(self, name: str) -> None:
        """Take it off the register: it has ended as it should, or nobody misses it."""
        with self._lock:
            self._workers.pop(name, None)

    def workers(self) -> list[WorkerRecord]:
        """The live workers, by name."""
        return [record for record in self._live() if record.role == "worker"]

    def beats(self) -> list[WorkerRecord]:
        """The live beats, by name."""
        return [record for record in self._live() if record.role == "beat"]

    def listeners(self) -> list[WorkerRecord]:
        """The live listeners, by name."""
        return [record for record in self._live() if record.role == "listener"]

    def lost(self) -> list[WorkerRecord]:
        """The workers that fell silent within the last day without a farewell, by name."""
        return _lost(self._records(), self._clock())

    def _live(self) -> list[WorkerRecord]:
        return [record for record in self._records() if _lives(record, self._clock())]

    def _records(self) -> list[WorkerRecord]:
        with self._lock:
            return [_worker(record) for _, record in sorted(self._workers.items())]

    def _revise(self, key: str) -> None:
        self._revisions[key] = self._revisions.get(key, 0) + 1


def _refuse_change(kept: Definition, published: Definition) -> None:
    if kept.digest != published.digest:
        raise VersionConflict(
            f"{kept.key}@{kept.version} is already published with other content; publish a new version",
            key=kept.key,
            version=kept.version,
            published=kept.digest,
            given=published.digest,
        )


def _check_published(registry: Registry, key: str, traffic: Traffic | None) -> None:
    for version in traffic.weights if traffic else ():
        registry.get(key, version)


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


def _lives(record: WorkerRecord, now_ms: int) -> bool:
    return record.seen_at + WORKER_LIFETIME_MS > now_ms


def _lost(records: Iterable[WorkerRecord], now_ms: int) -> list[WorkerRecord]:
    silent = (record for record in records if record.role == "worker" and not _lives(record, now_ms))
    return [record for record in silent if record.seen_at + _DAY_MS > now_ms]


def _worker(text: str) -> WorkerRecord:
    """What was announced; what a newer version says of itself besides is passed over."""
    given = json.loads(text)
    known: dict[str, Any] = {name: given[name] for name in _FIELDS & given.keys()}
    known |= {name: tuple(one) for name, one in known.items() if isinstance(one, list)}
    return WorkerRecord(**known)


_FIELDS = {one.name for one in fields(WorkerRecord)}
