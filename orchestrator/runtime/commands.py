"""Commands of ours to a worker, over Celery's remote control: to take nothing new, to go on, to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from celery.worker.control import control_command

from orchestrator import logs
from orchestrator.broker.control import DRAIN, RESUME, SHUT_DOWN, TELL
from orchestrator.runtime.register import Announcer

log = logs.get("commands")

ENDS: Final = {"error": "it ends already"}


def install(announcer: Announcer) -> None:
    """Have the worker of this process take them."""

    def drain(state: Any, **_: object) -> dict[str, Any]:
        """Finish what has been taken from the queues, and take nothing more from them."""
        consumer = state.consumer
        if announcer.ends:
            return ENDS
        queues = sorted(str(queue.name) for queue in consumer.task_consumer.queues)
        announcer.drain(queues)
        _change(consumer.cancel_task_queue, queues, consumer)
        log.info("drained", queues=queues)
        return {"ok": queues}

    def resume(state: Any, **_: object) -> dict[str, Any]:
        """Take from the queues again."""
        consumer = state.consumer
        if announcer.ends:
            return ENDS
        queues = announcer.resume()
        _change(consumer.add_task_queue, queues, consumer)
        log.info("resumed", queues=queues)
        return {"ok": queues}

    def shut_down(state: Any, **_: object) -> dict[str, Any]:
        """Drain, then end: Celery's own warm shutdown takes long while messages come in."""
        consumer = state.consumer
        _change(consumer.cancel_task_queue, [str(queue.name) for queue in consumer.task_consumer.queues], consumer)
        announcer.end_when_idle()
        log.info("ending")
        return {"ok": "ends when what it has is done"}

    def tell(state: Any, **_: object) -> dict[str, Any]:
        """Say in the register how things are now, and not in some seconds."""
        state.consumer.call_soon(announcer.tell)
        return {"ok": "told"}

    def _change(change: Callable[[str], object], queues: Iterable[str], consumer: Any) -> None:
        """Together, and told of afterwards: Celery has no order among what is to be called soon."""

        def apply() -> None:
            for queue in queues:
                change(queue)
            announcer.tell()

        consumer.call_soon(apply)

    for name, command in ((DRAIN, drain), (RESUME, resume), (SHUT_DOWN, shut_down), (TELL, tell)):
        control_command(name=name, visible=False)(command)
