"""Sending: the canvas of a run from any frontier, a parked signature, or what a message still has to hand over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import celery
from celery import Celery
from celery.canvas import Signature
from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]  # new in kombu 5.7

from orchestrator.broker.envelopes import Envelope, must_build_each
from orchestrator.broker.signatures import to_celery, to_signatures
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import DRAIN_ADDRESS, Chain, Region, drain_signature, main_chain, undo_chain
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings

UNDO_MARK = "~"
ENVELOPES_KEPT = 1024
"""Rendered messages that a process keeps, of some kilobytes each."""


class Dispatcher:
    """Sends messages for one Celery app."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self._envelopes: dict[tuple[str, str, str], Envelope] = {}

    def canvas(self, plan: Plan, address: str) -> Chain:
        """The chain from an address on: the rest of the main path, an undo, or the flow's undo."""
        if address == DRAIN_ADDRESS or address.endswith(f"/{DRAIN_ADDRESS}"):
            return Chain((drain_signature(plan, address),))
        if address.endswith(UNDO_MARK):
            return undo_chain(plan, [address], message_bytes=self.settings.message_bytes)
        return main_chain(plan, address, message_bytes=self.settings.message_bytes)

    def send(self, plan: Plan, run_id: str, address: str, *, countdown_s: float | None = None) -> None:
        """Send the canvas from an address on; Unreachable if the broker does not take it."""
        if countdown_s is None and not must_build_each(self.app):
            self._publish_one(self._envelope(plan, address), run_id)
            return
        signature = to_celery(self.app, run_id, self.canvas(plan, address), drain_signature(plan))
        self._publish(signature, countdown_s)

    def send_many(self, frontiers: Sequence[tuple[Plan, str, str]]) -> None:
        """Send the canvases of many runs (plan, run id, address), together where the broker can."""
        if len(frontiers) == 1 or must_build_each(self.app):
            for plan, run_id, address in frontiers:
                self.send(plan, run_id, address)
            return
        filled = [(self._envelope(plan, address), run_id) for plan, run_id, address in frontiers]
        try:
            with self.app.producer_or_acquire() as producer, producer.batch():
                for number, (envelope, run_id) in enumerate(filled):
                    again = number > 0 and envelope is filled[number - 1][0]
                    envelope.publish(producer, run_id, **({"declare": None} if again else {}))
        except BatchPublishError:  # some of them may have arrived; twice does no harm
            for envelope, run_id in filled:
                self._publish_one(envelope, run_id)
        except OperationalError as error:
            raise Unreachable(f"the broker does not answer: {error}") from error

    def send_region(self, run_id: str, region: Region, plan: Plan) -> None:
        """Send what runs beside each other: a chord where Celery can join it, else a group."""
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

    def _envelope(self, plan: Plan, address: str) -> Envelope:
        name = (plan.name, plan.digest, address)
        envelope = self._envelopes.get(name)
        if envelope is None:
            if len(self._envelopes) >= ENVELOPES_KEPT:
                self._envelopes.clear()
            envelope = Envelope.of(self.app, self.canvas(plan, address), drain_signature(plan))
            self._envelopes[name] = envelope
        return envelope

    def _publish_one(self, envelope: Envelope, run_id: str) -> None:
        try:
            with self.app.producer_or_acquire() as producer:
                envelope.publish(producer, run_id)
        except OperationalError as error:
            raise Unreachable(f"the broker does not answer: {error}") from error

    def _publish(self, signature: Signature[Any], countdown_s: float | None) -> None:
        options: dict[str, Any] = {} if countdown_s is None else {"countdown": countdown_s}
        try:
            signature.apply_async(**options)
        except OperationalError as error:
            raise Unreachable(f"the broker does not answer: {error}") from error
