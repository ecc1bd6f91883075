"""Commands of ours to a worker, over Celery's remote control: to take nothing new, and to go on."""

from __future__ import annotations

from typing import Any

from celery.worker.control import control_command

from orchestrator import logs
from orchestrator.broker.control import DRAIN, RESUME
from orchestrator.runtime.register import Announcer

log = logs.get("commands")


def install(announcer: Announcer) -> None:
    """Have the worker of this process take them."""

    def drain(state: Any, **_: object) -> dict[str, Any]:
        """Finish what has been taken from the queues, and take nothing more from them."""
        consumer = state.consumer
        queues = sorted(str(queue.name) for queue in consumer.task_consumer.queues)
        for queue in queues:
            consumer.call_soon(consumer.cancel_task_queue, queue)
        announcer.drain(queues)
        log.info("drained", queues=queues)
        return {"ok": queues}

    def resume(state: Any, **_: object) -> dict[str, Any]:
        """Take from the queues again."""
        consumer = state.consumer
        queues = announcer.resume()
        for queue in queues:
            consumer.call_soon(consumer.add_task_queue, queue)
        log.info("resumed", queues=queues)
        return {"ok": queues}

    control_command(name=DRAIN, visible=False)(drain)
    control_command(name=RESUME, visible=False)(resume)
