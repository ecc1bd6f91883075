"""Commits as `commit.lua` takes them, and its answers as replies.

KEYS: run, its ledger, its history, the shard's ledger, its feed, its ended runs; then, of a start or a deletion, the
tombstone; then the indexes that the commit names. Commits to other runs add theirs: run, ledger, history, and so on.
ARGV: the commit as JSON, the run's id, the length of the feed, then the events, each a text that Lua passes through.

The JSON leaves out what is empty:

    commit   inc: incarnation   tomb: position in KEYS   stages: [stage]   reads: [field]
             caps: [field], those that entries and conditions depend on
    stage    w: guards   d: due addresses   a: `already`   c: changes
             b, t: [{w: guards, p: the field of a moment, c: changes}], made before and after
             o: [{run: position in KEYS, w: guards}], of other runs
    changes  set   del   stamp   num   add, sub: [count field, member field, …]
             ledger: {address: null | [within, at, cap]}
             hurry: [suffix, value]   into, out: positions in KEYS   log: positions in ARGV   over: ends the ledger
             forget: milliseconds   also: [commit, with id: the other run's, run: position in KEYS]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from orchestrator.engine.commit import (
    PAUSED_AT,
    Answer,
    Changes,
    Commit,
    Due,
    Reply,
    Stage,
    Then,
    count_field,
    member_field,
)
from orchestrator.store.keys import Keys

_ascii_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

_ANSWERS = {"a": Answer.APPLIED, "y": Answer.ALREADY, "r": Answer.REFUSED, "g": Answer.GONE}


class _Call:
    """The keys and arguments of one call, as they grow while its stages are encoded."""

    __slots__ = ("_caps", "_index_keys", "_keys", "_run_id", "_shard", "args", "keys")

    def __init__(self, commit: Commit, keys: Keys, feed_length: int) -> None:
        run_id = commit.run_id
        self._keys = keys
        self._run_id = run_id
        self._shard = -1
        self._index_keys: dict[str, int] = {}
        self._caps: list[str] = []
        self.keys = keys.of_commit(run_id)
        self.args = [b"", run_id.encode(), str(feed_length).encode()]
        self.args[0] = to_json(self._commit(commit))

    def _commit(self, commit: Commit) -> dict[str, Any]:
        tombstone = self._tombstone(commit.run_id) if commit.incarnation is None or _forgets(commit) else None
        around, self._caps = self._caps, []
        body: dict[str, Any] = {"stages": [self._stage(stage) for stage in commit.stages], "reads": commit.reads}
        if self._caps:
            body["caps"] = self._caps
        self._caps = around
        if tombstone is not None:
            body["tomb"] = tombstone
        if commit.incarnation is not None:
            body["inc"] = commit.incarnation
        return body

    def _other(self, commit: Commit) -> dict[str, Any]:
        """A commit to another run, with where its keys stand."""
        position = self._run_keys(commit.run_id)
        return {**self._commit(commit), "id": commit.run_id, "run": position}

    def _run_keys(self, run_id: str) -> int:
        """Where the keys of another run stand: it, its ledger, its history."""
        if self._keys.shard_of(run_id) != self._keys.shard_of(self._run_id):
            raise ValueError(f"{run_id} and {self._run_id} live in different shards")
        self.keys += self._keys.of_commit(run_id)[:3]
        return len(self.keys) - 2

    def _stage(self, stage: Stage) -> dict[str, Any]:
        encoded: dict[str, Any] = {"c": self._changes(stage.changes)}
        if stage.guards:
            encoded["w"] = _texts(stage.guards)
        if stage.due:
            encoded["d"] = stage.due
        if stage.already is not None:
            encoded["a"] = _texts(stage.already)
        if stage.elsewhere:
            encoded["o"] = [{"run": self._run_keys(run_id), "w": _texts(guards)} for run_id, guards in stage.elsewhere]
        if stage.before:
            encoded["b"] = [self._then(then) for then in stage.before]
        if stage.then:
            encoded["t"] = [self._then(then) for then in stage.then]
        return encoded

    def _then(self, then: Then) -> dict[str, Any]:
        encoded: dict[str, Any] = {"w": _texts(then.guards), "c": self._changes(then.changes)}
        if then.past is not None:
            self._caps += (then.past, PAUSED_AT)
            encoded["p"] = then.past
        return encoded

    def _due(self, due: Due) -> Sequence[int | str | None]:
        if due.cap is None:
            return due.within_ms, due.at_ms
        self._caps.append(due.cap)
        return due.within_ms, due.at_ms, due.cap

    def _changes(self, changes: Changes) -> dict[str, Any]:
        encoded: dict[str, Any] = {}
        if changes.set:
            encoded["set"] = _texts(changes.set)
        if changes.delete:
            encoded["del"] = changes.delete
        if changes.stamp:
            encoded["stamp"] = dict(changes.stamp)
        if changes.number:
            encoded["num"] = changes.number
        if changes.add:
            encoded["add"] = _members(changes.add)
        if changes.remove:
            encoded["sub"] = _members(changes.remove)
        if changes.entries:
            encoded["ledger"] = {
                address: None if due is None else self._due(due) for address, due in changes.entries.items()
            }
        if changes.expedite is not None:
            encoded["hurry"] = changes.expedite
        if changes.index:
            encoded["into"] = [self._index(name) for name, held in changes.index.items() if held]
            encoded["out"] = [self._index(name) for name, held in changes.index.items() if not held]
        if changes.events:
            encoded["log"] = [self._event(event) for event in changes.events]
        if changes.also:
            encoded["also"] = [self._other(commit) for commit in changes.also]
        return encoded | _ending(changes)

    def _tombstone(self, run_id: str) -> int:
        self.keys.append(self._keys.tombstone(run_id))
        return len(self.keys)

    def _index(self, name: str) -> int:
        if name not in self._index_keys:
            if self._shard < 0:
                self._shard = self._keys.shard_of(self._run_id)
            self.keys.append(self._keys.index(self._shard, name))
            self._index_keys[name] = len(self.keys)
        return self._index_keys[name]

    def _event(self, event: Any) -> int:
        self.args.append(_event_bytes(event))
        return len(self.args)


def encode(commit: Commit, keys: Keys, feed_length: int) -> tuple[Sequence[str], Sequence[bytes]]:
    """KEYS and ARGV of the call that applies a commit."""
    call = _Call(commit, keys, feed_length)
    return call.keys, call.args


def decode(commit: Commit, answer: Sequence[Any]) -> Reply:
    """The reply that the script's answer means: one letter a stage tried, the moment, the values of `reads`."""
    letters, now_ms, values = answer
    return Reply(tuple([_ANSWERS[letter] for letter in letters]), now_ms, dict(zip(commit.reads, values, strict=True)))


def event_text(event: Any) -> str:
    """An event as it is kept; in ASCII, so that no text that a message contains can be refused."""
    return _event_bytes(event).decode()


def _event_bytes(event: Any) -> bytes:
    """As `event_text`; what is ASCII anyway is written by the faster of two writers."""
    with suppress(PydanticSerializationError):  # half a surrogate pair
        written = to_json(event)
        if written.isascii():
            return written
    return _ascii_json(dict(event)).encode()


def _ending(changes: Changes) -> dict[str, int]:
    over = {"over": 1} if changes.end else {}
    return over if changes.forget is None else {**over, "forget": changes.forget}


def _forgets(commit: Commit) -> bool:
    stages = commit.stages
    conditional = [then.changes for stage in stages for then in (*stage.before, *stage.then)]
    changes = [stage.changes for stage in stages] + conditional
    return any(one.forget is not None for one in changes)


def _texts(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """The same as plain text: an enum's member has its value looked up, which takes longer than all the rest."""
    return {name: value if value is None else str(value) for name, value in values.items()}


def _members(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [field for members, member in pairs for field in (count_field(members), member_field(members, member))]
