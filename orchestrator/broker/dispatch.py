"""Sending: the canvas of a run from any frontier, a parked signature, or what a message still has to hand over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import celery
from celery import Celery
from celery.canvas import Signature
from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]  # new in kombu 5.7

from orchestrator.broker.envelopes import Envelope, Stored, is_plain, must_build_each
from orchestrator.broker.signatures import to_celery, to_signatures
from orchestrator.broker.transport import Push
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import (
    DRAIN_ADDRESS,
    SEPARATOR,
    Chain,
    Region,
    drain_signature,
    lane_chain,
    main_chain,
    undo_chain,
)
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings

UNDO_MARK = "~"
ENVELOPES_KEPT = 1024
"""Rendered messages that a process keeps, of some kilobytes each."""


Message = tuple[Plan, str, Sequence[str]]
"""A plan, a run's id, and the addresses to look at, one after the other."""


Filled = tuple[Envelope, str, str]
"""A rendered message, and the run's id and the place that it is to be filled in with."""


class Dispatcher:
    """Sends messages for one Celery app."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self._envelopes: dict[tuple[str, str, str, bool], Envelope] = {}
        self._stored: dict[Envelope, Stored | None] = {}

    def canvas(self, plan: Plan, address: str) -> Chain:
        """The chain from an address on: the rest of the main path, an undo, or the flow's undo."""
        if address == DRAIN_ADDRESS or address.endswith(f"/{DRAIN_ADDRESS}"):
            return Chain((drain_signature(plan, address),))
        if address.endswith(UNDO_MARK):
            return undo_chain(plan, [address], message_bytes=self.settings.message_bytes)
        return main_chain(plan, address, message_bytes=self.settings.message_bytes)

    def send(self, plan: Plan, run_id: str, address: str, *, countdown_s: float | None = None) -> None:
        """Send the canvas from an address on; Unreachable if the broker does not take it."""
        if countdown_s is None:
            self._send_all([(plan, run_id, (address,))])
            return
        signature = to_celery(self.app, run_id, self.canvas(plan, address), drain_signature(plan))
        self._publish(signature, countdown_s)

    def send_many(self, frontiers: Sequence[tuple[Plan, str, str]]) -> None:
        """Send the canvases of many runs (plan, run id, address), together where the broker can."""
        self._send_all([(plan, run_id, (address,)) for plan, run_id, address in frontiers])

    def pushes(self, frontiers: Sequence[tuple[Plan, str, str]]) -> list[Push] | None:
        """What `send_many` would push to lists of the broker's Redis; None if it has not done so yet, or does more."""
        if must_build_each(self.app) or (self.app.conf.broker_transport_options or {}).get("global_keyprefix"):
            return None
        filled = [(self._envelope(plan, (one,)), run_id, _place((one,))) for plan, run_id, one in frontiers]
        return self._pushes(filled, self._parent)

    def send_lanes(self, plan: Plan, run_id: str, lanes: Sequence[Sequence[str]]) -> None:
        """Send a message for each lane, which looks at its addresses one after the other."""
        self._send_all([(plan, run_id, lane) for lane in lanes])

    def send_region(self, run_id: str, region: Region, plan: Plan) -> None:
        """Send what runs beside each other and is joined: a chord where Celery can join it, else a group."""
        errback = drain_signature(plan)
        header = [to_celery(self.app, run_id, chain, errback) for chain in region.header]
        if region.body is not None and self._joins_chords:
            body = to_celery(self.app, run_id, region.body, errback)
            self._publish(celery.chord(header, body, app=self.app), None)
        else:
            self._publish(header[0] if len(header) == 1 else celery.group(header, app=self.app), None)

    @property
    def _joins_chords(self) -> bool:
        """Whether the app's results are in Redis, where Celery counts a chord's header as it goes."""
        return str(self.app.conf.result_backend or "").startswith(("redis://", "rediss://", "sentinel://"))

    def send_parked(self, text: str, *, countdown_s: float | None = None) -> None:
        """Send a signature that was put aside."""
        self._publish(self.app.signature(json.loads(text)), countdown_s)

    def tail(self, plan: Plan, run_id: str, address: str) -> list[dict[str, Any]]:
        """The canvas from an address on as the rest of a message's chain: the next signature stands last."""
        signatures = to_signatures(self.app, run_id, self.canvas(plan, address), drain_signature(plan))
        return [dict(signature) for signature in reversed(signatures)]

    def waiting_in(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with self.app.connection_or_acquire() as connection:
            channel: Any = connection.default_channel
            lost: tuple[type[BaseException], ...] = (OperationalError, *connection.connection_errors)
            try:
                return int(channel.queue_declare(queue=queue, passive=True).message_count)
            except connection.channel_errors:
                return 0
            except lost as error:
                raise Unreachable(f"the broker does not answer: {error}") from error

    def _send_all(self, messages: Sequence[Message]) -> None:
        """Send messages, several of them together where the broker can."""
        if must_build_each(self.app):
            for plan, run_id, lane in messages:
                self._publish(to_celery(self.app, run_id, self._chain(plan, lane), drain_signature(plan)), None)
            return
        parent = self._parent
        filled = [(self._envelope(plan, lane), run_id, _place(lane)) for plan, run_id, lane in messages]
        try:
            with self.app.producer_or_acquire() as producer:
                if not self._push(producer, filled, parent):
                    self._publish_filled(producer, filled, parent)
        except OperationalError as error:
            raise Unreachable(f"the broker does not answer: {error}") from error

    @property
    def _parent(self) -> Any:
        """The request of the task that sends, if one does."""
        task = self.app.current_worker_task
        return None if task is None else task.request

    def _pushes(self, filled: Sequence[Filled], parent: Any) -> list[Push] | None:
        pushes = []
        for envelope, run_id, place in filled:
            stored = self._stored.get(envelope)
            if stored is None or not is_plain(place):
                return None
            pushes.append(stored.push(run_id, place, parent))
        return pushes

    def _push(self, producer: Any, filled: Sequence[Filled], parent: Any) -> bool:
        """Send messages whose like was sent before; whether they are certain to have arrived."""
        pushes = self._pushes(filled, parent)
        if pushes is None or not producer.connection.connected:
            return False
        try:
            producer.channel.push(pushes)
        except producer.connection.recoverable_connection_errors:  # some may have arrived; twice does no harm
            return False
        return True

    def _publish_filled(self, producer: Any, filled: Sequence[Filled], parent: Any) -> None:
        self._publish_each(producer, filled, parent)
        for envelope in {envelope for envelope, _, _ in filled} - self._stored.keys():
            if len(self._stored) >= ENVELOPES_KEPT:
                self._stored.clear()
            self._stored[envelope] = Stored.of(envelope, producer)

    def _publish_each(self, producer: Any, filled: Sequence[Filled], parent: Any) -> None:
        if len(filled) > 1:
            try:
                with producer.batch():
                    for number, (envelope, run_id, place) in enumerate(filled):
                        again = number > 0 and envelope is filled[number - 1][0]
                        envelope.publish(producer, run_id, place, parent, **({"declare": None} if again else {}))
            except BatchPublishError:  # some of them may have arrived; twice does no harm
                pass
            else:
                return
        for envelope, run_id, place in filled:
            envelope.publish(producer, run_id, place, parent)

    def _chain(self, plan: Plan, lane: Sequence[str]) -> Chain:
        if len(lane) == 1:
            return self.canvas(plan, lane[0])
        return lane_chain(plan, lane, message_bytes=self.settings.message_bytes)

    def _envelope(self, plan: Plan, lane: Sequence[str]) -> Envelope:
        place = _place(lane)
        name = (plan.name, plan.digest, lane[0].removeprefix(place), len(lane) > 1)
        envelope = self._envelopes.get(name)
        if envelope is None:
            if len(self._envelopes) >= ENVELOPES_KEPT:
                self._envelopes.clear()
            envelope = Envelope.of(self.app, self._chain(plan, lane), drain_signature(plan), place)
            self._envelopes[name] = envelope
        return envelope

    def _publish(self, signature: Signature[Any], countdown_s: float | None) -> None:
        options: dict[str, Any] = {} if countdown_s is None else {"countdown": countdown_s}
        try:
            signature.apply_async(**options)
        except OperationalError as error:
            raise Unreachable(f"the broker does not answer: {error}") from error


def _place(lane: Sequence[str]) -> str:
    """What messages of one step do not have in common: the flow that it stands in, or all that a lane looks at."""
    first = lane[0]
    if len(lane) > 1:
        return SEPARATOR.join(lane)
    return "" if first.endswith(f"/{DRAIN_ADDRESS}") else first.rpartition("/")[0]
