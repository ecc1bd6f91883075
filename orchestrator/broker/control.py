"""Celery's remote control: one worker is told to do something, and answers."""

from __future__ import annotations

from typing import Any, Final

from celery import Celery

from orchestrator.broker.queues import asking
from orchestrator.errors import WorkerRefused, WorkerSilent

REPLY_S: Final = 2.0

DRAIN: Final = "orchestrator_drain"
RESUME: Final = "orchestrator_resume"
SHUT_DOWN: Final = "orchestrator_shut_down"
TELL: Final = "orchestrator_tell"
"""Commands of ours; the runtime has what they do."""


def order(app: Celery, worker: str, command: str, /, **arguments: Any) -> Any:
    """What a worker answers to a command; WorkerSilent if it does not within 2 s, WorkerRefused if it will not."""
    replies = asking(
        app,
        lambda connection: app.control.broadcast(
            command,
            arguments=arguments,
            destination=[worker],
            connection=connection,
            reply=True,
            timeout=REPLY_S,
            limit=1,
        ),
    )
    answers = [reply[worker] for reply in replies or () if worker in reply]
    if not answers:
        raise WorkerSilent(f"worker {worker!r} has not answered within {REPLY_S:g} s", worker=worker, command=command)
    (answer, *_) = answers
    if isinstance(answer, dict) and "error" in answer:
        raise WorkerRefused(f"worker {worker!r} refuses: {answer['error']}", worker=worker, command=command)
    return answer["ok"] if isinstance(answer, dict) and "ok" in answer else answer
