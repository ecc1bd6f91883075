"""Jobs: a verb for every run that a filter describes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response, status

from orchestrator.api.access import PREFIX, Caller, Operator
from orchestrator.api.answers import JobList
from orchestrator.api.models import NewJob
from orchestrator.api.problems import documented
from orchestrator.client.jobs import Job, Jobs
from orchestrator.client.search import Query as Wanted
from orchestrator.errors import UnknownJob

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=documented())

LOCATION = {"Location": {"description": "The job.", "schema": {"type": "string"}, "required": True}}


@router.post(
    "",
    summary="Cancel or retry many runs",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**documented(422), 202: {"model": Job, "description": "Noted", "headers": LOCATION}},
)
def create_job(caller: Operator, body: NewJob, request: Request, response: Response) -> Job:
    """Every run that the filter describes now and whose status fits; later ones are not touched.

    It is worked off in the background by any API process, and goes on if one of them dies.
    """
    asked = body.filter
    query = Wanted(
        asked.workflow,
        asked.version,
        asked.status,
        asked.since,
        asked.until,
        tuple(asked.tags),
        asked.where,
        asked.text,
        workflows=caller.workflows,
        sla=asked.sla,
    )
    jobs: Jobs = request.app.state.jobs
    job = jobs.create(body.verb, query, body.reason, client=caller.client)
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return job


@router.get("", summary="List jobs")
def list_jobs(caller: Operator, request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 50) -> JobList:
    """The newest first."""
    jobs: Jobs = request.app.state.jobs
    return JobList(jobs=[job for job in jobs.newest(limit) if _may_see(caller, job)])


@router.get("/{job_id}", summary="A job", responses=documented(404))
def show_job(caller: Operator, job_id: Annotated[str, Path(max_length=100)], request: Request) -> Job:
    """How far it has come."""
    jobs: Jobs = request.app.state.jobs
    job = jobs.get(job_id)
    if not _may_see(caller, job):
        raise UnknownJob(f"no job has the id {job_id!r}", job_id=job_id)
    return job


def _may_see(caller: Caller, job: Job) -> bool:
    """Whoever may see all workflows sees all jobs; others, those of their own key."""
    return not caller.workflows or job.key == caller.client.audit.actor.key
