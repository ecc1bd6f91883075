"""Moving one schedule on: what it has decided is done first, then it decides again. Any number may, without harm."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from orchestrator import logs
from orchestrator.engine import fields
from orchestrator.engine.overlap import Created, Turn, decide, due, settle, stamped, to_commit
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.schedule import Overlap, Pending, Schedule
from orchestrator.engine.state import OVER
from orchestrator.errors import NotFound, OrchestratorError, RunOver, Unreachable
from orchestrator.spec.expressions import compile_template
from orchestrator.spec.versions import LATEST
from orchestrator.store.port import Store

log = logs.get("schedules")

DECISIONS: Final = 50
"""Decisions of one schedule taken in a row, so that it does not keep the others waiting."""
HISTORY: Final = 1_000
"""Events that a schedule's history keeps, and some more."""
TRIM_EVERY: Final = 256


@dataclass(frozen=True, slots=True)
class Fire:
    """A run that a schedule starts."""

    run_id: str
    workflow: str
    version: str | None
    input: Any
    started_by: str
    slot_ms: int


StartRun = Callable[[Fire], bool]
"""Starts a run; False if it exists or has been. An error of ours says why it cannot be started."""
CancelRun = Callable[[str, str, str], None]
"""Cancels a run, for a reason, in somebody's name."""


class Firing:
    """Moves schedules on, each by its record."""

    def __init__(self, records: Store, runs: Store, look_again_ms: int, *, start: StartRun, cancel: CancelRun) -> None:
        self.records = records
        self.runs = runs
        self._look_again_ms = look_again_ms
        self._start = start
        self._cancel = cancel

    def read(self, record_id: str) -> tuple[int, Schedule | None]:
        """The moment, and the schedule then."""
        now_ms, values = self.records.read_all(record_id)
        return now_ms, Schedule.from_fields(values)

    def write(
        self, record_id: str, before: Schedule | None, turn: Turn, *, fence: int = 0
    ) -> tuple[int, Schedule] | None:
        """Take a turn: the moment, and the schedule then; None if somebody else had taken one since."""
        taken = stamped(before, turn, secrets.token_hex(8), fence)
        reply = self.records.apply(to_commit(record_id, before, taken, self._look_again_ms))
        if not reply.first.stands:
            return None
        if taken.after.turn % TRIM_EVERY == 0:
            self.records.trim_history(record_id, HISTORY)
        return reply.now_ms, taken.after

    def visit(self, record_id: str, fence: int) -> int:
        """Move a schedule on as far as it goes now; the number of turns. `fence` is the number of who leads."""
        found: tuple[int, Schedule] | None = None
        for turns in range(DECISIONS):
            now_ms, schedule = found or self.read(record_id)
            if schedule is None or schedule.fence > fence:
                return turns  # another one leads by now
            if schedule.pending:
                _, found = self.carry_out(record_id, schedule, fence=fence)
                continue
            turn = decide(schedule, now_ms, self._live(schedule))
            if turn is None:
                self._wait(record_id, schedule)
                return turns
            found = self.write(record_id, schedule, turn, fence=fence)
        return DECISIONS

    def carry_out(
        self, record_id: str, schedule: Schedule, *, fence: int = 0
    ) -> tuple[dict[str, OrchestratorError | None], tuple[int, Schedule] | None]:
        """Create the runs that a schedule has decided on, and record it: why some cannot be, and what `write` says."""
        errors: dict[str, OrchestratorError | None] = {}
        created: dict[str, Created] = {}
        for pending in schedule.pending:
            errors[pending.run_id], created[pending.run_id] = self._create(schedule, pending)
        return errors, self.write(record_id, schedule, settle(schedule, created), fence=fence)

    def _create(self, schedule: Schedule, pending: Pending) -> tuple[OrchestratorError | None, Created]:
        version = schedule.trigger.version
        scheduled_at = rfc3339(pending.slot_ms)
        root = {
            "id": pending.run_id,
            "key": schedule.workflow,
            "version": None,
            "started_at": None,
            "started_by": schedule.started_by,
            "scheduled_at": scheduled_at,
        }
        try:
            new = self._start(
                Fire(
                    run_id=pending.run_id,
                    workflow=schedule.workflow,
                    version=None if version == LATEST else version,
                    input=compile_template(schedule.trigger.inputs).render({"run": root}),
                    started_by=schedule.started_by,
                    slot_ms=pending.slot_ms,
                )
            )
        except Unreachable:
            raise  # the entry stays due, and somebody comes back
        except OrchestratorError as error:
            log.warning(
                "slot_failed",
                workflow=schedule.workflow,
                schedule=schedule.name,
                slot=scheduled_at,
                code=error.code,
                error=error.message,
            )
            return error, Created(error={"code": error.code, "message": error.message})
        return None, Created(existed=not new)

    def _live(self, schedule: Schedule) -> frozenset[str]:
        """Those of its last runs that are not over."""
        run_ids = [*schedule.runs, *([schedule.backfilled] if schedule.backfilled else [])]
        if not run_ids or (schedule.overlap is Overlap.ALLOW_ALL and not schedule.backfills):
            return frozenset()
        found = self.runs.read_many(run_ids, (fields.STATUS,))
        statuses = zip(run_ids, (values[fields.STATUS] for values in found), strict=True)
        return frozenset(run_id for run_id, status in statuses if status is not None and status not in OVER)

    def _wait(self, record_id: str, schedule: Schedule) -> None:
        """Nothing is to be decided now: look again when there may be, and cancel what a slot waits for."""
        if schedule.waiting_ms is not None and schedule.pause is None and schedule.overlap is Overlap.CANCEL_OTHER:
            for run_id in self._live(schedule).intersection(schedule.runs):
                self._cancel_run(run_id, schedule, schedule.waiting_ms)
        entry = due(schedule, self._look_again_ms)
        if entry is not None and entry.within_ms is not None:
            self.write(record_id, schedule, Turn(schedule), fence=schedule.fence)

    def _cancel_run(self, run_id: str, schedule: Schedule, slot_ms: int) -> None:
        reason = f"overlap: the slot {rfc3339(slot_ms)} of {schedule.name} has come"
        try:
            self._cancel(run_id, reason, schedule.started_by)
        except (RunOver, NotFound):
            log.debug("run_over_before_cancel", run_id=run_id)
