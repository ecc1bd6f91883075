"""A handle of one run: what it is doing, how it ended, what happened, and stopping it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.audit import Audit
from orchestrator.client.description import describe
from orchestrator.client.masking import (
    mask_of,
    masked_description,
    masked_error,
    masked_history,
    masked_preview,
    redaction_of,
)
from orchestrator.client.operating import Operating
from orchestrator.client.reasons import Why
from orchestrator.client.redaction import Mask
from orchestrator.client.run_surface import RunHandle, run_failed
from orchestrator.client.shown import RunDescription
from orchestrator.client.versions import Versions
from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.engine.undoing import UndoPreview
from orchestrator.engine.verbs import Wish
from orchestrator.errors import RunFailed, UnknownRun, WaitTimeout
from orchestrator.settings import Settings
from orchestrator.store.limits import Limits
from orchestrator.store.port import HistoryEntry, Store

ENDS = frozenset(f"run_{status.value}" for status in OVER)
"""The events that end a run."""
_RESULT = (
    fields.STATUS,
    fields.OUTPUT,
    fields.ERROR,
    fields.COMPENSATION,
    fields.WORKFLOW,
    fields.VERSION,
)


@dataclass(frozen=True, slots=True)
class RedisRunHandle(RunHandle):
    """One run, by its id."""

    run_id: str
    store: Store
    versions: Versions
    dispatcher: Dispatcher
    audit: Audit = field(default_factory=Audit)
    limits: Limits | None = None
    """Who holds the slots of limits; by default as Redis has it."""

    @override
    def status(self) -> RunStatus:
        _, values = self.store.read(self.run_id, (fields.STATUS,))
        status = values[fields.STATUS]
        if status is None:
            raise UnknownRun(f"no run has the id {self.run_id!r}", run_id=self.run_id)
        return RunStatus(status)

    @override
    def describe(self) -> RunDescription:
        view = self._operating.view()
        plan = self._operating.plan(view)
        return masked_description(describe(plan, view), mask_of(plan, self._settings, view))

    @override
    def result(self, timeout: float | None = None) -> Any:
        deadline = None if timeout is None else elapsed_s() + timeout
        after = "0"
        while True:
            _, values = self.store.read(self.run_id, _RESULT)
            status = values[fields.STATUS]
            if status is None:
                raise UnknownRun(f"no run has the id {self.run_id!r}", run_id=self.run_id)
            if status == RunStatus.COMPLETED:
                return self._mask(values).value(json.loads(values[fields.OUTPUT] or "null"), "output")
            if status in OVER:
                raise _failed(self.run_id, status, values, self._mask(values))
            left_s = 60.0 if deadline is None else deadline - elapsed_s()
            if left_s <= 0:
                raise WaitTimeout(f"run {self.run_id} is still {status}", run_id=self.run_id, status=status)
            after = self._wait_for_end(after, min(left_s, 60.0))

    def masked(self, entries: list[HistoryEntry]) -> list[HistoryEntry]:
        """Events of this run as they may be shown: with what is to be redacted masked."""
        if not entries:
            return entries
        _, values = self.store.read(self.run_id, (fields.WORKFLOW, fields.VERSION))
        return masked_history(entries, self._mask(values))

    @override
    def history(self, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        return self.masked(self.store.history(self.run_id, after, limit))

    @override
    def follow(self, after: str = "0", timeout: float | None = None) -> Iterator[HistoryEntry]:
        deadline = None if timeout is None else elapsed_s() + timeout
        while True:
            status = self.status()
            over = status in OVER
            left_s = 1.0 if deadline is None else min(deadline - elapsed_s(), 1.0)
            if left_s <= 0 and not over:
                raise WaitTimeout(f"run {self.run_id} is still {status}", run_id=self.run_id, status=status.value)
            events = self.history(after) if over else self.masked(self.store.wait_history(self.run_id, after, left_s))
            yield from events
            after = events[-1].id if events else after
            if over and not events:
                return

    @override
    def cancel(self, reason: str = "", by: str = "") -> None:
        with self._wish("cancel", reason, by) as wish:
            self._operating.cancel(wish)

    @override
    def pause(self, reason: str = "", by: str = "") -> None:
        with self._wish("pause", reason, by) as wish:
            self._operating.pause(wish)

    @override
    def resume(self, reason: str = "", by: str = "") -> None:
        with self._wish("resume", reason, by) as wish:
            self._operating.resume(wish)

    @override
    def retry(
        self,
        reason: str = "",
        by: str = "",
        *,
        input: Mapping[str, Any] | None = None,
        step: str | None = None,
        incarnation: int | None = None,
    ) -> None:
        with self._wish("retry", reason, by) as wish:
            self._operating.retry(wish, input, step=step, incarnation=incarnation)

    @override
    def skip(self, step: str, reason: str = "", by: str = "", *, output: Any = None) -> None:
        with self._wish("skip", reason, by, step) as wish:
            self._operating.skip(step, wish, output)

    @override
    def signal(self, name: str, data: Any = None, *, id: str | None = None, by: str = "") -> None:
        with self.audit.acting("signal", f"runs/{self.run_id}/signals/{name}", by=by):
            self._operating.signal(name, data, signal_id=id, source=by)

    @override
    def undo(self, reason: str = "", by: str = "") -> None:
        with self._wish("undo", reason, by) as wish:
            self._operating.undo(wish)

    @override
    def waive(self, step: str, reason: str = "", by: str = "") -> None:
        with self._wish("waive", reason, by, step) as wish:
            self._operating.waive(step, wish)

    @override
    def undo_preview(self) -> UndoPreview:
        found = self._operating.undo_preview()
        view = self._operating.view()
        return masked_preview(found, mask_of(self._operating.plan(view), self._settings, view))

    @override
    def why(self) -> Why:
        from orchestrator.client.around import Around  # noqa: PLC0415  # with limits, which nothing else needs here
        from orchestrator.client.why import why  # noqa: PLC0415

        view = self._operating.view()
        around = Around(self._settings, self.store, self.versions, self.dispatcher.app, self.limits)
        try:
            return why(self._operating.plan(view), view, around)
        finally:
            around.close()

    @contextmanager
    def _wish(self, verb: str, reason: str, by: str, step: str | None = None) -> Iterator[Wish]:
        """Somebody's wish, and the entry in the audit log that says what came of it."""
        target = f"runs/{self.run_id}" if step is None else f"runs/{self.run_id}/steps/{step}"
        with self.audit.acting(verb, target, reason, by):
            yield Wish(by, reason)

    def _wait_for_end(self, after: str, timeout_s: float) -> str:
        """Wait for an event that ends the run, or until time is over; the id of the last event seen."""
        deadline = elapsed_s() + timeout_s
        while events := self.store.wait_history(self.run_id, after, deadline - elapsed_s()):
            after = events[-1].id
            if any(entry.event["type"] in ENDS for entry in events):
                break
        return after

    def _mask(self, values: Mapping[str, str | None]) -> Mask:
        """What hides what is to be redacted in this run; the whole run is read only if there is something."""
        key, version = values[fields.WORKFLOW], values[fields.VERSION]
        if key is None or version is None:
            return Mask()
        plan = self.versions.plan(key, version)
        if not redaction_of(plan, self._settings):
            return Mask()
        return mask_of(plan, self._settings, self._operating.view())

    @property
    def _settings(self) -> Settings:
        settings: Settings = self.dispatcher.settings
        return settings

    @property
    def _operating(self) -> Operating:
        return Operating(self.run_id, self._settings, self.store, self.versions, self.dispatcher)


def _failed(run_id: str, status: str, values: dict[str, str | None], mask: Mask) -> RunFailed:
    error = masked_error(json.loads(values[fields.ERROR] or "{}"), mask)
    return run_failed(run_id, status, error, values[fields.COMPENSATION] or "none")
