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

from celery.canvas import Signature

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
    properties: dict[str, Any]

    def publish(self, producer: Any, run_id: str) -> None:
        """Send it, as Celery would."""
        names = (run_id, *new_task_ids(self.tasks))
        headers = json.loads(self.headers.filled(names))
        producer.publish(
            self.body.filled(names),
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            correlation_id=headers["id"],
            **self.properties,
        )


def new_task_ids(count: int) -> Names:
    """So many random ids, as UUIDs are written."""
    digits = secrets.token_hex(16 * count)
    return tuple(_uuid(digits[at : at + 32]) for at in range(0, 32 * count, 32))


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
