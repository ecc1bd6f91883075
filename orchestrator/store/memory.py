"""The store of tests: the same meanings in this process's memory, on a clock of the caller's."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

from orchestrator.clock import elapsed_s
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import (
    CREATED_AT,
    INCARNATION,
    PAUSED,
    PAUSED_AT,
    Answer,
    Changes,
    Commit,
    Due,
    Guards,
    Reply,
    Stage,
    Then,
    count_field,
    member_field,
)
from orchestrator.settings import Settings
from orchestrator.store.keys import shard_of
from orchestrator.store.port import SEQUENCE, DueRun, FeedEntry, HistoryEntry, Server
from orchestrator.store.wire import event_text

_Value = TypeVar("_Value")
_Logged = tuple[tuple[int, int], str, str]
"""An entry of a stream: id, run id, event."""


@dataclass(slots=True)
class _State:
    """Everything that the store holds; a run or shard that holds nothing has no place in it."""

    runs: dict[str, dict[str, str]] = field(default_factory=dict)
    ledgers: dict[str, dict[str, float]] = field(default_factory=dict)
    histories: dict[str, list[_Logged]] = field(default_factory=dict)
    shards: dict[int, dict[str, float]] = field(default_factory=dict)
    feeds: dict[int, list[_Logged]] = field(default_factory=dict)
    indexes: dict[tuple[int, str], dict[str, int]] = field(default_factory=dict)
    ended: dict[int, dict[str, int]] = field(default_factory=dict)
    tombstones: dict[int, dict[str, int]] = field(default_factory=dict)

    def copy(self) -> _State:
        """The same, sharing nothing that changes."""
        return _State(*({key: held.copy() for key, held in getattr(self, name.name).items()} for name in fields(self)))


class MemoryStore:
    """Runs in memory; usable from any thread. `clock` gives the moment in ms."""

    def __init__(self, settings: Settings, clock: Callable[[], int], *, _state: _State | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._state = _state or _State()
        self._changed = threading.Condition()
        self._siblings: dict[str, MemoryStore] = {}

    def copy(self) -> MemoryStore:
        """A store that holds the same and goes its own way."""
        with self._changed:
            return MemoryStore(self._settings, self._clock, _state=self._state.copy())

    def restore(self, earlier: MemoryStore) -> None:
        """Hold again what `earlier` holds, as a server does that lost its last writes."""
        state = earlier.copy()._state  # noqa: SLF001  # it is one of us
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def apply(self, commit: Commit) -> Reply:
        """Apply a commit atomically."""
        with self._changed:
            reply = _Application(self._state, commit, self._clock(), self._settings).reply()
            self._changed.notify_all()
        return reply

    def apply_many(self, commits: Sequence[Commit]) -> list[Reply]:
        """Apply commits, each atomically and in this order; others' may come between them."""
        return [self.apply(commit) for commit in commits]

    def read(self, run_id: str, fields: Sequence[str]) -> tuple[int, dict[str, str | None]]:
        """The moment, and the values of these fields then; None: absent."""
        with self._changed:
            run = self._state.runs.get(run_id, {})
            return self._clock(), {name: run.get(name) for name in fields}

    def read_all(self, run_id: str) -> tuple[int, dict[str, str]]:
        """The moment, and every field of the run then; none if there is no such run."""
        with self._changed:
            return self._clock(), dict(self._state.runs.get(run_id, {}))

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""
        return [self.read(run_id, fields)[1] for run_id in run_ids]

    def entries(self, run_id: str) -> dict[str, float]:
        """The run's ledger: address → moment in ms, `inf` for never."""
        with self._changed:
            return dict(self._state.ledgers.get(run_id, {}))

    def shard_entry(self, run_id: str) -> float | None:
        """When the sweeper will look at the run; None if it never has to."""
        with self._changed:
            return self._state.shards.get(self._shard_of(run_id), {}).get(run_id)

    def due(self, shard: int, limit: int) -> list[DueRun]:
        """Runs of a shard that are due, longest due first, with at most `limit` addresses in all."""
        with self._changed:
            now_ms, found = self._clock(), list[DueRun]()
            for run_id in _fallen_due(self._state.shards.get(shard, {}), now_ms)[:limit]:
                if limit <= 0:
                    break
                addresses = _fallen_due(self._state.ledgers.get(run_id, {}), now_ms)[:limit]
                limit -= len(addresses)
                found.append(DueRun(run_id, tuple(addresses), now_ms))
            return found

    def history(self, run_id: str, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, oldest first."""
        with self._changed:
            logged = _after(self._state.histories.get(run_id, []), after, limit)
        return [HistoryEntry(f"{ms}-{seq}", ms, json.loads(event)) for (ms, seq), _, event in logged]

    def wait_history(self, run_id: str, after: str, timeout_s: float) -> list[HistoryEntry]:
        """As `history`, but wait until there is one; empty if none came in time."""
        deadline = elapsed_s() + timeout_s
        with self._changed:
            while not (found := self.history(run_id, after)):
                left_s = deadline - elapsed_s()
                if left_s <= 0 or not self._changed.wait(left_s):
                    return self.history(run_id, after)
        return found

    def trim_history(self, run_id: str, length: int) -> None:
        """Let a history that goes on for ever keep about so many events, the newest."""
        with self._changed:
            del self._state.histories.get(run_id, [])[:-length]

    def feed(self, shard: int, after: str = "0", limit: int = 1000) -> list[FeedEntry]:
        """Events of a shard that came after the one with this id, oldest first."""
        with self._changed:
            logged = _after(self._state.feeds.get(shard, []), after, limit)
        return [FeedEntry(f"{ms}-{seq}", ms, run_id, json.loads(event)) for (ms, seq), run_id, event in logged]

    def feeds(self, positions: Mapping[int, str], limit: int) -> dict[int, list[FeedEntry]]:
        """For each shard its events from the one with this id on, that one included, oldest first."""
        return {shard: self.feed(shard, _just_before(entry_id), limit) for shard, entry_id in positions.items()}

    def histories(self, run_ids: Sequence[str], after: str, limit: int) -> list[list[HistoryEntry]]:
        """As `history`, of many runs, in their order."""
        return [self.history(run_id, after, limit) for run_id in run_ids]

    def index(self, name: str, shard: int, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`."""
        with self._changed:
            held = self._state.indexes.get((shard, name), {})
            runs = sorted(((created_at, run_id) for run_id, created_at in held.items()), reverse=True)
        return [run for run in runs if before is None or run < before][:limit]

    def newest(self, name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index over all shards, newest first, from below `before`."""
        shards = range(self._settings.shards)
        found = [run for shard in shards for run in self.index(name, shard, before, limit)]
        return sorted(found, reverse=True)[:limit]

    def oldest(self, name: str, after: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """As `newest`, but oldest first, from above `after`."""
        with self._changed:
            shards = [self._state.indexes.get((shard, name), {}) for shard in range(self._settings.shards)]
            runs = sorted((created_at, run_id) for held in shards for run_id, created_at in held.items())
        return [run for run in runs if after is None or run > after][:limit]

    def ended(self, shard: int, before_ms: int, limit: int, skip: int = 0, since_ms: int = 0) -> list[tuple[int, str]]:
        """(ended_at, run id) of the runs of a shard that ended before a moment, the first to end first.

        `skip`: how many of them are passed over; `since_ms`: only those that ended then or later.
        """
        with self._changed:
            runs = sorted((ended_at, run_id) for run_id, ended_at in self._state.ended.get(shard, {}).items())
        return [run for run in runs if since_ms <= run[0] < before_ms][skip : skip + limit]

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds, over all shards."""
        with self._changed:
            return {
                name: sum(len(self._state.indexes.get((shard, name), {})) for shard in range(self._settings.shards))
                for name in names
            }

    def time_ms(self) -> int:
        """The clock that all moments are of."""
        return self._clock()

    def server(self) -> Server:
        """This process's memory: it evicts nothing, and what it holds ends with it."""
        return Server("memory", (), eviction="noeviction", persists=False)

    def ping(self) -> None:
        """Return: it is always there."""

    def sibling(self, name: str) -> MemoryStore:
        """The store of another kind of records beside this one, in one shard; the same name, the same records."""
        with self._changed:
            if name not in self._siblings:
                self._siblings[name] = MemoryStore(self._settings.model_copy(update={"shards": 1}), self._clock)
            return self._siblings[name]

    def _shard_of(self, run_id: str) -> int:
        return shard_of(run_id, self._settings.shards)


class _Application:
    """One commit being applied, with the store's lock held."""

    def __init__(self, state: _State, commit: Commit, now_ms: int, settings: Settings) -> None:
        self._state = state
        self._commit = commit
        self._now_ms = now_ms
        self._settings = settings
        self._feed_length = settings.feed_length
        self._shard = shard_of(commit.run_id, settings.shards)
        self._fields = dict(state.runs.get(commit.run_id, {}))
        self._ledger = dict(state.ledgers.get(commit.run_id, {}))
        self._forgotten = False

    def reply(self) -> Reply:
        """Apply the stages and answer."""
        answers = tuple(self._answers())
        if Answer.APPLIED in answers and not self._forgotten:
            self._keep()
        return Reply(answers, self._now_ms, {name: self._fields.get(name) for name in self._commit.reads})

    def _answers(self) -> Iterator[Answer]:
        if not self._exists_as(self._commit.incarnation):
            yield Answer.GONE
            return
        for stage in self._commit.stages:
            answer = self._try(stage)
            yield answer
            if self._forgotten or not answer.stands:
                return

    def _exists_as(self, incarnation: str | None) -> bool:
        if incarnation is not None:
            return self._fields.get(INCARNATION) == incarnation
        remembered_until = self._state.tombstones.get(self._shard, {}).get(self._commit.run_id, 0)
        return not self._fields and remembered_until <= self._now_ms

    def _try(self, stage: Stage) -> Answer:
        due = all(self._is_due(address) for address in stage.due)
        if self._holds(stage.guards) and due and all(self._holds_of(*other) for other in stage.elsewhere):
            self._change_if(stage.before)
            if not self._forgotten:
                self._change(stage.changes)
            self._change_if(stage.then)
            return Answer.APPLIED
        return Answer.ALREADY if stage.already is not None and self._holds(stage.already) else Answer.REFUSED

    def _change_if(self, several: Sequence[Then]) -> None:
        for one in several:
            if not self._forgotten and self._holds(one.guards) and self._has_come(one.past):
                self._change(one.changes)

    def _has_come(self, moment: str | None) -> bool:
        if moment is None:
            return True
        now_ms = self._now_ms
        if self._fields.get(PAUSED) == "1":
            now_ms = min(now_ms, int(self._fields.get(PAUSED_AT, now_ms)))
        return moment in self._fields and int(self._fields[moment]) <= now_ms

    def _holds(self, guards: Guards) -> bool:
        return all(self._fields.get(name) == value for name, value in guards.items())

    def _holds_of(self, run_id: str, guards: Guards) -> bool:
        other = self._state.runs.get(run_id, {})
        return all(other.get(name) == value for name, value in guards.items())

    def _is_due(self, address: str) -> bool:
        return self._ledger.get(address, math.inf) <= self._now_ms

    def _change(self, changes: Changes) -> None:
        self._change_fields(changes)
        for members, member in changes.add:
            if member_field(members, member) not in self._fields:
                self._fields[member_field(members, member)] = "1"
                self._count(count_field(members), 1)
        for members, member in changes.remove:
            if self._fields.pop(member_field(members, member), None) is not None:
                self._count(count_field(members), -1)
        for address, due in changes.entries.items():
            if due is None:
                self._ledger.pop(address, None)
            else:
                self._ledger[address] = self._moment(due)
        if changes.expedite is not None:
            self._expedite(*changes.expedite)
        self._move_indexes(changes.index)
        for event in changes.events:
            self._log(event_text(event))
        if changes.end:
            self._ledger.clear()
            self._state.ended.setdefault(self._shard, {})[self._commit.run_id] = self._now_ms
        if changes.forget is not None:
            self._forget(changes.forget)
        for other in changes.also:
            self._apply_to_other(other)

    def _apply_to_other(self, commit: Commit) -> None:
        if shard_of(commit.run_id, self._settings.shards) != self._shard:
            raise ValueError(f"{commit.run_id} and {self._commit.run_id} live in different shards")
        _Application(self._state, commit, self._now_ms, self._settings).reply()

    def _change_fields(self, changes: Changes) -> None:
        self._fields.update({name: str(value) for name, value in changes.set.items()})
        for name in changes.delete:
            self._fields.pop(name, None)
        for name, ms in changes.stamp.items():
            self._fields[name] = str(self._now_ms + ms)
        for name in changes.number:
            self._fields[name] = self._count(SEQUENCE, 1)

    def _count(self, name: str, step: int) -> str:
        self._fields[name] = str(int(self._fields.get(name, "0")) + step)
        return self._fields[name]

    def _moment(self, due: Due) -> float:
        within = math.inf if due.within_ms is None else self._now_ms + due.within_ms
        cap = self._fields.get(due.cap) if due.cap is not None else None
        return min(within, *(math.inf if moment is None else int(moment) for moment in (due.at_ms, cap)))

    def _expedite(self, suffix: str, value: str) -> None:
        for address, moment in self._ledger.items():
            if address != RUN and moment > self._now_ms and self._fields.get(address + suffix) != value:
                self._ledger[address] = self._now_ms

    def _move_indexes(self, index: Mapping[str, bool]) -> None:
        for name, held in index.items():
            runs = self._state.indexes.setdefault((self._shard, name), {})
            if held:
                runs[self._commit.run_id] = int(self._fields.get(CREATED_AT, "0"))
            else:
                runs.pop(self._commit.run_id, None)

    def _log(self, event: str) -> None:
        run_id = self._commit.run_id
        feed = self._state.feeds.setdefault(self._shard, [])
        last_ms, last_seq = feed[-1][0] if feed else (0, 0)
        entry_id = (self._now_ms, 0) if self._now_ms > last_ms else (last_ms, last_seq + 1)
        for stream in (self._state.histories.setdefault(run_id, []), feed):
            stream.append((entry_id, run_id, event))
        del feed[: -self._feed_length]

    def _forget(self, ms: int) -> None:
        run_id, state = self._commit.run_id, self._state
        for held in (state.runs, state.ledgers, state.histories):
            held.pop(run_id, None)
        for runs in (state.shards, state.ended):
            runs.get(self._shard, {}).pop(run_id, None)
        if ms > 0:
            state.tombstones.setdefault(self._shard, {})[run_id] = self._now_ms + ms
        self._fields, self._forgotten = {}, True

    def _keep(self) -> None:
        run_id, runs = self._commit.run_id, self._state.shards.setdefault(self._shard, {})
        _put(self._state.runs, run_id, self._fields)
        _put(self._state.ledgers, run_id, self._ledger)
        if not self._ledger:
            runs.pop(run_id, None)
        else:
            runs[run_id] = math.inf if self._fields.get(PAUSED) == "1" else min(self._ledger.values())
        if self._commit.incarnation not in (None, self._fields.get(INCARNATION)):
            self._state.ended.get(self._shard, {}).pop(run_id, None)


def _put(place: dict[str, dict[str, _Value]], run_id: str, held: dict[str, _Value]) -> None:
    if held:
        place[run_id] = held
    else:
        place.pop(run_id, None)


def _fallen_due(moments: Mapping[str, float], now_ms: int) -> list[str]:
    return [key for moment, key in sorted((moment, key) for key, moment in moments.items()) if moment <= now_ms]


def _just_before(entry_id: str) -> str:
    ms, _, seq = entry_id.partition("-")
    return f"{ms}-{int(seq) - 1}"


def _after(stream: Sequence[_Logged], after: str, limit: int) -> list[_Logged]:
    ms, _, seq = after.partition("-")
    return [entry for entry in stream if entry[0] > (int(ms), int(seq or 0))][:limit]
