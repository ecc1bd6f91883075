"""Envelopes: what Celery publishes for a canvas, rendered once and filled in for each run.

Celery takes about a millisecond to build the message of a chain of ten steps, and those of a version's runs differ only
in the run's id and the tasks' ids. So it builds one, with marks in those places.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals

from orchestrator.broker.signatures import to_signatures
from orchestrator.plan import canvas

Names = tuple[str, ...]
"""The run's id, then an id for each task of the canvas."""


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


@dataclass(frozen=True, slots=True)
class Envelope:
    """The message of one canvas, for any run."""

    tasks: int
    body: Blank
    headers: Blank
    delivery: dict[str, Any]

    @staticmethod
    def of(app: Celery, chain: canvas.Chain, errback: canvas.Signature) -> Envelope:
        """What Celery makes of a chain."""
        run, *tasks = marks = tuple(secrets.token_hex(16) for _ in range(len(chain.signatures) + 1))
        signatures = to_signatures(app, run, chain, errback)
        for signature, task in zip(signatures, tasks, strict=True):
            signature.freeze(task)
        first, *others = signatures
        sent: Any = _Recorder(app)
        first.apply_async(producer=sent, chain=others[::-1])
        own = ("headers", "correlation_id", "serializer", "compression")
        delivery = {name: value for name, value in sent.delivery.items() if name not in own}
        body = json.dumps(sent.body, separators=(",", ":"))
        headers = json.dumps(sent.delivery["headers"])
        return Envelope(len(tasks), Blank.of(body, marks), Blank.of(headers, marks), delivery)

    def publish(self, producer: Any, run_id: str, **delivery: Any) -> None:
        """Send it, as Celery would but for what `delivery` says otherwise."""
        names = (run_id, *_task_ids(self.tasks))
        headers = json.loads(self.headers.filled(names))
        producer.publish(
            self.body.filled(names),
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            correlation_id=headers["id"],
            **{**self.delivery, **delivery},
        )


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
    return any(one.receivers for one in watched) or bool(app.conf.task_send_sent_event or app.current_worker_task)


def _task_ids(count: int) -> list[str]:
    """So many random ids, written as UUIDs of version 4 are."""
    digits = secrets.token_hex(16 * count)
    return [_uuid(digits[at : at + 32]) for at in range(0, 32 * count, 32)]


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
