"""Envelopes: what Celery publishes for a canvas, rendered once and filled in for each run.

Celery takes about a millisecond to build the message of a chain of ten steps, and those of a version's runs differ only
in the run's id, the place of the steps (which item of a map they belong to) and the tasks' ids. So it builds one, with
marks in those places.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery, signals

from orchestrator.broker.signatures import to_signatures
from orchestrator.broker.transport import SENT, Channel, Push
from orchestrator.clock import wall_ms
from orchestrator.plan import canvas

Names = tuple[str, ...]
"""The run's id, the place, then an id for each task of the canvas."""


@dataclass(frozen=True, slots=True)
class Blank:
    """A text with places for names."""

    pieces: tuple[str, ...]
    """Text, place, text, place, … text."""
    places: tuple[int, ...]

    @staticmethod
    def of(text: str, marks: Names) -> Blank:
        """The text, with a place wherever one of the marks stands."""
        pieces = re.split("|".join(marks), text)
        places = tuple(marks.index(mark) for mark in re.findall("|".join(marks), text))
        return Blank(tuple(pieces), places)

    def filled(self, names: Names) -> str:
        """The text with these names in their places."""
        parts = [*self.pieces, *self.pieces[1:]]
        parts[::2] = self.pieces
        parts[1::2] = [names[place] for place in self.places]
        return "".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """The message of one canvas, for any run."""

    tasks: int
    body: Blank
    headers: Blank
    delivery: dict[str, Any]

    @staticmethod
    def of(app: Celery, chain: canvas.Chain, errback: canvas.Signature, place: str = "") -> Envelope:
        """What Celery makes of a chain; `place` is what its addresses begin with, which may be another each time."""
        run, here, *tasks = marks = tuple(secrets.token_hex(16) for _ in range(len(chain.signatures) + 2))
        signatures = to_signatures(app, run, _moved(chain, place, here) if place else chain, errback)
        for signature, task in zip(signatures, tasks, strict=True):
            signature.freeze(task)
        first, *others = signatures
        sent: Any = _Recorder(app)
        first.apply_async(producer=sent, chain=others[::-1] or None)
        own = ("headers", "correlation_id", "serializer", "compression")
        delivery = {name: value for name, value in sent.delivery.items() if name not in own}
        body = json.dumps(sent.body, separators=(",", ":"))
        headers = json.dumps(sent.delivery["headers"])
        return Envelope(len(tasks), Blank.of(body, marks), Blank.of(headers, marks), delivery)

    def publish(self, producer: Any, run_id: str, place: str, parent: Any = None, **delivery: Any) -> None:
        """Send it, as Celery would but for what `delivery` says otherwise; `parent` is the request that sends it."""
        names = (run_id, json.dumps(place)[1:-1], *_task_ids(self.tasks))
        self._publish(producer, names, lambda own: _parents(parent, own), **delivery)

    def _publish(
        self, producer: Any, names: Names, parents: Callable[[str], tuple[str, str | None]], **delivery: Any
    ) -> None:
        headers = json.loads(self.headers.filled(names))
        headers["root_id"], headers["parent_id"] = parents(headers["id"])
        producer.publish(
            self.body.filled(names),
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            correlation_id=headers["id"],
            **{**self.delivery, **delivery},
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """An envelope as it stands in a Redis list, with everything around it that the transport adds."""

    tasks: int
    key: str
    text: Blank

    @staticmethod
    def of(envelope: Envelope, producer: Any) -> Stored | None:
        """What the transport makes of it; None if it does more than push one message to one list."""
        channel = producer.channel
        if not isinstance(channel, Channel):
            return None
        names = tuple(secrets.token_hex(16) for _ in range(envelope.tasks + 2))
        root, parent = secrets.token_hex(16), secrets.token_hex(16)
        shown = channel.show(lambda: envelope._publish(producer, names, lambda _: (root, parent)))  # noqa: SLF001
        if len(shown) != 1:
            return None
        key, text = shown[0]
        properties = json.loads(text)["properties"]
        marks = (*names, f'"{root}"', f'"{parent}"', properties["delivery_tag"], _sent(properties[SENT]))
        return Stored(envelope.tasks, key, Blank.of(text, marks))

    def push(self, run_id: str, place: str, parent: Any = None) -> Push:
        """The message for a run, as `Envelope.publish` sends it."""
        tasks = _task_ids(self.tasks + 1)
        parents = (json.dumps(one) for one in _parents(parent, tasks[0]))
        return self.key, self.text.filled((run_id, place, *tasks[:-1], *parents, tasks[-1], _sent(wall_ms())))


def is_plain(place: str) -> bool:
    """Whether it is the same in JSON, and in JSON within JSON."""
    return json.dumps(place) == f'"{place}"'


class _Recorder:
    """Stands for a producer, and keeps what it is given."""

    def __init__(self, app: Celery) -> None:
        self.connection = app.connection_for_write()
        self.body: Any = None
        self.delivery: dict[str, Any] = {}

    def publish(self, body: Any, **delivery: Any) -> None:
        """Keep the message."""
        self.body, self.delivery = body, delivery


def must_build_each(app: Celery) -> bool:
    """Whether somebody sees, or changes, every message that Celery builds."""
    watched = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
    inherits = app.conf.task_inherit_parent_priority and app.current_worker_task
    return any(one.receivers for one in watched) or bool(app.conf.task_send_sent_event or inherits)


def _moved(chain: canvas.Chain, place: str, mark: str) -> canvas.Chain:
    """The chain at another place."""
    moved = [replace(one, address=mark + one.address.removeprefix(place)) for one in chain.signatures]
    return replace(chain, signatures=tuple(moved))


def _parents(parent: Any, own: str) -> tuple[str, str | None]:
    """Of a message that a task sends: the ids of the first of that task's line, and of the task."""
    return (own, None) if parent is None else (parent.root_id or parent.id, parent.id)


def _sent(moment_ms: int) -> str:
    """How a message says when it was sent."""
    return f'"{SENT}": {moment_ms}'


def _task_ids(count: int) -> list[str]:
    """So many random ids, written as UUIDs of version 4 are."""
    digits = secrets.token_hex(16 * count)
    return [_uuid(digits[at : at + 32]) for at in range(0, 32 * count, 32)]


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
