"""The surface of schedules: `orchestrator.schedules`. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from orchestrator.client.shown import ScheduleDescription, SchedulePage, Slots
from orchestrator.client.surface_words import Moment
from orchestrator.store.port import HistoryEntry


class Schedules(ABC):
    """The schedules of all workflows."""

    @abstractmethod
    def list(self, workflow: str | None = None) -> Sequence[ScheduleDescription]:
        """All schedules, or those of a workflow, by workflow and name."""

    @abstractmethod
    def page(self, workflow: str | None = None, *, limit: int = 100, cursor: str | None = None) -> SchedulePage:
        """So many of them, from behind where the page before ended."""

    @abstractmethod
    def describe(self, workflow: str, name: str, *, fires: int = 5) -> ScheduleDescription:
        """One schedule with its next fires; UnknownSchedule if there is none."""

    @abstractmethod
    def history(self, workflow: str, name: str, after: str = "0", limit: int = 1000) -> Sequence[HistoryEntry]:
        """What happened to a schedule and became of its slots, oldest first; the last thousand events are kept."""

    @abstractmethod
    def slots(self, workflow: str, name: str, since: Moment, until: Moment | None = None, *, limit: int = 100) -> Slots:
        """What a backfill of that range would be about, and which of its first slots have their runs."""

    @abstractmethod
    def pause(self, workflow: str, name: str, reason: str = "", by: str = "") -> None:
        """Let no slot start a run until `resume`; the slots until then are neither fired nor missed."""

    @abstractmethod
    def resume(self, workflow: str, name: str, reason: str = "", by: str = "") -> None:
        """Let slots start runs again, from the next one on."""

    @abstractmethod
    def trigger(self, workflow: str, name: str, reason: str = "", by: str = "") -> str:
        """Start a run now, outside of the slots and whatever is under way; its id. It may be paused, not retired."""

    @abstractmethod
    def backfill(
        self,
        workflow: str,
        name: str,
        since: Moment,
        until: Moment | None = None,
        reason: str = "",
        by: str = "",
        *,
        one_by_one: bool = True,
    ) -> int:
        """Let the slots of a range that is past, both ends included, have their runs; how many slots there are.

        The leading beat starts them in order: each when no run of the schedule is under way, or, without `one_by_one`,
        all at once. A slot that has its run, or had one that is remembered, is passed over.
        """
