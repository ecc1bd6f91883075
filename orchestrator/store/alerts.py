"""Alerts, who has seen to them, and their deliveries to channels. All keys are of one slot.

An alert and the deliveries that it makes due are written by one script, so a crash between them loses none. A delivery
stays due until somebody says that it was sent: it is sent at least once, always under its id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Protocol

from orchestrator.settings import Settings
from orchestrator.store.connection import Connection, Script
from orchestrator.store.keys import Keys

State = Literal["open", "acknowledged", "resolved"]
STATES: Final[tuple[State, ...]] = ("open", "acknowledged", "resolved")
UNRESOLVED: Final[tuple[State, ...]] = ("open", "acknowledged")
MOST_KEPT: Final = 50_000
"""Beyond so many the oldest alerts are deleted before their time."""
NAMED: Final = 10
"""So many alerts does a message that stands for many name."""

_ALERTS = Script("alerts.lua")
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """Something that a person should know of. Moments in ms; 0: not yet."""

    id: str
    key: str
    """What happens again under the same key counts up, until the alert is resolved."""
    kind: str
    level: str
    title: str
    text: str
    first_at: int
    last_at: int
    workflow: str = ""
    version: str = ""
    run_id: str = ""
    step: str = ""
    count: int = 1
    state: State = "open"
    raised_at: int = 0
    """Filled in by the store, as are those below."""
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    resolved_by: str = ""
    resolved_at: int = 0
    comment: str = ""
    deliveries: Mapping[str, str] = field(default_factory=dict)
    """Channel → the id of the delivery that tells of it."""

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in lists."""
        return self.raised_at, self.id


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A message to a channel: about one alert, about many of one kind, or none: a test."""

    id: str
    channel: str
    kind: str
    workflow: str
    state: Literal["pending", "sending", "sent", "dead"]
    alerts: tuple[str, ...]
    """The first of them."""
    count: int
    attempts: int
    tries: int
    """After so many attempts it is given up."""
    created_at: int
    due_at: int
    sent_at: int
    error: str


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery in hand, and the alerts that it names."""

    delivery: DeliveryRecord
    alerts: tuple[AlertRecord, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """How alerts are kept and sent."""

    group_ms: int
    kept_ms: int
    tries: int
    most: int = MOST_KEPT


def alert_id(key: str, occurrence: str) -> str:
    """The id of the alert that an occurrence raises: whoever raises it twice raises one."""
    return hashlib.sha256(f"{key}\n{occurrence}".encode()).hexdigest()[:16]


def delivery_id(alert: str, channel: str) -> str:
    """The id of a delivery that an alert makes due."""
    return hashlib.sha256(f"{alert}\n{channel}".encode()).hexdigest()[:24]


class Alerts(Protocol):
    """Holds alerts. Moments are the store's; every call may be sent twice, and raises Unreachable."""

    def raise_(self, alert: AlertRecord, occurrence: str, channels: Sequence[str], terms: Terms) -> bool:
        """Open an alert with its deliveries, or count up the one of its key that is not resolved; whether new.

        `occurrence` is `ms-seq` and grows under one key: what is not after the last one changes nothing.
        """

    def change(self, id_: str, state: State, by: str, comment: str = "") -> tuple[bool, AlertRecord] | None:
        """Acknowledge or resolve; whether that changed anything, and the alert; None if there is none."""

    def get(self, id_: str) -> AlertRecord | None:
        """An alert."""

    def page(self, state: State | None, before: tuple[int, str] | None, limit: int) -> list[AlertRecord]:
        """Alerts in a state, or all, newest first, from below a place."""

    def counts(self) -> dict[State, int]:
        """How many alerts are in each state."""

    def unresolved(self, run_ids: Sequence[str]) -> list[AlertRecord]:
        """The alerts of runs that are not resolved."""

    def unresolved_of(self, kind: str) -> list[AlertRecord]:
        """The alerts of a kind that are not resolved, the newest few hundred."""

    def test(self, channel: str, id_: str) -> None:
        """Make a delivery due that says nothing but that it comes; it has one try."""

    def take(self, limit: int, lease_ms: int) -> list[Due]:
        """Deliveries that are due; nobody else gets them for so long. Each taking counts as an attempt."""

    def done(self, id_: str, attempt: int, error: str = "", again_in_ms: int = 0) -> str | None:
        """What came of an attempt: nothing went wrong, or this did; the delivery's state, None if there is none.

        After a failure it is due again, or dead if that was its last try; who no longer has it in hand changes nothing.
        """

    def deliveries(self, ids: Sequence[str]) -> dict[str, DeliveryRecord]:
        """Those of these deliveries that there are."""

    def dead(self, limit: int) -> list[DeliveryRecord]:
        """Deliveries that were given up, the first of them first."""

    def dead_count(self) -> int:
        """How many those are."""

    def replay(self, id_: str) -> bool:
        """Make a dead delivery due again, with all its tries; whether it was dead."""


class RedisAlerts:
    """Alerts in Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)

    def raise_(self, alert: AlertRecord, occurrence: str, channels: Sequence[str], terms: Terms) -> bool:
        """Open an alert with its deliveries, or count up the one of its key that is not resolved; whether new."""
        pairs = [part for channel in channels for part in (channel, delivery_id(alert.id, channel))]
        given = json.dumps(asdict(alert)), occurrence, terms.group_ms, terms.kept_ms, terms.most, terms.tries
        answer = self._run("raise", *given, *pairs)
        return answer is not None and answer[0] == 1

    def change(self, id_: str, state: State, by: str, comment: str = "") -> tuple[bool, AlertRecord] | None:
        """Acknowledge or resolve; whether that changed anything, and the alert; None if there is none."""
        answer = self._run("change", id_, state, by, comment)
        return None if answer is None else (answer[0] == 1, alert_of(answer[1]))

    def get(self, id_: str) -> AlertRecord | None:
        """An alert."""
        text = self._connection.execute("HGET", self._keys.alerts(), id_)
        return None if text is None else alert_of(text)

    def page(self, state: State | None, before: tuple[int, str] | None, limit: int) -> list[AlertRecord]:
        """Alerts in a state, or all, newest first, from below a place."""
        place = self._keys.alert_order() if state is None else self._keys.alerts_in(state)
        top, skip = ("+inf", 0) if before is None else (str(before[0]), 0)
        found: list[str] = []
        while len(found) < limit:
            ids = self._connection.execute("ZREVRANGEBYSCORE", place, top, "-inf", "WITHSCORES", "LIMIT", skip, _PAGE)
            pairs = [(int(score), one) for one, score in zip(ids[::2], ids[1::2], strict=True)]
            found += [one for score, one in pairs if before is None or (score, one) < before]
            skip += _PAGE
            if len(pairs) < _PAGE:
                break
        if not found:
            return []
        texts = self._connection.execute("HMGET", self._keys.alerts(), *found[:limit])
        return [alert_of(text) for text in texts if text is not None]

    def counts(self) -> dict[State, int]:
        """How many alerts are in each state."""
        sizes = self._connection.execute_many([("ZCARD", self._keys.alerts_in(state)) for state in STATES])
        return dict(zip(STATES, map(int, sizes), strict=True))

    def unresolved(self, run_ids: Sequence[str]) -> list[AlertRecord]:
        """The alerts of runs that are not resolved."""
        if not run_ids:
            return []
        held = self._connection.execute("HMGET", self._keys.alerts_of_runs(), *run_ids)
        ids = [one for text in held if text for one in text.split()]
        texts = self._connection.execute("HMGET", self._keys.alerts(), *ids) if ids else []
        return [alert_of(text) for text in texts if text is not None]

    def unresolved_of(self, kind: str) -> list[AlertRecord]:
        """The alerts of a kind that are not resolved, the newest few hundred."""
        found = [one for state in UNRESOLVED for one in self.page(state, None, _PAGE)]
        return [one for one in found if one.kind == kind]

    def test(self, channel: str, id_: str) -> None:
        """Make a delivery due that says nothing but that it comes; it has one try."""
        self._run("test", channel, id_)

    def take(self, limit: int, lease_ms: int) -> list[Due]:
        """Deliveries that are due; nobody else gets them for so long. Each taking counts as an attempt."""
        answer = self._run("take", limit, lease_ms)
        return [Due(delivery_of(one), tuple(map(alert_of, alerts))) for one, *alerts in answer]

    def done(self, id_: str, attempt: int, error: str = "", again_in_ms: int = 0) -> str | None:
        """What came of an attempt: nothing went wrong, or this did; the delivery's state, None if there is none."""
        answer: str | None = self._run("done", id_, attempt, error, again_in_ms)
        return answer

    def deliveries(self, ids: Sequence[str]) -> dict[str, DeliveryRecord]:
        """Those of these deliveries that there are."""
        texts = self._connection.execute("HMGET", self._keys.alert_deliveries(), *ids) if ids else []
        found = [delivery_of(text) for text in texts if text is not None]
        return {one.id: one for one in found}

    def dead(self, limit: int) -> list[DeliveryRecord]:
        """Deliveries that were given up, the first of them first."""
        ids = self._connection.execute("ZRANGE", self._keys.dead_deliveries(), 0, limit - 1)
        return list(self.deliveries(ids).values())

    def dead_count(self) -> int:
        """How many those are."""
        return int(self._connection.execute("ZCARD", self._keys.dead_deliveries()))

    def replay(self, id_: str) -> bool:
        """Make a dead delivery due again, with all its tries; whether it was dead."""
        return bool(self._run("replay", id_))

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def _run(self, verb: str, *args: object) -> Any:
        return self._connection.run(_ALERTS, self._keys.of_alerts(STATES), (verb, *args))


def alert_of(text: str) -> AlertRecord:
    """An alert as it is kept."""
    return AlertRecord(**json.loads(text))


def delivery_of(text: str) -> DeliveryRecord:
    """A delivery as it is kept. Lua writes a list without members as `{}`."""
    held = json.loads(text)
    return DeliveryRecord(**{**held, "alerts": tuple(held["alerts"])})
