"""Retention: a run that has been over for long enough is deleted, in one commit that says why it may be (RULES 20).

Where an archive is set, only a run whose present state is in the archive is deleted. The archive's copy is of an
*edition*: an incarnation, and what came after its end (late results, undos that were waived). A run is marked with the
edition that was put into the archive; whatever changes it afterwards makes another edition, which the mark is not of.
"""

from __future__ import annotations

from typing import Final

from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.indexes import INDEXES, PAUSED_RUNS, archived_index, sla_index, status_indexes
from orchestrator.engine.sla import sla_indexes, sla_state
from orchestrator.engine.state import OVER
from orchestrator.engine.view import RunView

FIELDS: Final = (
    fields.INCARNATION,
    fields.WORKFLOW,
    fields.VERSION,
    fields.STATUS,
    fields.ENDED_AT,
    fields.TOUCHED,
    fields.ARCHIVED,
    INDEXES,
    fields.sla_due(RUN),
)
"""What the decisions read of a run."""


def root_of(run_id: str) -> str:
    """The run that a tree began with: the part of the id before the first `/`."""
    return run_id.partition("/")[0]


def edition(view: RunView) -> str:
    """Which state of an ended run this is: another after each change."""
    return f"{view.incarnation}.{view[fields.TOUCHED] or 0}"


def found_by(view: RunView) -> tuple[str, ...]:
    """The indexes that a run which is over is in, and may be found by."""
    pinned = view[fields.WORKFLOW] or "", view[fields.VERSION] or ""
    sla = sla_state(view, RUN)
    measured = () if sla is None else (sla_index(sla), sla_index(sla, pinned[0]))
    return (*(view.json(INDEXES) or ()), *status_indexes(view.status, pinned), *measured)


def is_archived(view: RunView) -> bool:
    """Whether the archive has the run as it is now."""
    return view[fields.ARCHIVED] == edition(view)


def mark(view: RunView) -> Commit:
    """The commit that says that the archive has this edition of a run; refused if there is another by now."""
    held_in = {archived_index(status): status is view.status for status in OVER}
    return Commit(
        view.run_id,
        view.incarnation,
        (Stage(_unchanged(view), Changes(set={fields.ARCHIVED: edition(view)}, index=held_in)),),
    )


def forget(view: RunView, *, ended_before_ms: int, remembered_ms: int, archived: bool = False) -> Commit | None:
    """The commit that deletes a run and keeps its id for a while; None unless it ended before that moment.

    With `archived`, None as well unless the archive has the run. A child's id is not kept: nobody but its parent starts
    one.
    """
    ended_at = view.moment(fields.ENDED_AT)
    if not view.over or ended_at is None or ended_at >= ended_before_ms or (archived and not is_archived(view)):
        return None
    pinned = view[fields.WORKFLOW] or "", view[fields.VERSION] or ""
    copies = tuple(map(archived_index, OVER)) if view[fields.ARCHIVED] is not None else ()
    measured = () if view[fields.sla_due(RUN)] is None else sla_indexes(pinned)
    held_in = (*found_by(view), PAUSED_RUNS, *copies, *measured)
    guards = {**_unchanged(view), fields.ARCHIVED: view[fields.ARCHIVED]}
    stage = Stage(
        guards=guards,
        changes=Changes(
            index=dict.fromkeys(held_in, False), forget=remembered_ms if root_of(view.run_id) == view.run_id else 0
        ),
    )
    return Commit(view.run_id, view.incarnation, (stage,))


def _unchanged(view: RunView) -> dict[str, str | None]:
    names = (fields.STATUS, fields.ENDED_AT, fields.TOUCHED)
    return {name: view[name] for name in names}
