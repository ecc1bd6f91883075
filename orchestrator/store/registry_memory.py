"""The registry in memory: the same answers on a clock of the caller's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, replace

from orchestrator.spec.traffic import Traffic
from orchestrator.store.leadership import Leadership, MemoryLeadership
from orchestrator.store.positions import MemoryPositions, Positions
from orchestrator.store.registry import (
    Definition,
    Marks,
    WorkerRecord,
    check_published,
    fell_silent,
    lives,
    not_published,
    publication,
    record_of,
    refuse_change,
)


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
        refuse_change(kept, definition)
        return kept is record

    def get(self, key: str, version: str) -> Definition:
        """One version; UnknownWorkflow names what comes near if there is none."""
        with self._lock:
            definition = self._definitions.get(key, {}).get(version)
        if definition is None:
            raise not_published(self, key, version)
        return definition

    def versions(self, key: str) -> list[Definition]:
        """All versions of a workflow, in the order of publication."""
        with self._lock:
            return sorted(self._definitions.get(key, {}).values(), key=publication)

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
        check_published(self, key, traffic)
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
        return fell_silent(self._records(), self._clock())

    def _live(self) -> list[WorkerRecord]:
        return [record for record in self._records() if lives(record, self._clock())]

    def _records(self) -> list[WorkerRecord]:
        with self._lock:
            return [record_of(record) for _, record in sorted(self._workers.items())]

    def _revise(self, key: str) -> None:
        self._revisions[key] = self._revisions.get(key, 0) + 1
