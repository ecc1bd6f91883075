"""What runs where, and what stands in the way."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.access import Viewer
from orchestrator.api.answers import Examination
from orchestrator.api.problems import documented
from orchestrator.client.shown import Level, Stats

router = APIRouter(tags=["fleet"], responses=documented())


@router.get("/stats", summary="Runs by status, queues, workers, beats")
def stats(caller: Viewer) -> Stats:
    """The fleet at this moment; of all workflows, so a key for some of them only may not ask."""
    caller.check_unrestricted()
    return caller.client.stats()


@router.get("/doctor", summary="What stands in the way of runs")
def doctor(caller: Viewer) -> Examination:
    """What was looked at, what was found, and what to do about it."""
    caller.check_unrestricted()
    findings = caller.client.doctor()
    return Examination(healthy=all(one.level is not Level.ERROR for one in findings), findings=findings)
