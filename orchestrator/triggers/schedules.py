"""Firing what is due: the beat that leads moves the schedules on, and keeps them in step with what is published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator import logs
from orchestrator.client.schedules import RedisSchedules
from orchestrator.clock import elapsed_s
from orchestrator.errors import OrchestratorError, Unreachable
from orchestrator.store.registry import Registry

log = logs.get("schedules")

LEASE_MS: Final = 5_000
"""A leader that is silent for so long leads no more: with a sweep it is under 10 s until another one does."""
BATCH: Final = 200
"""Due schedules read together."""
LONGEST_PASS_S: Final = 1.0
"""A pass ends after so long, so that sweeps are not kept waiting and the lease is renewed in time."""
RECONCILE_S: Final = 3.0
"""How often the leader looks for publications after which a client crashed."""
RECONCILE_ALL_S: Final = 60.0
"""How often it looks through all workflows, changed or not."""


class ScheduleKeeper:
    """One beat's part in the schedules; one `keep` is one pass."""

    def __init__(self, schedules: RedisSchedules, registry: Registry, holder: str) -> None:
        self._schedules = schedules
        self._registry = registry
        self._holder = holder
        self._leads = False
        self._revisions: dict[str, str] = {}
        self._reconcile_s = 0.0
        self._reconcile_all_s = 0.0

    def keep(self) -> int:
        """Fire what is due, if this beat leads; the number of turns. Unreachable if Redis does not answer."""
        fence = self._registry.leadership.lead(self._holder, LEASE_MS)
        self._note(leads=fence is not None)
        if fence is None:
            return 0
        self._reconcile()
        return sum(self._visit(record_id, fence) for record_id in self._due())

    def resign(self) -> None:
        """Let another beat lead at once."""
        if self._leads:
            self._registry.leadership.resign(self._holder)
            self._leads = False

    def _due(self) -> Iterator[str]:
        """What is due, the longest due first, each once, as far as a pass goes."""
        ends_s, seen = elapsed_s() + LONGEST_PASS_S, set[str]()
        while new := [due.run_id for due in self._schedules.records.due(0, BATCH) if due.run_id not in seen]:
            for record_id in new:
                if elapsed_s() >= ends_s:
                    return
                seen.add(record_id)
                yield record_id

    def _visit(self, record_id: str, fence: int) -> int:
        try:
            return self._schedules.firing.visit(record_id, fence)
        except Unreachable:
            raise
        except OrchestratorError as error:
            log.warning("schedule_failed", schedule=record_id, code=error.code, error=error.message)
        except Exception:
            log.exception("schedule_failed", schedule=record_id)  # the others fire all the same
        return 0

    def _reconcile(self) -> None:
        now_s = elapsed_s()
        if now_s < self._reconcile_s:
            return
        self._reconcile_s = now_s + RECONCILE_S
        if now_s >= self._reconcile_all_s:
            self._reconcile_all_s, self._revisions = now_s + RECONCILE_ALL_S, {}
        for workflow in self._registry.workflows():
            revision = self._registry.revision(workflow)
            if self._revisions.get(workflow) == revision:
                continue
            try:
                changed = self._schedules.reconcile(workflow)
            except Unreachable:
                raise
            except OrchestratorError as error:
                log.warning("not_reconciled", workflow=workflow, code=error.code, error=error.message)
                continue
            self._revisions[workflow] = revision
            if changed:
                log.info("schedules_reconciled", workflow=workflow, schedules=changed)

    def _note(self, *, leads: bool) -> None:
        if leads != self._leads:
            self._leads = leads
            log.info("leading" if leads else "not_leading", beat=self._holder)
            self._reconcile_s = self._reconcile_all_s = 0.0
