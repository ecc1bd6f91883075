"""The surface of a run: `RunHandle`, and what `start_many` takes. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestrator.client.reasons import Why
from orchestrator.client.shown import RunDescription
from orchestrator.engine.state import RunStatus
from orchestrator.errors import RunFailed
from orchestrator.store.port import HistoryEntry

if TYPE_CHECKING:  # what stands here would bring in Redis, Celery or the expressions
    from orchestrator.engine.undoing import UndoPreview


@dataclass(frozen=True, slots=True)
class Start:
    """One run to start with `start_many`."""

    workflow: str
    input: Any = None
    ctx: Mapping[str, Any] | None = None
    version: str | None = None
    run_id: str | None = None
    idempotency_key: str | None = None
    timeout: timedelta | str | int | None = None
    """The run's limit, if it is to be shorter than the workflow's: a duration as in specs."""
    started_by: str | None = None
    """Who starts it; by default whom the client acts for, and over HTTP always the key's user."""
    scheduled_at_ms: int | None = None
    """The slot that it is for, which expressions see as `run.scheduled_at`; not over HTTP."""
    traceparent: str | None = None
    """The trace that it belongs to (W3C); by default that of the current span, if OpenTelemetry knows one."""


class RunHandle(ABC):
    """One run, by its id. Over HTTP the key says who acts: there `by` is not taken."""

    run_id: str

    @abstractmethod
    def status(self) -> RunStatus:
        """Where the run is."""

    @abstractmethod
    def describe(self) -> RunDescription:
        """Everything that is known of the run now."""

    @abstractmethod
    def result(self, timeout: float | None = None) -> Any:
        """The run's output, as soon as it has one; `timeout` in seconds.

        RunFailed if it ends without one, WaitTimeout if it has not ended in time.
        """

    @abstractmethod
    def history(self, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """What happened, oldest first, after the event with this id."""

    @abstractmethod
    def follow(self, after: str = "0", timeout: float | None = None) -> Iterator[HistoryEntry]:
        """What happened after that event and what happens, until the run is over; WaitTimeout after so many seconds."""

    @abstractmethod
    def cancel(self, reason: str = "", by: str = "") -> None:
        """Stop the run: nothing new starts, what is in flight ends, what is done is undone. RunOver if it has ended."""

    @abstractmethod
    def pause(self, reason: str = "", by: str = "") -> None:
        """Let nothing new begin until `resume`; steps in flight end. RunOver if the run has ended."""

    @abstractmethod
    def resume(self, reason: str = "", by: str = "") -> None:
        """Let a paused run go on; its time limits move by as long as it was paused."""

    @abstractmethod
    def retry(
        self,
        reason: str = "",
        by: str = "",
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002  # the word of the spec
        step: str | None = None,
        incarnation: int | None = None,
    ) -> None:
        """Let a failed or cancelled run go on from where it failed, as a new incarnation of the same run.

        Steps that were undone run again first, with new idempotency keys; `input` replaces the run's. With a `step`
        only if the run would go on there, with an `incarnation` only if it is that one; else NotRetriable.
        """

    @abstractmethod
    def skip(self, step: str, reason: str = "", by: str = "", *, output: Any = None) -> None:
        """Go on behind a step that waits, as if it had succeeded; `output` is what later steps read of it."""

    @abstractmethod
    def signal(self, name: str, data: Any = None, *, id: str | None = None, by: str = "") -> None:  # noqa: A002
        """Give the run a signal: to the step that waits for it, or to the first that will.

        Two signals with the same `id` are one. SignalNotExpected if no step takes it, RunOver if the run has ended.
        """

    @abstractmethod
    def undo(self, reason: str = "", by: str = "") -> None:
        """Of a run that is over: make again the undos that failed, or all that waited for this. Twice is once."""

    @abstractmethod
    def undo_preview(self) -> UndoPreview:
        """What would be undone now, with inputs, and what cannot be."""

    @abstractmethod
    def why(self) -> Why:
        """Why it is where it is: one answer in words for the run, and one for each of its live steps."""

    @abstractmethod
    def waive(self, step: str, reason: str = "", by: str = "") -> None:
        """Record that what a step did was undone by hand."""


def run_failed(run_id: str, status: str, error: Mapping[str, Any], compensation: str) -> RunFailed:
    """What is raised for a run that ended without completing."""
    message = f"run {run_id} {status}: {error.get('code', '')} {error.get('message', '')}".rstrip()
    return RunFailed(message, run_id=run_id, status=status, error=dict(error), compensation=compensation)
