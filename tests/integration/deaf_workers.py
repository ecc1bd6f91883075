"""The fleet's Celery app, but its workers call no errback: as if each such message were lost."""

from celery import Task
from celery.signals import task_prerun

from workers.app import app

__all__ = ["app"]


@task_prerun.connect
def cut_off_errbacks(task: Task, **_: object) -> None:  # type: ignore[type-arg]
    """Forget what the message says of failures."""
    task.request.errbacks = None
