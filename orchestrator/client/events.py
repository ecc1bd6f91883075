"""External events, as producers and operators see them: `orchestrator.events`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from typing_extensions import override

from orchestrator.client.audit import DONE, Audit
from orchestrator.client.composing import composed, event_in
from orchestrator.client.event_surface import ExternalEvents
from orchestrator.client.redaction import Redaction
from orchestrator.client.shown import DeadEvent, TakenIn, TriggerMiss
from orchestrator.client.surface_words import ALL
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import InvalidRequest, PayloadTooLarge, UnknownEvent
from orchestrator.settings import Settings
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.store.events import DeadLetter, Delivery, Events, entry_key

PAGE: Final = 500
LOOK_MS: Final = 1_000

Given = CloudEvent | Mapping[str, Any] | None
"""An event as a whole, or None if it is only said by its attributes."""


class RedisExternalEvents(ExternalEvents):
    """External events over Redis."""

    def __init__(self, settings: Settings, events: Events, audit: Audit | None = None) -> None:
        self._limit = settings.max_payload_bytes
        self._events = events
        self._audit = audit or Audit()
        self._redaction = Redaction.of(*settings.redact)

    @override
    def emit(
        self,
        /,
        event: CloudEvent | Mapping[str, Any] | None = None,
        *,
        type: str | None = None,  # the words of CloudEvents
        data: Any = None,
        source: str | None = None,
        id: str | None = None,
        **attributes: Any,
    ) -> CloudEvent:
        named = {"type": type, "data": data, "source": source, "id": id, **attributes}
        return self._emit([(event, {name: value for name, value in named.items() if value is not None})])[0]

    @override
    def emit_many(self, events: Iterable[CloudEvent | Mapping[str, Any]]) -> list[CloudEvent]:
        return self._emit([(event, {}) for event in events])

    def _emit(self, given: Sequence[tuple[Given, Mapping[str, Any]]]) -> list[CloudEvent]:
        """Take events in, with what they are to have besides; all or none of them."""
        try:
            found = [composed(event, named) for event, named in given]
            texts = [self._text(event) for event in found]
        except InvalidRequest as error:
            self._audit.note("emit", "events", error.code)
            raise
        for first in range(0, len(texts), PAGE):
            self._events.append(texts[first : first + PAGE])
        target = f"events/{found[0].type}" if len(found) == 1 else "events"
        self._audit.note("emit", target, DONE, f"{len(found)} taken in")
        return found

    @override
    def tail(self, count: int = 10, *, follow: bool = False) -> Iterator[TakenIn]:
        newest = self._events.newest(count) if count else []
        yield from map(self._taken_in, newest)
        after = newest[-1].id if newest else self.last()
        while follow:
            for entry in self.since(after):
                yield entry
                after = entry.entry_id

    def since(self, after: str, limit: int = PAGE, *, block_ms: int = LOOK_MS) -> Sequence[TakenIn]:
        """What came in after an entry, oldest first; waits for a moment if there is nothing."""
        return [self._taken_in(entry) for entry in self._events.after(after, limit, block_ms)]

    def before(self, entry_id: str, limit: int = PAGE) -> Sequence[TakenIn]:
        """What came in before an entry, newest first; before the end, if that is empty."""
        return [self._taken_in(entry) for entry in reversed(self._events.newest(limit, entry_id))]

    @override
    def misses(self) -> list[TriggerMiss]:
        return [
            TriggerMiss(one.trigger, one.entry_id, rfc3339(entry_key(one.entry_id)[0]), one.error)
            for one in self._events.misses()
        ]

    def last(self) -> str:
        """The id of the newest entry."""
        newest = self._events.newest(1)
        return newest[0].id if newest else "0-0"

    @override
    def dead(self, count: int | None = None) -> list[DeadEvent]:
        return [self._dead(letter) for letter in islice(self._letters(), count)]

    def dead_after(self, after: str, limit: int) -> list[DeadEvent]:
        """A page of them, from behind the one with this id."""
        return [self._dead(letter) for letter in self._events.dead(limit, after)]

    @override
    def replay(self, letter_id: str = ALL, reason: str = "") -> int:
        with self._audit.acting("replay_event", f"events/dead/{letter_id}", reason):
            return sum(self._events.replay(one) is not None for one in self._chosen(letter_id))

    @override
    def discard(self, letter_id: str, reason: str = "") -> int:
        with self._audit.acting("discard_event", f"events/dead/{letter_id}", reason):
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

    def _taken_in(self, entry: Delivery) -> TakenIn:
        body = self._shown(entry.body)
        return TakenIn(entry.id, rfc3339(entry.came_ms), event_in(body), body, entry.only)

    def _dead(self, letter: DeadLetter) -> DeadEvent:
        one = letter.burial
        at, only = rfc3339(letter.at_ms), one.only or None
        return DeadEvent(letter.id, one.entry_id, at, one.reason, one.attempts, only, self._shown(one.body))

    def _shown(self, body: str) -> str:
        """An event's text as it may be shown; what is no JSON has no paths."""
        if not self._redaction:
            return body
        try:
            return json.dumps(self._redaction.masked(json.loads(body), "event"), ensure_ascii=False)
        except ValueError:
            return body

    def _text(self, event: CloudEvent) -> str:
        text = event.text()
        if (size := len(text.encode())) > self._limit:
            raise PayloadTooLarge(
                f"the event has {size} bytes, the limit is {self._limit}", size=size, limit=self._limit
            )
        return text
