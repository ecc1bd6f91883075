"""External events: the stream that they come in by, the look-back logs of their types, marks, and dead letters.

Listeners share the stream as one consumer group: an entry goes to one of them, and stays with it until it is
acknowledged, or claimed by another because it has been silent for too long. All keys are of one slot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from redis.exceptions import ResponseError

from orchestrator.engine.roots import rfc3339
from orchestrator.errors import InvalidEvent
from orchestrator.settings import Settings
from orchestrator.spec.cloudevents import parse_structured
from orchestrator.store.connection import BLOCK_MS, Connection, Script
from orchestrator.store.keys import Keys

GROUP = "listeners"
DEAD_KEPT_MS = 30 * 86_400_000
"""So long are events kept that were given up."""
MARK_SLACK_MS = 3_600_000
"""So much longer than its window is a mark kept, for entries that are handled late."""

_EVENTS = Script("events.lua")
_MS_DIGITS, _SEQUENCE_DIGITS = 15, 12

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry of the stream, as somebody got it."""

    id: str
    """`ms-seq`: when it came in, and its place among those of that moment."""
    body: str
    only: str = ""
    """`workflow/trigger` if it is meant for that one alone."""
    deliveries: int = 1
    """How often it was given to a listener, this time included."""

    @property
    def came_ms(self) -> int:
        """When it came in."""
        return entry_key(self.id)[0]


@dataclass(frozen=True, slots=True)
class Burial:
    """An event to be given up; for one trigger alone, or for all that it was to do."""

    entry_id: str
    body: str
    reason: str
    attempts: int = 1
    only: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up, and why."""

    id: str
    at_ms: int
    burial: Burial


@dataclass(frozen=True, slots=True)
class Miss:
    """An event that the filter of a trigger (`workflow/trigger`) had no answer for, and why."""

    trigger: str
    entry_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that an event would start, under a dedupe key."""

    key: str
    run_id: str
    came_ms: int
    window_ms: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """The run that stands for a dedupe key."""

    run_id: str
    started: bool
    """Whether it is known to be started; False: start it, which may have been done."""


class Events(Protocol):
    """Holds external events. Moments are the store's; every call may be sent twice, and raises Unreachable."""

    def append(self, bodies: Sequence[str]) -> list[str]:
        """Take events in, as texts, in this order; the ids of their entries. Sent twice, they are in it twice."""

    def after(self, entry_id: str, limit: int, block_ms: int = 0) -> list[Delivery]:
        """Entries that came after one, oldest first, for whoever only looks; waits so long until there is one."""

    def newest(self, count: int, before: str = "") -> list[Delivery]:
        """The newest entries, or the newest of those that came before one; oldest of them first."""

    def note(self, entries: Sequence[tuple[str, str]]) -> None:
        """Put (entry id, type) into the logs of their types; what is there already stays as it is."""

    def recall(self, type_: str, since_ms: int, limit: int, after: str = "") -> list[tuple[str, dict[str, Any]]]:
        """(entry id, `event` root) of a type's events that came since a moment, and after an entry; oldest first.

        An event that a producer sent twice is there twice, under two ids; what tells it is `source` and `id`.
        """

    def correlations(self, type_: str) -> list[str]:
        """The CEL texts by which steps of published versions correlate events of a type, sorted."""

    def add_correlations(self, type_: str, expressions: Sequence[str]) -> None:
        """Add such texts."""

    def read(self, consumer: str, limit: int, block_ms: int) -> list[Delivery]:
        """Entries that no listener got yet; waits so long until there is one. They are the consumer's until `ack`."""

    def claim(self, consumer: str, idle_ms: int, limit: int) -> list[Delivery]:
        """Entries that another, or this one, got so long ago and has not acknowledged; now they are the consumer's."""

    def keep(self, consumer: str, entry_ids: Sequence[str]) -> None:
        """The consumer is still at these, which nobody is to claim yet."""

    def ack(self, entry_ids: Sequence[str]) -> None:
        """These are done with."""

    def tidy(self, idle_ms: int) -> None:
        """Forget consumers that have been silent for so long, and owe nothing."""

    def reserve(self, claims: Sequence[Claim]) -> list[Reserved]:
        """For each key the run of the claim that was first within the window of this one, else the claim's."""

    def settle(self, started: Sequence[tuple[str, str]]) -> None:
        """The runs of these (key, run id) have been started."""

    def miss(self, miss: Miss) -> None:
        """Remember it as the last one of its trigger."""

    def misses(self) -> list[Miss]:
        """The last one of each trigger that had any, for as long as events are kept; by trigger."""

    def bury(self, burials: Sequence[Burial]) -> None:
        """Give events up. An entry is buried once, or once for each trigger."""

    def dead(self, limit: int, after: str = "0-0") -> list[DeadLetter]:
        """Events that were given up, oldest first."""

    def dead_count(self) -> int:
        """How many those are."""

    def remove(self, letter_id: str) -> bool:
        """Forget one of them; whether it was there."""

    def replay(self, letter_id: str) -> str | None:
        """Take one of them in again, and off the dead letters; the id of its new entry, None if it was not there."""


class RedisEvents:
    """External events in Redis. What others write into the stream need not be text: it is read as bytes."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._kept_ms = settings.events_kept_ms
        self._connection = Connection(url, text=False)

    def append(self, bodies: Sequence[str]) -> list[str]:
        """Take events in, as texts, in this order; the ids of their entries. Sent twice, they are in it twice."""
        calls = [((self._keys.events(),), ("append", self._kept_ms, "event", body)) for body in bodies]
        return [_text(entry_id) for entry_id in self._run_many(calls)]

    def after(self, entry_id: str, limit: int, block_ms: int = 0) -> list[Delivery]:
        """Entries that came after one, oldest first, for whoever only looks; waits so long until there is one."""
        block = ("BLOCK", min(block_ms, BLOCK_MS)) if block_ms else ()
        found = self._connection.execute("XREAD", "COUNT", limit, *block, "STREAMS", self._keys.events(), entry_id)
        return _deliveries(found)

    def newest(self, count: int, before: str = "") -> list[Delivery]:
        """The newest entries, or the newest of those that came before one; oldest of them first."""
        if before and not before.strip("0-"):
            return []  # nothing comes before the lowest id, and Redis refuses to look
        end = f"({before}" if before else "+"
        found = self._connection.execute("XREVRANGE", self._keys.events(), end, "-", "COUNT", count)
        return [_delivery(*entry) for entry in reversed(found)]

    def note(self, entries: Sequence[tuple[str, str]]) -> None:
        """Put (entry id, type) into the logs of their types; what is there already stays as it is."""
        commands: list[Sequence[Any]] = []
        for type_ in dict.fromkeys(type_ for _, type_ in entries):
            log, ids = self._keys.event_log(type_), [entry_id for entry_id, one in entries if one == type_]
            oldest_ms = max(entry_key(max(ids, key=entry_key))[0] - self._kept_ms, 0)
            commands += [
                ("ZADD", log, *(part for entry_id in ids for part in (0, _padded(entry_id)))),
                ("ZREMRANGEBYLEX", log, "-", f"({_padded(f'{oldest_ms}-0')}"),
                ("PEXPIRE", log, self._kept_ms),
            ]
        if commands:
            self._connection.execute_many(commands)

    def recall(self, type_: str, since_ms: int, limit: int, after: str = "") -> list[tuple[str, dict[str, Any]]]:
        """(entry id, `event` root) of a type's events that came since a moment, and after an entry; oldest first."""
        since = f"{since_ms}-0"
        least = f"({_padded(after)}" if after and entry_key(after) >= entry_key(since) else f"[{_padded(since)}"
        log = self._keys.event_log(type_)
        while members := self._connection.execute("ZRANGEBYLEX", log, least, "+", "LIMIT", 0, limit):
            ids = ["{}-{}".format(*entry_key(_text(member))) for member in members]
            found = self._connection.execute_many([("XRANGE", self._keys.events(), one, one) for one in ids])
            if page := roots([_delivery(*entries[0]) for entries in found if entries]):
                return page
            least = f"({_text(members[-1])}"  # the stream holds none of these any more
        return []

    def correlations(self, type_: str) -> list[str]:
        """The CEL texts by which steps of published versions correlate events of a type, sorted."""
        return sorted(map(_text, self._connection.execute("SMEMBERS", self._keys.correlations(type_))))

    def add_correlations(self, type_: str, expressions: Sequence[str]) -> None:
        """Add such texts."""
        if expressions:
            self._connection.execute("SADD", self._keys.correlations(type_), *expressions)

    def read(self, consumer: str, limit: int, block_ms: int) -> list[Delivery]:
        """Entries that no listener got yet; waits so long until there is one. They are the consumer's until `ack`."""
        block = ("BLOCK", min(block_ms, BLOCK_MS)) if block_ms else ()
        command = ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", limit, *block, "STREAMS", self._keys.events(), ">")
        return _deliveries(self._grouped(lambda: self._connection.execute(*command)))

    def claim(self, consumer: str, idle_ms: int, limit: int) -> list[Delivery]:
        """Entries that another, or this one, got so long ago and has not acknowledged; now they are the consumer's."""
        call = ((self._keys.events(),), ("claim", GROUP, consumer, idle_ms, limit))
        claimed = self._grouped(lambda: self._connection.run(_EVENTS, *call))
        return [_delivery(entry_id, _pairs(flat), int(count)) for entry_id, flat, count in claimed]

    def keep(self, consumer: str, entry_ids: Sequence[str]) -> None:
        """The consumer is still at these, which nobody is to claim yet."""
        if entry_ids:
            call = ((self._keys.events(),), ("keep", GROUP, consumer, *entry_ids))
            self._grouped(lambda: self._connection.run(_EVENTS, *call))

    def ack(self, entry_ids: Sequence[str]) -> None:
        """These are done with."""
        if entry_ids:
            self._connection.execute("XACK", self._keys.events(), GROUP, *entry_ids)

    def tidy(self, idle_ms: int) -> None:
        """Forget consumers that have been silent for so long, and owe nothing."""
        call = ((self._keys.events(),), ("tidy", GROUP, idle_ms))
        self._grouped(lambda: self._connection.run(_EVENTS, *call))

    def reserve(self, claims: Sequence[Claim]) -> list[Reserved]:
        """For each key the run of the claim that was first within the window of this one, else the claim's."""
        answers = self._run_many(
            [
                (
                    (self._keys.event_mark(one.key),),
                    ("reserve", one.came_ms, one.run_id, one.window_ms, one.window_ms + MARK_SLACK_MS),
                )
                for one in claims
            ]
        )
        return [Reserved(_text(run_id), started == 1) for run_id, started in answers]

    def settle(self, started: Sequence[tuple[str, str]]) -> None:
        """The runs of these (key, run id) have been started."""
        self._run_many([((self._keys.event_mark(key),), ("settle", run_id)) for key, run_id in started])

    def miss(self, miss: Miss) -> None:
        """Remember it as the last one of its trigger."""
        place = self._keys.event_misses()
        held = json.dumps({"entry_id": miss.entry_id, "error": miss.error})
        self._connection.execute_many([("HSET", place, miss.trigger, held), ("PEXPIRE", place, self._kept_ms)])

    def misses(self) -> list[Miss]:
        """The last one of each trigger that had any, for as long as events are kept; by trigger."""
        held = _texts(self._connection.execute("HGETALL", self._keys.event_misses()))
        return [Miss(trigger, **json.loads(text)) for trigger, text in sorted(held.items())]

    def bury(self, burials: Sequence[Burial]) -> None:
        """Give events up. An entry is buried once, or once for each trigger."""
        calls = []
        for one in burials:
            keys = self._keys.dead_events(), self._keys.buried(f"{one.entry_id}:{one.only}")
            held = {"event": one.body, "only": one.only, "entry": one.entry_id, "reason": one.reason}
            fields = [part for pair in {**held, "attempts": one.attempts}.items() for part in pair]
            calls.append((keys, ("bury", DEAD_KEPT_MS, *fields)))
        self._run_many(calls)

    def dead(self, limit: int, after: str = "0-0") -> list[DeadLetter]:
        """Events that were given up, oldest first."""
        found = self._connection.execute("XRANGE", self._keys.dead_events(), f"({after}", "+", "COUNT", limit)
        return [_letter(_text(letter_id), _texts(held)) for letter_id, held in found]

    def dead_count(self) -> int:
        """How many those are."""
        return int(self._connection.execute("XLEN", self._keys.dead_events()))

    def remove(self, letter_id: str) -> bool:
        """Forget one of them; whether it was there."""
        return bool(self._connection.execute("XDEL", self._keys.dead_events(), letter_id))

    def replay(self, letter_id: str) -> str | None:
        """Take one of them in again, and off the dead letters; the id of its new entry, None if it was not there."""
        keys = self._keys.dead_events(), self._keys.events()
        entry_id = self._connection.run(_EVENTS, keys, ("replay", letter_id, self._kept_ms))
        return None if entry_id is None else _text(entry_id)

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def _run_many(self, calls: Sequence[tuple[Sequence[str], Sequence[Any]]]) -> list[Any]:
        if len(calls) == 1:
            return [self._connection.run(_EVENTS, *calls[0])]
        return self._connection.run_many(_EVENTS, calls) if calls else []

    def _grouped(self, call: Callable[[], _Result]) -> _Result:
        """The answer to a call that needs the group, which the first such call makes: from the oldest entry on."""
        try:
            return call()
        except ResponseError as error:
            if "NOGROUP" not in str(error) and "no such key" not in str(error):
                raise
        try:
            self._connection.execute("XGROUP", "CREATE", self._keys.events(), GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        return call()


def entry_key(entry_id: str) -> tuple[int, int]:
    """An entry's id as its moment in ms and its number; ids compare as these do."""
    moment, _, sequence = entry_id.partition("-")
    return int(moment), int(sequence or 0)


def roots(deliveries: Sequence[Delivery]) -> list[tuple[str, dict[str, Any]]]:
    """(entry id, `event` root) of those that are events."""
    found = []
    for one in deliveries:
        try:
            found.append((one.id, parse_structured(one.body).root(rfc3339(one.came_ms))))
        except InvalidEvent:  # it was an event when it was noted; a later release may read more strictly
            continue
    return found


def _padded(entry_id: str) -> str:
    """The id as a text that sorts as ids do."""
    moment, sequence = entry_key(entry_id)
    return f"{moment:0{_MS_DIGITS}}-{sequence:0{_SEQUENCE_DIGITS}}"


def _deliveries(found: Any) -> list[Delivery]:
    return [_delivery(entry_id, held) for _, entries in found or () for entry_id, held in entries]


def _delivery(entry_id: bytes, held: Mapping[bytes, bytes], deliveries: int = 1) -> Delivery:
    fields = _texts(held)
    return Delivery(_text(entry_id), fields.get("event", ""), fields.get("only", ""), deliveries)


def _letter(letter_id: str, held: Mapping[str, str]) -> DeadLetter:
    burial = Burial(held["entry"], held["event"], held["reason"], int(held["attempts"]), held["only"])
    return DeadLetter(letter_id, int(held["at"]), burial)


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _texts(held: Mapping[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in held.items()}


def _text(value: bytes) -> str:
    """What is no UTF-8 shows as such; it is no event either way."""
    return value.decode("utf-8", "replace")
