"""Queues and workers: looking at them, and telling workers what to do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response, status

from orchestrator.api.access import Admin, Caller, Viewer
from orchestrator.api.answers import Inspection, SampleList, WorkerList
from orchestrator.api.models import LimitRate, LimitTime, Resize, Wanted, WhyQuery
from orchestrator.api.problems import documented
from orchestrator.client.fleet import announced
from orchestrator.client.fleet_sight import visible_queues, visible_worker
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.shown_fleet import Queues, WorkerDescription

router = APIRouter(tags=["fleet"], responses=documented())

WorkerName = Annotated[str, Path(description="As `celery@host`.", max_length=300)]
QueueName = Annotated[str, Path(description="The queue's name.", max_length=300)]
TaskName = Annotated[str, Path(description="The Celery task's name.", max_length=300)]
NO_REASON = Wanted()

_ONE = "/workers/{name}"
_TOLD = {**documented(404, 409, 422), 204: {"description": "The worker has said that it will."}}


@router.get("/queues", summary="Queues")
def list_queues(caller: Viewer) -> Queues:
    """What waits in each and since when, what comes and goes, who takes from it and who sends to it."""
    return visible_queues(caller.workflows, caller.client.fleet.queues())


@router.get("/queues/{queue}/samples", summary="A queue in the last hour")
def list_samples(caller: Viewer, queue: QueueName) -> SampleList:
    """Every ten seconds, oldest first; none of a queue that nobody has seen."""
    return SampleList(samples=list(caller.client.fleet.samples(queue)))


@router.get("/workers", summary="Workers, beats and listeners")
def list_workers(caller: Viewer) -> WorkerList:
    """By name; a worker that has not been seen for 20 s is lost, and listed for a day."""
    registry = caller.client.registry
    return WorkerList(
        workers=[visible_worker(caller.workflows, one) for one in caller.client.fleet.workers()],
        beats=list(map(announced, registry.beats())),
        listeners=list(map(announced, registry.listeners())),
    )


@router.get(_ONE, summary="A worker", responses=documented(404))
def show_worker(caller: Viewer, name: WorkerName) -> WorkerDescription:
    """What it does, holds and serves, as it said last."""
    return visible_worker(caller.workflows, caller.client.fleet.worker(name))


@router.get(f"{_ONE}/inspection", summary="Ask a worker for all that Celery knows", responses=documented(404, 409))
def inspect_worker(caller: Admin, name: WorkerName) -> Inspection:
    """It answers itself, within 2 s; with the arguments of tasks."""
    caller.check_unrestricted()
    return Inspection(inspected=dict(caller.client.fleet.inspect(name)))


@router.delete(_ONE, summary="Forget a lost worker", status_code=status.HTTP_204_NO_CONTENT, responses=_TOLD)
def forget_worker(caller: Admin, name: WorkerName, reason: WhyQuery = "") -> Response:
    """Take it off the list before its day is over."""
    _of(caller).forget(name, reason)
    return _done()


@router.post(f"{_ONE}/pool/grow", summary="Grow a pool", status_code=status.HTTP_204_NO_CONTENT, responses=_TOLD)
def grow_pool(caller: Admin, name: WorkerName, body: Resize) -> Response:
    """By so many processes; until the worker is started again."""
    _of(caller).grow(name, body.count, body.reason)
    return _done()


@router.post(f"{_ONE}/pool/shrink", summary="Shrink a pool", status_code=status.HTTP_204_NO_CONTENT, responses=_TOLD)
def shrink_pool(caller: Admin, name: WorkerName, body: Resize) -> Response:
    """By so many processes, of those that are idle; one stays."""
    _of(caller).shrink(name, body.count, body.reason)
    return _done()


@router.put(
    f"{_ONE}/queues/{{queue}}",
    summary="Have a worker take from a queue",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_TOLD,
)
def add_consumer(caller: Admin, name: WorkerName, queue: QueueName, body: Wanted = NO_REASON) -> Response:
    """Besides those that it takes from; until it is started again."""
    _of(caller).add_consumer(name, queue, body.reason)
    return _done()


@router.delete(
    f"{_ONE}/queues/{{queue}}",
    summary="Have a worker take from a queue no more",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_TOLD,
)
def cancel_consumer(caller: Admin, name: WorkerName, queue: QueueName, reason: WhyQuery = "") -> Response:
    """It ends what it has of it; until it is started again."""
    _of(caller).cancel_consumer(name, queue, reason)
    return _done()


@router.post(f"{_ONE}/drain", summary="Drain a worker", status_code=status.HTTP_204_NO_CONTENT, responses=_TOLD)
def drain_worker(caller: Admin, name: WorkerName, body: Wanted = NO_REASON) -> Response:
    """It ends what it has, and takes nothing new until it is resumed or started again."""
    _of(caller).drain(name, body.reason)
    return _done()


@router.post(f"{_ONE}/resume", summary="Resume a worker", status_code=status.HTTP_204_NO_CONTENT, responses=_TOLD)
def resume_worker(caller: Admin, name: WorkerName, body: Wanted = NO_REASON) -> Response:
    """It takes from its queues again."""
    _of(caller).resume(name, body.reason)
    return _done()


@router.post(f"{_ONE}/shutdown", summary="Shut a worker down", status_code=status.HTTP_204_NO_CONTENT, responses=_TOLD)
def shut_down_worker(caller: Admin, name: WorkerName, body: Wanted = NO_REASON) -> Response:
    """It ends what it has begun, then itself; whatever supervises it may start it again."""
    _of(caller).shutdown(name, body.reason)
    return _done()


@router.put(
    f"{_ONE}/tasks/{{task}}/time-limit",
    summary="Limit how long a task may take",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_TOLD,
)
def limit_time(caller: Admin, name: WorkerName, task: TaskName, body: LimitTime) -> Response:
    """Of the app's own tasks: steps have the limits of their specs."""
    _of(caller).limit_time(name, task, soft_s=body.soft_s, hard_s=body.hard_s, reason=body.reason)
    return _done()


@router.put(
    f"{_ONE}/tasks/{{task}}/rate-limit",
    summary="Limit how often a task is begun",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_TOLD,
)
def limit_rate(caller: Admin, name: WorkerName, task: TaskName, body: LimitRate) -> Response:
    """By this worker; what is over the rate waits in it. Across workers: `limits` of the specs."""
    _of(caller).limit_rate(name, task, body.rate, body.reason)
    return _done()


def _of(caller: Caller) -> Fleet:
    """What tells workers what to do concerns every workflow."""
    caller.check_unrestricted()
    return caller.client.fleet


def _done() -> Response:
    return Response(status_code=status.HTTP_204_NO_CONTENT)
