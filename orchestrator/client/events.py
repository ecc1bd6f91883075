"""External events, as producers and operators see them: `orchestrator.events`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from orchestrator.clock import wall_ms
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import InvalidEvent, PayloadTooLarge, UnknownEvent
from orchestrator.settings import Settings
from orchestrator.spec.cloudevents import SPECVERSION, CloudEvent, parse_structured
from orchestrator.store.events import DeadLetter, Delivery, Events

ALL: Final = "all"
DEFAULT_SOURCE: Final = "/orchestrator"
PAGE: Final = 500
_LOOK_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An entry of the stream of events."""

    entry_id: str
    received_at: str
    """RFC 3339, in UTC."""
    event: CloudEvent | None
    """None if it is no CloudEvent."""
    body: str
    only: str = ""
    """`workflow/trigger` if it is replayed for that one alone."""

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        shown = {"event": self.event.to_json()} if self.event else {"event": None, "body": self.body}
        return {"entry": self.entry_id, "received_at": self.received_at, **shown, "only": self.only or None}


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that was given up: by a trigger (`workflow/trigger`), or altogether."""

    id: str
    entry_id: str
    at: str
    """When it was given up: RFC 3339, in UTC."""
    reason: str
    attempts: int
    trigger: str | None
    body: str

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


class ExternalEvents:
    """Takes events in, shows those that came in, and those that were given up."""

    def __init__(self, settings: Settings, events: Events) -> None:
        self._limit = settings.max_payload_bytes
        self._events = events

    def emit(
        self,
        event: CloudEvent | Mapping[str, Any] | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the words of CloudEvents
        data: Any = None,
        source: str | None = None,
        id: str | None = None,  # noqa: A002
        **attributes: Any,
    ) -> CloudEvent:
        """Take in one event, given as a whole or by its attributes; what it became.

        An `id`, a `source` and a `time` are made if there are none. To emit the same again, give it the same id:
        two events with one source and id are one to each workflow. InvalidEvent tells all that is wrong.
        """
        named = {"type": type, "data": data, "source": source, "id": id, **attributes}
        return self.emit_many([_whole(event, {name: value for name, value in named.items() if value is not None})])[0]

    def emit_many(self, events: Iterable[CloudEvent | Mapping[str, Any]]) -> list[CloudEvent]:
        """Take in events, pipelined, in this order; if one is refused, none is taken in."""
        found = [_whole(event, {}) for event in events]
        texts = [self._text(event) for event in found]
        for first in range(0, len(texts), PAGE):
            self._events.append(texts[first : first + PAGE])
        return found

    def tail(self, count: int = 10, *, follow: bool = False) -> Iterator[TakenIn]:
        """The newest events that came in, oldest of them first; with `follow` also those that come, without end."""
        newest = self._events.newest(count) if count else []
        yield from map(_taken_in, newest)
        after = newest[-1].id if newest else self._last()
        while follow:
            for entry in self._events.after(after, PAGE, _LOOK_MS):
                yield _taken_in(entry)
                after = entry.id

    def dead(self, count: int | None = None) -> list[DeadEvent]:
        """The events that were given up, oldest first."""
        return [_dead(letter) for letter in islice(self._letters(), count)]

    def replay(self, letter_id: str = ALL) -> int:
        """Take a dead event in again, or all of them; how many. What it has started already, it does not start again.

        One that a single trigger gave up goes to that trigger alone.
        """
        return sum(self._events.replay(one) is not None for one in self._chosen(letter_id))

    def discard(self, letter_id: str) -> int:
        """Forget a dead event, or all of them; how many."""
        return sum(self._events.remove(one) for one in self._chosen(letter_id))

    def _chosen(self, letter_id: str) -> Sequence[str]:
        if letter_id == ALL:
            return [letter.id for letter in self._letters()]
        if not any(letter.id == letter_id for letter in self._letters()):
            raise UnknownEvent(f"no dead event has the id {letter_id!r}; `events dead` lists them", id=letter_id)
        return [letter_id]

    def _letters(self) -> Iterator[DeadLetter]:
        after = "0-0"
        while page := self._events.dead(PAGE, after):
            yield from page
            after = page[-1].id

    def _last(self) -> str:
        newest = self._events.newest(1)
        return newest[0].id if newest else "0-0"

    def _text(self, event: CloudEvent) -> str:
        text = event.text()
        if (size := len(text.encode())) > self._limit:
            raise PayloadTooLarge(
                f"the event has {size} bytes, the limit is {self._limit}", size=size, limit=self._limit
            )
        return text


def _whole(event: CloudEvent | Mapping[str, Any] | None, named: Mapping[str, Any]) -> CloudEvent:
    """The event with what it lacks; one that is a CloudEvent already stays as it is."""
    if isinstance(event, CloudEvent) and not named:
        return event
    given = event.to_json() if isinstance(event, CloudEvent) else event or {}
    made = {"id": secrets.token_hex(12), "source": DEFAULT_SOURCE, "time": rfc3339(wall_ms())}
    return parse_structured({"specversion": SPECVERSION, **made, **given, **named})


def _taken_in(entry: Delivery) -> TakenIn:
    try:
        event = parse_structured(entry.body)
    except InvalidEvent:
        event = None
    return TakenIn(entry.id, rfc3339(entry.came_ms), event, entry.body, entry.only)


def _dead(letter: DeadLetter) -> DeadEvent:
    one = letter.burial
    return DeadEvent(
        letter.id, one.entry_id, rfc3339(letter.at_ms), one.reason, one.attempts, one.only or None, one.body
    )
