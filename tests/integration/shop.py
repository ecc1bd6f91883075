"""A team's Celery app, as it was before it knew of workflows, but for what stands below the line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery, Task

from orchestrator import Orchestrator, operation

app = Celery(
    "shop",
    broker=os.environ["ORCHESTRATOR_BROKER_URL"],
    backend=os.environ["ORCHESTRATOR_REDIS_URL"],
    set_as_current=True,
)
app.conf.update(
    accept_content=["yaml"],
    task_serializer="yaml",
    result_serializer="yaml",
    task_default_queue="shop",
    task_routes={"shop.pack": {"queue": "packing"}},
    beat_schedule={"tick": {"task": "shop.tick", "schedule": 0.2}},
    broker_connection_retry_on_startup=True,
)


@app.task(name="shop.price")
def price(sku: str, amount: int = 1) -> int:
    """Tell what so many of something cost."""
    return len(sku) * amount


@app.task(name="shop.pack", bind=True, time_limit=20)
def pack(self: Task[Any, Any], order: str) -> dict[str, Any]:
    """Pack an order; at the first try, the box is missing."""
    if not self.request.retries:
        raise self.retry(exc=FileNotFoundError("no box"), countdown=0.1)
    return {"packed": order, "retries": self.request.retries}


@app.task(name="shop.tick")
def tick() -> None:
    """Leave a mark, now and then."""
    (Path(os.environ["ORCHESTRATOR_GATES"]) / "tick").touch()


# ---------------------------------------------------------------------------------------------------------------------

Orchestrator.attach(app)
operation.from_task(price, effect="none")
operation.from_task(pack, effect="write", idempotent=True)
