"""Canvas trees as Celery signatures."""

from __future__ import annotations

from typing import Any

import celery
from celery import Celery
from celery.canvas import Signature

from orchestrator.broker.app import broker_priority
from orchestrator.plan import canvas


def to_celery(app: Celery, run_id: str, chain: canvas.Chain, errback: canvas.Signature) -> Signature[Any]:
    """The Celery primitive of a chain of a run: a chain, or its only signature."""
    signatures = to_signatures(app, run_id, chain, errback)
    return signatures[0] if len(signatures) == 1 else celery.chain(*signatures, app=app)


def to_signatures(app: Celery, run_id: str, chain: canvas.Chain, errback: canvas.Signature) -> list[Signature[Any]]:
    """The signatures of a chain, each immutable and with the compensation errback."""
    undo = to_signature(app, run_id, errback)
    return [to_signature(app, run_id, one, undo if one.errback else None) for one in chain.signatures]


def to_signature(
    app: Celery, run_id: str, one: canvas.Signature, errback: Signature[Any] | None = None
) -> Signature[Any]:
    """One message: run id and address, with the options of its step."""
    options: dict[str, Any] = {
        "queue": one.queue,
        "priority": broker_priority(app, one.priority),
        "shadow": one.shadow,
        "headers": dict(one.headers),
        "ignore_result": True,
    }
    if one.time_limit is not None:
        options["time_limit"] = one.time_limit
    signature = app.signature(canvas.STEP_TASK, args=(run_id, one.address), immutable=True, **options)
    if errback is not None:
        signature.link_error(errback)
    return signature
