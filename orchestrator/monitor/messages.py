"""What is said about alerts: to people as text, to programs as JSON. It holds no input and no output of anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.engine.roots import rfc3339
from orchestrator.store.alerts import AlertRecord, DeliveryRecord, Due

RAISED: Final = "alert.raised"
TEST: Final = "alert.test"
_MANY: Final = {
    "sla": "SLA",
    "failed": "run failed",
    "compensation_failed": "undo failed",
    "attention": "effect unknown",
    "dead_event": "event given up",
    "missed_schedule": "schedule missed",
    "no_worker": "no worker",
}
"""What many alerts of one kind are of."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a channel. It has its delivery's id, also when it is sent again."""

    id: str
    level: str
    """That of the worst alert; nothing for a test."""
    title: str
    text: str
    payload: Mapping[str, Any]


def message_of(due: Due) -> Message | None:
    """The message that a delivery is; None if all of its alerts are gone."""
    delivery = due.delivery
    if not delivery.count:
        title = f"Test of the channel {delivery.channel}"
        text = "Orchestrator's alerts reach this channel. Nothing is wrong."
        return Message(delivery.id, "", title, text, _payload(TEST, delivery, ()))
    if not due.alerts:
        return None
    first, count = due.alerts[0], delivery.count
    payload = _payload(RAISED, delivery, due.alerts)
    if count == 1:
        return Message(delivery.id, first.level, f"[{first.level}] {first.title}", _told(first), payload)
    title = f"[{first.level}] {first.workflow or 'Orchestrator'}: {count} × {_MANY.get(first.kind, first.kind)}"
    lines = [f"{one.run_id or one.workflow or one.id}: {one.text}" for one in due.alerts]
    more = count - len(lines)
    text = "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
    return Message(delivery.id, first.level, title, text, payload)


def _told(alert: AlertRecord) -> str:
    facts = {"run": alert.run_id, "step": alert.step, "alert": alert.id}
    return "\n".join([alert.text, "", *(f"{name}: {value}" for name, value in facts.items() if value)])


def _payload(kind: str, delivery: DeliveryRecord, alerts: Sequence[AlertRecord]) -> dict[str, Any]:
    """The same for each try, but for what has become of the alerts."""
    return {
        "type": kind,
        "timestamp": rfc3339(delivery.created_at),
        "data": {
            "delivery": delivery.id,
            "channel": delivery.channel,
            "count": delivery.count,
            "alerts": [_as_json(one) for one in alerts],
        },
    }


def _as_json(alert: AlertRecord) -> dict[str, Any]:
    return {
        "id": alert.id,
        "kind": alert.kind,
        "level": alert.level,
        "state": alert.state,
        "title": alert.title,
        "text": alert.text,
        "workflow": alert.workflow or None,
        "version": alert.version or None,
        "run_id": alert.run_id or None,
        "step": alert.step or None,
        "count": alert.count,
        "first_at": rfc3339(alert.first_at),
        "last_at": rfc3339(alert.last_at),
    }
