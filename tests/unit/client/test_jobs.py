"""Jobs: what is done to which runs, and what happens when whoever works on one is gone."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.audit import Actor
from orchestrator.client.jobs import TAKES, Job, Jobs, settings_of_jobs
from orchestrator.client.search import Query
from orchestrator.engine.state import RunStatus
from orchestrator.errors import InvalidRequest, OperationError, UnknownJob, Unreachable
from orchestrator.store.access import MemoryAccess
from orchestrator.store.memory import MemoryStore
from tests.unit.surroundings import WORKFLOW, Surroundings

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""


def never() -> bool:
    """Nobody says stop."""
    return False


def decline(_given: Any) -> Any:
    """Fail for good."""
    raise OperationError("declined", retryable=False)


class Yard:
    """Runs, and jobs about them."""

    def __init__(self, runs: int = 60) -> None:
        self.around = Surroundings({"do.write": decline})
        self.around.publish()
        self.access = MemoryAccess(self.around.clock)
        self.around.client.audit = self.around.client.audit.__class__(self.access, Actor("root"))
        self.runs = [self.around.start() for _ in range(runs)]
        store = MemoryStore(settings_of_jobs(self.around.settings), self.around.clock)
        self.jobs = Jobs(self.around.client, store)

    def fail(self) -> None:
        """Let all runs fail."""
        for run in self.runs:
            self.around.work(run, "a")
            self.around.work(run, "~")

    def counts(self, job: Job) -> tuple[str, int, int, int]:
        """Where a job stands."""
        now = self.jobs.get(job.id)
        return now.state, now.done, now.skipped, now.failed


def test_a_job_is_done_to_all_that_its_filter_describes() -> None:
    """In the name of whoever asked for it; runs that came later are left alone."""
    yard = Yard()
    by_ada = yard.around.client.acting_for(Actor("ada", "k1"))
    job = yard.jobs.create("cancel", Query(workflow=WORKFLOW), "wrong list", client=by_ada)
    yard.around.clock.move(5)
    later = yard.around.start()

    assert yard.jobs.work(never)

    assert yard.counts(job) == ("completed", 60, 0, 0)
    assert RunStatus.RUNNING not in {run.status() for run in yard.runs}
    assert later.status() is RunStatus.RUNNING
    audited = [entry for entry in yard.access.read(None, 100) if entry.action == "cancel"]
    assert {(entry.user, entry.key, entry.reason) for entry in audited} == {("ada", "k1", "wrong list")}
    assert not yard.jobs.work(never)


def test_a_page_that_is_taken_up_again_does_nothing_twice() -> None:
    """Whoever worked on it died behind the last run of the page, before it was noted."""
    yard = Yard(30)
    yard.fail()
    job = yard.jobs.create("retry", Query(workflow=WORKFLOW, status="failed"))
    move = yard.jobs.move

    def dying(job_id: str, token: str, changes: Any) -> bool:
        if "done" in changes.set:
            raise Unreachable("killed")
        return move(job_id, token, changes)

    yard.jobs.move = dying  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        yard.jobs.work(never)
    yard.jobs.move = move  # type: ignore[method-assign]
    yard.fail()
    assert not yard.jobs.work(never)
    yard.around.clock.move(yard.jobs.lease_ms)
    assert yard.jobs.work(never)

    assert yard.counts(job) == ("completed", 30, 0, 0)
    assert {run.describe().incarnation for run in yard.runs} == {2}


def test_a_process_that_is_to_end_gives_its_job_away() -> None:
    """At once, and it is gone on with where it was."""
    yard = Yard()
    answers = iter([False, False, False, True])
    job = yard.jobs.create("cancel", Query(workflow=WORKFLOW))

    yard.jobs.work(lambda: next(answers))
    begun = yard.counts(job)
    yard.jobs.work(never)

    assert begun == ("running", 25, 0, 0)
    assert yard.counts(job) == ("completed", 60, 0, 0)


def test_a_lost_lease_is_noticed() -> None:
    """Two work on the same job: the first stops at its next page."""
    yard = Yard()
    job = yard.jobs.create("cancel", Query(workflow=WORKFLOW))

    def slow() -> bool:
        yard.around.clock.move(yard.jobs.lease_ms)
        yard.jobs.work(never)
        return False

    yard.jobs.work(slow)

    assert yard.counts(job) == ("completed", 60, 0, 0)


def test_a_job_that_never_gets_on_is_given_up() -> None:
    """After some tries."""
    yard = Yard(1)
    job = yard.jobs.create("cancel", Query(workflow=WORKFLOW))
    yard.around.client.store.newest = None  # type: ignore[method-assign,assignment]

    for _ in range(TAKES):
        with pytest.raises(TypeError):
            yard.jobs.work(never)
        yard.around.clock.move(yard.jobs.lease_ms)
    assert not yard.jobs.work(never)

    assert yard.counts(job)[0] == "failed"


def test_a_filter_that_cannot_be_asked_is_refused_at_once() -> None:
    """No job is kept."""
    yard = Yard(1)

    with pytest.raises(InvalidRequest):
        yard.jobs.create("cancel", Query(since="yesterday"))

    assert yard.jobs.newest() == []


def test_jobs_are_listed_and_deleted_long_after_their_end() -> None:
    """Until then they can be asked for."""
    yard = Yard(1)
    jobs = []
    for _ in range(2):
        yard.around.clock.move(10)
        jobs.append(yard.jobs.create("cancel", Query(workflow=WORKFLOW)))
    yard.jobs.work(never)
    assert [job.id for job in yard.jobs.newest()] == [jobs[1].id, jobs[0].id]

    yard.around.clock.move(yard.around.settings.job_retention_ms + 1)
    yard.jobs.expire()

    assert len(yard.jobs.newest()) == 1
    ended = next(job for job in jobs if job.id != yard.jobs.newest()[0].id)
    with pytest.raises(UnknownJob):
        yard.jobs.get(ended.id)
