"""The store that is used: Redis >= 6.2 or Valkey."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import logs
from orchestrator.clock import elapsed_s
from orchestrator.engine.commit import Answer, Commit, Reply
from orchestrator.settings import Settings
from orchestrator.store.access import AuditEntry, noting
from orchestrator.store.beside import fetch_beside, may_say_long, put_beside
from orchestrator.store.connection import BLOCK_MS, Batch, Call, Connection, Script
from orchestrator.store.keys import Keys
from orchestrator.store.payloads import is_reference, open_payloads
from orchestrator.store.port import DueRun, FeedEntry, HistoryEntry, Server
from orchestrator.store.wire import decode, encode

log = logs.get("store")

_COMMIT = Script("commit.lua")
_DUE = Script("due.lua")
_READ = Script("read.lua")

Push = tuple[str, str]
"""The key of a list, and a text that is put there."""

_BATCH = 500
"""Commits sent together, so that neither side holds more than these in memory."""

_SPARE = 8
"""How many more runs than its share a shard is asked for: newest runs are not spread evenly."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Commits that are sent together, and what goes along: texts for lists of this Redis, entries of the audit log."""

    commits: Sequence[Commit]
    pushes: Sequence[Push] = ()
    notes: Sequence[AuditEntry] = ()


class RedisStore:
    """Runs in Redis. Commits are one script call each."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.keys = Keys(settings.namespace, settings.shards)
        self._feed_length = settings.feed_length
        self._connection = Connection(url)
        self._payloads = open_payloads(settings.model_copy(update={"redis_url": url}))
        self._url, self._settings = url, settings

    def apply(self, commit: Commit) -> Reply:
        """Apply a commit atomically."""
        keys, args = self._call(commit)
        return self._whole(commit, decode(commit, self._connection.run(_COMMIT, keys, args)))

    def apply_many(self, commits: Sequence[Commit]) -> list[Reply]:
        """Apply commits, each atomically and in this order; others' may come between them."""
        if len(commits) == 1:
            return [self.apply(commits[0])]
        parcels = (Parcel(commits[first : first + _BATCH]) for first in range(0, len(commits), _BATCH))
        return [reply for replies, _ in self.apply_parcels(parcels) for reply in replies]

    def apply_parcel(self, parcel: Parcel) -> tuple[list[Reply], list[str]]:
        """As `apply_many`, with what goes along in the same round trip; besides the replies, the ids of the notes.

        That is written once the commits are tried, whatever came of these; nothing relies on it. The id of a note that
        was refused is empty.
        """
        return self._opened(parcel, *self._connection.run_and(_COMMIT, *self._packed(parcel)))

    def apply_parcels(self, parcels: Iterable[Parcel]) -> list[tuple[list[Reply], list[str]]]:
        """As `apply_parcel`, of one after the other; the next is written out while Redis works on the last."""
        kept: list[Parcel] = []

        def batches() -> Iterator[Batch]:
            for parcel in parcels:
                kept.append(parcel)
                yield self._packed(parcel)

        answers = self._connection.run_each(_COMMIT, batches())
        return [self._opened(parcel, *one) for parcel, one in zip(kept, answers, strict=True)]

    def _call(self, commit: Commit) -> Call:
        """What the script is called with; what is too long for a field is kept beside the run by then."""
        call = encode(commit, self.keys, self._feed_length)
        if not may_say_long(self._payloads, call[1][0]):
            return call
        kept = put_beside(self._payloads, commit)
        return call if kept is commit else encode(kept, self.keys, self._feed_length)

    def _packed(self, parcel: Parcel) -> Batch:
        lists: dict[str, list[str]] = {}
        for key, text in parcel.pushes:
            lists.setdefault(key, []).append(text)
        calls = [self._call(one) for one in parcel.commits]
        commands: list[Sequence[Any]] = [("LPUSH", key, *texts) for key, texts in lists.items()]
        if parcel.notes:
            commands.append(noting(self.keys, parcel.notes, self._settings.audit_length))
        return calls, commands

    def _opened(self, parcel: Parcel, answers: Sequence[Any], others: Sequence[Any]) -> tuple[list[Reply], list[str]]:
        for refused in others:
            if isinstance(refused, Exception):
                log.warning("not_pushed", error=str(refused))
        decoded = (decode(commit, answer) for commit, answer in zip(parcel.commits, answers, strict=True))
        replies = [self._whole(commit, reply) for commit, reply in zip(parcel.commits, decoded, strict=True)]
        noted = parcel.notes and not isinstance(others[-1], Exception)
        return replies, others[-1] if noted else [""] * len(parcel.notes)

    def read(self, run_id: str, fields: Sequence[str]) -> tuple[int, dict[str, str | None]]:
        """The moment, and the values of these fields then; None: absent."""
        if not fields:
            return self.time_ms(), {}
        now_ms, values = self._connection.run(_READ, (self.keys.run(run_id),), fields)
        return now_ms, fetch_beside(self._payloads, run_id, dict(zip(fields, values, strict=True)))

    def read_all(self, run_id: str) -> tuple[int, dict[str, str]]:
        """The moment, and every field of the run then; none if there is no such run."""
        now_ms, flat = self._connection.run(_READ, (self.keys.run(run_id),), ())
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return now_ms, {name: self._payloads.fetch(run_id, held) for name, held in pairs}

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""
        answers = self._connection.execute_many([("HMGET", self.keys.run(run_id), *fields) for run_id in run_ids])
        found = (dict(zip(fields, values, strict=True)) for values in answers)
        return [fetch_beside(self._payloads, run_id, values) for run_id, values in zip(run_ids, found, strict=True)]

    def entries(self, run_id: str) -> dict[str, float]:
        """The run's ledger: address → moment in ms, `inf` for never."""
        return dict(_scored(self._connection.execute("ZRANGE", self.keys.ledger(run_id), 0, -1, "WITHSCORES")))

    def shard_entry(self, run_id: str) -> float | None:
        """When the sweeper will look at the run; None if it never has to."""
        moment = self._connection.execute("ZSCORE", self.keys.shard_ledger(self.keys.shard_of(run_id)), run_id)
        return None if moment is None else float(moment)

    def due(self, shard: int, limit: int) -> list[DueRun]:
        """Runs of a shard that are due, longest due first, with at most `limit` addresses in all."""
        args = (limit, *self.keys.ledger_affixes(shard))
        now_ms, *runs = self._connection.run(_DUE, (self.keys.shard_ledger(shard),), args)
        return [DueRun(run_id, tuple(addresses), now_ms) for run_id, *addresses in runs]

    def history(self, run_id: str, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, oldest first."""
        return [history_entry(*entry) for entry in self._after(self.keys.history(run_id), after, limit)]

    def wait_history(self, run_id: str, after: str, timeout_s: float) -> list[HistoryEntry]:
        """As `history`, but wait until there is one; empty if none came in time."""
        key, deadline = self.keys.history(run_id), elapsed_s() + timeout_s
        while (left_ms := math.ceil((deadline - elapsed_s()) * 1000)) > 0:
            block_ms = min(left_ms, BLOCK_MS)
            found = self._connection.execute("XREAD", "COUNT", 1000, "BLOCK", block_ms, "STREAMS", key, after)
            if found:
                return [history_entry(*entry) for entry in found[0][1]]
        return self.history(run_id, after)

    def trim_history(self, run_id: str, length: int) -> None:
        """Let a history that goes on for ever keep about so many events, the newest."""
        self._connection.execute("XTRIM", self.keys.history(run_id), "MAXLEN", "~", length)

    def feed(self, shard: int, after: str = "0", limit: int = 1000) -> list[FeedEntry]:
        """Events of a shard that came after the one with this id, oldest first."""
        return [_feed_entry(*entry) for entry in self._after(self.keys.feed(shard), after, limit)]

    def feeds(self, positions: Mapping[int, str], limit: int) -> dict[int, list[FeedEntry]]:
        """For each shard its events from the one with this id on, that one included, oldest first."""
        commands = [
            ("XRANGE", self.keys.feed(shard), entry_id, "+", "COUNT", limit) for shard, entry_id in positions.items()
        ]
        answers = self._connection.execute_many(commands)
        pages = ([_feed_entry(*entry) for entry in answer] for answer in answers)
        return dict(zip(positions, pages, strict=True))

    def histories(self, run_ids: Sequence[str], after: str, limit: int) -> list[list[HistoryEntry]]:
        """As `history`, of many runs, in their order."""
        commands = [("XRANGE", self.keys.history(one), f"({after}", "+", "COUNT", limit) for one in run_ids]
        return [[history_entry(*entry) for entry in answer] for answer in self._connection.execute_many(commands)]

    def index(self, name: str, shard: int, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`."""
        key, found, offset = self.keys.index(shard, name), list[tuple[int, str]](), 0
        newest = "+inf" if before is None else before[0]
        while len(found) < limit:
            page = self._connection.execute(
                "ZREVRANGEBYSCORE", key, newest, "-inf", "WITHSCORES", "LIMIT", offset, limit
            )
            runs = _runs(page)
            found += [run for run in runs if before is None or run < before]
            offset += limit
            if len(runs) < limit:
                break
        return found[:limit]

    def newest(self, name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index over all shards, newest first, from below `before`."""
        keys = [self.keys.index(shard, name) for shard in range(self.keys.shards)]
        depth = limit // len(keys) + _SPARE
        older = "+inf" if before is None else f"({before[0]}"
        commands: list[Sequence[Any]] = [
            ("ZREVRANGEBYSCORE", key, older, "-inf", "WITHSCORES", "LIMIT", 0, depth) for key in keys
        ]
        if before is not None:
            commands += [("ZREVRANGEBYSCORE", key, before[0], before[0], "WITHSCORES") for key in keys]
        pages = [_runs(answer) for answer in self._connection.execute_many(commands)]
        known_down_to = max([page[-1] for page in pages[: len(keys)] if len(page) == depth], default=(0, ""))
        found = [run for page in pages for run in page if run >= known_down_to and (before is None or run < before)]
        return sorted(found, reverse=True)[:limit]

    def oldest(self, name: str, after: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """As `newest`, but oldest first, from above `after`."""
        keys = [self.keys.index(shard, name) for shard in range(self.keys.shards)]
        depth = limit // len(keys) + _SPARE
        newer = "-inf" if after is None else f"({after[0]}"
        commands: list[Sequence[Any]] = [
            ("ZRANGEBYSCORE", key, newer, "+inf", "WITHSCORES", "LIMIT", 0, depth) for key in keys
        ]
        if after is not None:
            commands += [("ZRANGEBYSCORE", key, after[0], after[0], "WITHSCORES") for key in keys]
        pages = [_runs(answer) for answer in self._connection.execute_many(commands)]
        known_up_to = min([page[-1] for page in pages[: len(keys)] if len(page) == depth], default=None)
        found = [run for page in pages for run in page if after is None or run > after]
        return sorted(run for run in found if known_up_to is None or run <= known_up_to)[:limit]

    def ended(self, shard: int, before_ms: int, limit: int, skip: int = 0, since_ms: int = 0) -> list[tuple[int, str]]:
        """(ended_at, run id) of the runs of a shard that ended before a moment, the first to end first.

        `skip`: how many of them are passed over; `since_ms`: only those that ended then or later.
        """
        bounds = since_ms, f"({before_ms}", "WITHSCORES", "LIMIT", skip, limit
        return _runs(self._connection.execute("ZRANGEBYSCORE", self.keys.ended(shard), *bounds))

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds, over all shards."""
        shards = range(self.keys.shards)
        sizes = self._connection.ask_many(
            [("ZCARD", self.keys.index(shard, name)) for name in names for shard in shards]
        )
        return {name: sum(sizes[i * len(shards) : (i + 1) * len(shards)]) for i, name in enumerate(names)}

    def time_ms(self) -> int:
        """The clock that all moments are of: Redis's."""
        return self._connection.time_ms()

    def server(self) -> Server:
        """What Redis says of itself."""
        facts = self._connection.execute("INFO")
        name = "valkey" if "valkey_version" in facts else "redis"
        return Server(
            name=name,
            version=tuple(int(part) for part in str(facts[f"{name}_version"]).split(".") if part.isdecimal()),
            eviction=str(facts["maxmemory_policy"]),
            persists=bool(int(facts["aof_enabled"])),
        )

    def ping(self) -> None:
        """Return if Redis answers."""
        self._connection.execute("PING")

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def sibling(self, name: str) -> RedisStore:
        """The store of another kind of records beside this one, in one shard; the same name, the same records."""
        own = {"namespace": f"{self._settings.namespace}:{name}", "shards": 1}
        return RedisStore(self._url, self._settings.model_copy(update=own))

    def _whole(self, commit: Commit, reply: Reply) -> Reply:
        """The reply with the texts that are kept beside the run; and nothing is kept of a run that was deleted."""
        if reply.first is Answer.APPLIED and any(stage.changes.forget is not None for stage in commit.stages):
            self._payloads.delete_run(commit.run_id)
        if not any(text and is_reference(text) for text in reply.values.values()):
            return reply
        return replace(reply, values=fetch_beside(self._payloads, commit.run_id, reply.values))

    def _after(self, stream: str, after: str, limit: int) -> Any:
        return self._connection.execute("XRANGE", stream, f"({after}", "+", "COUNT", limit)


def _runs(answer: Any) -> list[tuple[int, str]]:
    return [(int(moment), run_id) for run_id, moment in _scored(answer)]


def _scored(answer: Any) -> list[tuple[str, float]]:
    return [(member, float(score)) for member, score in zip(answer[::2], answer[1::2], strict=True)]


def history_entry(entry_id: str, fields: dict[str, str]) -> HistoryEntry:
    """An event as the stream of a run's history holds it."""
    return HistoryEntry(entry_id, int(entry_id.partition("-")[0]), json.loads(fields["event"]))


def _feed_entry(entry_id: str, fields: dict[str, str]) -> FeedEntry:
    return FeedEntry(entry_id, int(entry_id.partition("-")[0]), fields["run"], json.loads(fields["event"]))
