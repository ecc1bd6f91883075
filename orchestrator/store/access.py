"""Who may use the HTTP API, and who did what: API keys, their rates, and the audit log."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from orchestrator.errors import UnknownKey
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection, Script
from orchestrator.store.keys import Keys

_ACCESS = Script("access.lua")
_NOTE: Final = """local ids = {}
for i = 2, #ARGV do ids[i - 1] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'entry', ARGV[i]) end
return ids"""
"""One command for many entries, of which packing costs more than adding them. It goes whole: it is that short."""

INTAKE: Final = frozenset({"start", "emit"})
"""Actions that producers do by the thousand: kept apart, so that they push no other entry out of the log."""
_BEHIND: Final = 1_000_000_000
"""Added to the number of an entry of these where it is read: of one millisecond they come behind all others."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key as it is kept. The secret itself is not: `hash` is its SHA-256. Moments in ms."""

    id: str
    hash: str
    user: str
    role: str
    groups: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    """Patterns (as in `fnmatch`) of the workflows that it may see; none: all."""
    expires_at: int | None = None
    created_by: str = ""
    created_at: int = 0
    """Filled in by `add`."""
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What is known of a key that came with a request, at that moment."""

    record: KeyRecord | None
    """None: there is no such key, or the secret is another."""
    now_ms: int
    wait_ms: int = 0
    """Over 0: the key is over its rate, and may ask again after so long."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which, from where, why, and what came of it."""

    action: str
    target: str
    user: str
    outcome: str
    """`done`, or the code of the error that it ended with; `forbidden` if it was not allowed."""
    key: str = ""
    """The id of the API key, if one was used."""
    source: str = ""
    """The address that it came from; nothing for a process that speaks to Redis itself."""
    agent: str = ""
    reason: str = ""
    id: str = ""
    """Filled in by the store; `ms-seq`, and growing."""

    @property
    def at_ms(self) -> int:
        """When it was written."""
        return int(self.id.partition("-")[0] or 0)


class Access(Protocol):
    """Holds API keys, their rates and the audit log."""

    def add(self, record: KeyRecord) -> KeyRecord:
        """Keep a new key; as it is kept."""

    def all_keys(self) -> list[KeyRecord]:
        """All keys, the oldest first, revoked ones too."""

    def revoke(self, key_id: str) -> KeyRecord:
        """The key is of no use from now on; UnknownKey if there is none. Twice is once."""

    def admit(self, key_id: str, secret_hash: str, rate_per_s: float, burst: int) -> Admission:
        """The key, if the secret is its own, and whether it is within its rate."""

    def take(self, source: str, rate_per_s: float, burst: int) -> int:
        """How many ms an address without a key has to wait; 0: it was within its rate."""

    def session_secret(self) -> str:
        """What sessions are signed with: drawn once, and the same for every process."""

    def end_session(self, token: str, lifetime_s: int) -> None:
        """The session with this token is over; that is remembered for so long."""

    def has_ended(self, token: str) -> bool:
        """Whether the session with this token was ended."""

    def write(self, entry: AuditEntry) -> str:
        """Add an entry to the audit log; its id."""

    def amend(self, entry_id: str, entry: AuditEntry) -> None:
        """Put an entry in place of one that was written before it was known what came of it."""

    def read(self, before: str | None, limit: int, action: str = "") -> list[AuditEntry]:
        """Entries of the audit log, newest first, from below the one with this id.

        Those of other actions may be left out, if one is named.
        """

    def now_ms(self) -> int:
        """The clock that all moments are of."""


class RedisAccess:
    """Keys, rates and audit log in Redis. A request is admitted by one script call."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)
        self._length = settings.audit_length

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def add(self, record: KeyRecord) -> KeyRecord:
        """Keep a new key; as it is kept."""
        kept = replace(record, created_at=self._connection.time_ms())
        self._connection.execute("HSET", self._keys.access(), kept.id, json.dumps(asdict(kept)))
        return kept

    def all_keys(self) -> list[KeyRecord]:
        """All keys, the oldest first, revoked ones too."""
        return sorted(map(_record, self._connection.execute("HVALS", self._keys.access())), key=_creation)

    def revoke(self, key_id: str) -> KeyRecord:
        """The key is of no use from now on; UnknownKey if there is none. Twice is once."""
        found = self._connection.execute("HGET", self._keys.access(), key_id)
        if found is None:
            raise _unknown(key_id)
        record = _record(found)
        if record.revoked_at is None:
            record = replace(record, revoked_at=self._connection.time_ms())
            self._connection.execute("HSET", self._keys.access(), key_id, json.dumps(asdict(record)))
        return record

    def admit(self, key_id: str, secret_hash: str, rate_per_s: float, burst: int) -> Admission:
        """The key, if the secret is its own, and whether it is within its rate."""
        places = self._keys.access(), self._keys.bucket(key_id)
        found, now_ms, wait_ms = self._connection.run(_ACCESS, places, (key_id, secret_hash, rate_per_s, burst))
        return Admission(_record(found) if found else None, now_ms, wait_ms)

    def take(self, source: str, rate_per_s: float, burst: int) -> int:
        """How many ms an address without a key has to wait; 0: it was within its rate."""
        places = self._keys.access(), self._keys.bucket(source)
        return int(self._connection.run(_ACCESS, places, ("", "", rate_per_s, burst))[2])

    def session_secret(self) -> str:
        """What sessions are signed with: drawn once, and the same for every process."""
        key = self._keys.session_secret()
        self._connection.execute("SET", key, secrets.token_hex(32), "NX")
        return str(self._connection.execute("GET", key))

    def end_session(self, token: str, lifetime_s: int) -> None:
        """The session with this token is over; that is remembered for so long."""
        self._connection.execute("SET", self._keys.ended_session(token), "1", "EX", max(1, lifetime_s))

    def has_ended(self, token: str) -> bool:
        """Whether the session with this token was ended."""
        return bool(self._connection.execute("EXISTS", self._keys.ended_session(token)))

    def write(self, entry: AuditEntry) -> str:
        """Add an entry to the audit log; its id."""
        return str(self._connection.execute(*noting(self._keys, [entry], self._length))[0])

    def amend(self, entry_id: str, entry: AuditEntry) -> None:
        """Put an entry in place of one that was written before it was known what came of it."""
        outdated = "XDEL", _place_of(self._keys, entry.action), _stored(entry_id)
        self._connection.execute_many([outdated, noting(self._keys, [entry], self._length)], atomically=True)

    def read(self, before: str | None, limit: int, action: str = "") -> list[AuditEntry]:
        """Entries of the audit log, newest first, from below the one with this id."""
        places = [self._keys.audit_intake()] if action in INTAKE else [self._keys.audit()]
        if not action:
            places.append(self._keys.audit_intake())
        commands = [
            ("XREVRANGE", place, _end(before, behind=place == self._keys.audit_intake()), "-", "COUNT", limit)
            for place in places
        ]
        answers = self._connection.execute_many(commands)
        found = [_entry(*one) for page in answers for one in page]
        return sorted(found, key=lambda one: _place(one.id), reverse=True)[:limit]

    def now_ms(self) -> int:
        """The clock that all moments are of: Redis's."""
        return self._connection.time_ms()


class MemoryAccess:
    """Keys, rates and audit log of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._records: dict[str, KeyRecord] = {}
        self._buckets: dict[str, tuple[float, int]] = {}
        self._entries: list[AuditEntry] = []
        self._session_secret = secrets.token_hex(32)
        self._ended: dict[str, int] = {}

    def add(self, record: KeyRecord) -> KeyRecord:
        """Keep a new key; as it is kept."""
        with self._lock:
            kept = self._records[record.id] = replace(record, created_at=self._clock())
            return kept

    def all_keys(self) -> list[KeyRecord]:
        """All keys, the oldest first, revoked ones too."""
        with self._lock:
            return sorted(self._records.values(), key=_creation)

    def revoke(self, key_id: str) -> KeyRecord:
        """The key is of no use from now on; UnknownKey if there is none. Twice is once."""
        with self._lock:
            if key_id not in self._records:
                raise _unknown(key_id)
            record = self._records[key_id]
            kept = self._records[key_id] = replace(record, revoked_at=record.revoked_at or self._clock())
            return kept

    def admit(self, key_id: str, secret_hash: str, rate_per_s: float, burst: int) -> Admission:
        """The key, if the secret is its own, and whether it is within its rate."""
        with self._lock:
            record, now_ms = self._records.get(key_id), self._clock()
            if record is None or record.hash != secret_hash:
                return Admission(None, now_ms)
            return Admission(record, now_ms, self._take(key_id, now_ms, rate_per_s, burst))

    def take(self, source: str, rate_per_s: float, burst: int) -> int:
        """How many ms an address without a key has to wait; 0: it was within its rate."""
        with self._lock:
            return self._take(source, self._clock(), rate_per_s, burst)

    def _take(self, bucket: str, now_ms: int, rate_per_s: float, burst: int) -> int:
        tokens, at = self._buckets.get(bucket, (float(burst), now_ms))
        tokens = min(burst, tokens + (now_ms - at) * rate_per_s / 1000)
        wait_ms = 0 if tokens >= 1 else -int(-(1 - tokens) * 1000 // rate_per_s)
        self._buckets[bucket] = (tokens if wait_ms else tokens - 1), now_ms
        return wait_ms

    def session_secret(self) -> str:
        """What sessions are signed with: drawn once."""
        return self._session_secret

    def end_session(self, token: str, lifetime_s: int) -> None:
        """The session with this token is over; that is remembered for so long."""
        self._ended[token] = self._clock() + lifetime_s * 1000

    def has_ended(self, token: str) -> bool:
        """Whether the session with this token was ended."""
        return self._ended.get(token, 0) > self._clock()

    def write(self, entry: AuditEntry) -> str:
        """Add an entry to the audit log; its id."""
        with self._lock:
            kept = replace(entry, id=f"{self._clock()}-{len(self._entries)}")
            self._entries.append(kept)
            return kept.id

    def amend(self, entry_id: str, entry: AuditEntry) -> None:
        """Put an entry in place of one that was written before it was known what came of it."""
        with self._lock:
            self._entries = [replace(entry, id=one.id) if one.id == entry_id else one for one in self._entries]

    def read(self, before: str | None, limit: int, action: str = "") -> list[AuditEntry]:
        """Entries of the audit log, newest first, from below the one with this id."""
        with self._lock:
            asked = (one for one in self._entries if action in ("", one.action))
            older = [one for one in asked if before is None or _place(one.id) < _place(before)]
            return older[::-1][:limit]

    def now_ms(self) -> int:
        """The clock that all moments are of."""
        return self._clock()


def _record(text: str) -> KeyRecord:
    found: dict[str, Any] = json.loads(text)
    return KeyRecord(**{**found, "groups": tuple(found["groups"]), "workflows": tuple(found["workflows"])})


def _written(entry: AuditEntry) -> str:
    """Without what is empty and has a default: there are many of them."""
    found = {"action": entry.action, "target": entry.target, "user": entry.user, "outcome": entry.outcome}
    for name in ("key", "source", "agent", "reason"):
        if value := getattr(entry, name):
            found[name] = value
    return json.dumps(found)


def noting(keys: Keys, entries: Sequence[AuditEntry], length: int) -> Sequence[Any]:
    """The command that adds entries of one action to the audit log, for whoever sends it along; it answers the ids."""
    return "EVAL", _NOTE, 1, _place_of(keys, entries[0].action), length, *map(_written, entries)


def _place_of(keys: Keys, action: str) -> str:
    return keys.audit_intake() if action in INTAKE else keys.audit()


def _entry(entry_id: str, found: dict[str, str]) -> AuditEntry:
    entry = AuditEntry(**json.loads(found["entry"]), id=entry_id)
    moment, number = _place(entry_id)
    return replace(entry, id=f"{moment}-{number + _BEHIND}") if entry.action in INTAKE else entry


def _stored(entry_id: str) -> str:
    """The id that Redis knows an entry by."""
    moment, number = _place(entry_id)
    return f"{moment}-{number % _BEHIND}"


def _end(before: str | None, *, behind: bool) -> str:
    """Where to begin in one of the two streams, to read from below an entry of either."""
    if before is None:
        return "+"
    moment, number = _place(before)
    if (moment, max(0, number - _BEHIND) if behind else number) == (0, 0):
        return "0-0"  # nothing comes before the lowest id, which no entry has, and Redis refuses to look
    return f"({moment}-{max(0, number - _BEHIND) if behind else number}"


def _creation(record: KeyRecord) -> tuple[int, str]:
    return record.created_at, record.id


def _place(entry_id: str) -> tuple[int, int]:
    moment, _, number = entry_id.partition("-")
    return int(moment), int(number or 0)


def _unknown(key_id: str) -> UnknownKey:
    return UnknownKey(f"no API key has the id {key_id!r}", id=key_id)
