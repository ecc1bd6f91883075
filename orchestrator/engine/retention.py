"""Retention: a run that has been over for long enough is deleted, in one commit that says why it may be (RULES 20)."""

from __future__ import annotations

from typing import Final

from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.indexes import INDEXES, PAUSED_RUNS, status_indexes
from orchestrator.engine.sla import sla_indexes
from orchestrator.engine.view import RunView

FIELDS: Final = (
    fields.INCARNATION,
    fields.WORKFLOW,
    fields.VERSION,
    fields.STATUS,
    fields.ENDED_AT,
    INDEXES,
    fields.sla_due(RUN),
)
"""What the decision reads of a run."""


def root_of(run_id: str) -> str:
    """The run that a tree began with: the part of the id before the first `/`."""
    return run_id.partition("/")[0]


def forget(view: RunView, *, ended_before_ms: int, remembered_ms: int) -> Commit | None:
    """The commit that deletes a run and keeps its id for a while; None unless it ended before that moment.

    A child's id is not kept: nobody but its parent starts one.
    """
    ended_at = view.moment(fields.ENDED_AT)
    if not view.over or ended_at is None or ended_at >= ended_before_ms:
        return None
    pinned = view[fields.WORKFLOW] or "", view[fields.VERSION] or ""
    measured = () if view[fields.sla_due(RUN)] is None else sla_indexes(pinned)
    held_in = (*(view.json(INDEXES) or ()), *status_indexes(view.status, pinned), PAUSED_RUNS, *measured)
    stage = Stage(
        guards={fields.STATUS: view.status.value, fields.ENDED_AT: str(ended_at)},
        changes=Changes(
            index=dict.fromkeys(held_in, False), forget=remembered_ms if root_of(view.run_id) == view.run_id else 0
        ),
    )
    return Commit(view.run_id, view.incarnation, (stage,))
