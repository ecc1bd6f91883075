"""What operators do to one run."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.access import Operator
from orchestrator.api.answers import Stand
from orchestrator.api.models import RetryRun, RunId, SkipStep, WaiveUndo, Wanted
from orchestrator.api.paths import RUN
from orchestrator.api.problems import documented
from orchestrator.client.handle import RedisRunHandle

router = APIRouter(prefix=RUN, tags=["verbs"], responses=documented(404, 409))

NO_REASON = Wanted()


@router.post("/cancel", summary="Cancel a run")
def cancel(caller: Operator, run_id: RunId, body: Wanted = NO_REASON) -> Stand:
    """Nothing new starts, what is in flight ends, what is done is undone."""
    run = caller.run(run_id)
    run.cancel(body.reason, by=caller.user)
    return _stand(run)


@router.post("/pause", summary="Pause a run")
def pause(caller: Operator, run_id: RunId, body: Wanted = NO_REASON) -> Stand:
    """Nothing new begins; steps in flight end."""
    run = caller.run(run_id)
    run.pause(body.reason, by=caller.user)
    return _stand(run)


@router.post("/resume", summary="Resume a run")
def resume(caller: Operator, run_id: RunId, body: Wanted = NO_REASON) -> Stand:
    """Its time limits move by as long as it was paused."""
    run = caller.run(run_id)
    run.resume(body.reason, by=caller.user)
    return _stand(run)


@router.post("/retry", summary="Go on from where a run failed", responses=documented(404, 409, 422))
def retry(caller: Operator, run_id: RunId, body: RetryRun | None = None) -> Stand:
    """Steps that were undone run again first. With another input, if one is given.

    A retry always goes on where the run failed: `from_step` may name that place, to be sure; any other is refused.
    """
    run, wanted = caller.run(run_id), body or RetryRun()
    run.retry(wanted.reason, by=caller.user, input=wanted.input, step=wanted.from_step, incarnation=wanted.incarnation)
    return _stand(run)


@router.post("/skip", summary="Go on behind a step that waits", responses=documented(404, 409, 422))
def skip(caller: Operator, run_id: RunId, body: SkipStep) -> Stand:
    """As if it had succeeded."""
    run = caller.run(run_id)
    run.skip(body.step, body.reason, by=caller.user, output=body.output)
    return _stand(run)


@router.post("/undo", summary="Undo what is left")
def undo(caller: Operator, run_id: RunId, body: Wanted = NO_REASON) -> Stand:
    """Of a run that is over: the undos that failed, or all that waited for this. Twice is once."""
    run = caller.run(run_id)
    run.undo(body.reason, by=caller.user)
    return _stand(run)


@router.post("/waive", summary="Say that it was undone by hand", responses=documented(404, 409, 422))
def waive(caller: Operator, run_id: RunId, body: WaiveUndo) -> Stand:
    """Of an undo that failed, or that waits for an operator."""
    run = caller.run(run_id)
    run.waive(body.step, body.reason, by=caller.user)
    return _stand(run)


def _stand(run: RedisRunHandle) -> Stand:
    shown = run.describe()
    return Stand(run_id=run.run_id, status=shown.status, compensation=shown.compensation, incarnation=shown.incarnation)
