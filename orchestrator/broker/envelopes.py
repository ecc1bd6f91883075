"""Envelopes: what Celery publishes for a canvas, rendered once and filled in for each run.

Celery takes about a millisecond to build the messages of a chain of ten steps, and they differ between runs of a version
only in the run's id and the tasks' ids. So it builds them once, with marks in those places.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals
from celery.canvas import Signature

from orchestrator.broker.signatures import to_celery
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
        run, *tasks = marks = (_mark(), *(_mark() for _ in chain.signatures))
        signature = to_celery(app, run, chain, errback)
        for one, task in zip(getattr(signature, "tasks", [signature]), tasks, strict=True):
            one.set(task_id=task)
        sent = _Recorder(app)
        signature.apply_async(producer=sent)
        headers = sent.delivery.pop("headers")
        del sent.delivery["correlation_id"], sent.delivery["serializer"], sent.delivery["compression"]
        return Envelope(len(tasks), Blank.of(json.dumps(sent.body), marks), Blank.of(json.dumps(headers), marks), sent.delivery)

    def publish(self, producer: Any, run_id: str) -> None:
        """Send it, as Celery would."""
        names = (run_id, *_task_ids(self.tasks))
        headers = json.loads(self.headers.filled(names))
        producer.publish(
            self.body.filled(names),
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            correlation_id=headers["id"],
            **self.delivery,
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


def must_see_each(app: Celery) -> bool:
    """Whether somebody wants to see, or to change, each message that is sent: Celery then has to build every one."""
    listened = signals.before_task_publish.receivers or signals.after_task_publish.receivers or signals.task_sent.receivers
    return bool(listened or app.conf.task_send_sent_event or app.current_worker_task)


def _mark() -> str:
    return secrets.token_hex(16)


def _task_ids(count: int) -> list[str]:
    """So many random ids, as UUIDs of version 4 are written."""
    digits = secrets.token_hex(16 * count)
    return [_uuid(digits[at : at + 32]) for at in range(0, 32 * count, 32)]


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
