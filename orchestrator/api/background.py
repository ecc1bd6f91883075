"""What an API process does beside answering: it works off jobs, its own and those that others left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from orchestrator import logs
from orchestrator.client.jobs import Jobs
from orchestrator.errors import Unreachable

log = logs.get("api")

LOOK_S: Final = 0.5
LOOKS_A_MINUTE: Final = 120


@contextmanager
def working_off(jobs: Jobs) -> Iterator[None]:
    """A thread that looks for jobs until this is left; a job under way is then given to the others."""
    stop = threading.Event()
    thread = threading.Thread(target=_look, args=(jobs, stop), name="jobs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _look(jobs: Jobs, stop: threading.Event) -> None:
    looks = 0
    while not stop.wait(LOOK_S):
        try:
            while jobs.work(stop.is_set):
                pass
            if looks % LOOKS_A_MINUTE == 0:
                jobs.expire()
        except Unreachable as error:
            log.warning("jobs_not_reached", error=error.message)
        except Exception:  # whatever a job raises: its lease lapses, it is taken up again, and in the end given up
            log.exception("job_broke_off")
        looks += 1
