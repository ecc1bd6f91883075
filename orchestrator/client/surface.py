"""The client's surface: what it can do, whatever it speaks to. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from orchestrator.client.alert_surface import Alerts
from orchestrator.client.approval_surface import Approvals
from orchestrator.client.event_surface import ExternalEvents
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.measures import OverallStats, WorkflowStats
from orchestrator.client.run_surface import RunHandle, Start
from orchestrator.client.schedule_surface import Schedules
from orchestrator.client.shown import Finding, Page, Published, Stats, VersionStatus
from orchestrator.client.surface_words import ALL, Moment
from orchestrator.errors import InvalidRequest

if TYPE_CHECKING:  # what stands here would bring in Redis, Celery or the expressions
    from orchestrator.client.sync import RedisOrchestrator
    from orchestrator.engine.indexes import Scalar
    from orchestrator.settings import Settings
    from orchestrator.spec.traffic import Traffic
    from orchestrator.spec.workflow import WorkflowSpec

__all__ = ["ALL", "HTTP", "Moment", "Orchestrator"]

HTTP = ("http://", "https://")


class Orchestrator(ABC):
    """Publishes versions, starts runs, and finds them again: over Redis, or over HTTP."""

    @overload
    @staticmethod
    def connect(url: None = None, *, settings: Settings | None = None) -> RedisOrchestrator: ...
    @overload
    @staticmethod
    def connect(url: str, *, settings: Settings) -> RedisOrchestrator: ...
    @overload
    @staticmethod
    def connect(url: str, *, api_key: str | None = None) -> Orchestrator: ...
    @staticmethod
    def connect(
        url: str | None = None, *, settings: Settings | None = None, api_key: str | None = None
    ) -> Orchestrator:
        """A client of the state at a Redis URL, or of the API at an `http` or `https` one; connects on first use.

        Without a URL: of the settings' Redis. The address of an API is that of its server, `https://…` without `/api`.
        """
        if url is not None and url.startswith(HTTP):
            from orchestrator.client.http.clients import connect  # noqa: PLC0415  # see below

            if settings is not None:
                raise InvalidRequest("settings are of a Redis; the API has its own")
            return connect(url, api_key)
        if api_key is not None:
            raise InvalidRequest("an API key is for http:// and https:// URLs; a Redis URL carries its own password")
        from orchestrator.client.sync import RedisOrchestrator  # noqa: PLC0415  # over HTTP there is no Redis to import

        return RedisOrchestrator.of(url, settings)

    @staticmethod
    def attach(app: Any, url: str | None = None, *, settings: Settings | None = None) -> RedisOrchestrator:
        """A client that sends through an existing Celery app, whose workers then serve our steps and its beat sweeps.

        Call it where the app is made, once it is configured. The app's own tasks, routes and schedule stay as they are.
        """
        from orchestrator.client.sync import RedisOrchestrator  # noqa: PLC0415  # over HTTP there is no Redis to import

        return RedisOrchestrator.attached_to(app, url, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close every socket; the client is of no use afterwards."""

    @property
    @abstractmethod
    def approvals(self) -> Approvals:
        """What waits for people to decide."""

    @property
    @abstractmethod
    def schedules(self) -> Schedules:
        """The schedules of all workflows: what they did and will do, and changing that."""

    @property
    @abstractmethod
    def events(self) -> ExternalEvents:
        """External events: emit, tail, and those that were given up."""

    @property
    @abstractmethod
    def alerts(self) -> Alerts:
        """What a person should know of: lists, acknowledging, and the messages to channels."""

    @property
    @abstractmethod
    def fleet(self) -> Fleet:
        """Queues and workers: how they are, and telling workers what to do."""

    @abstractmethod
    def publish(self, spec: WorkflowSpec) -> Published:
        """Store a version. The very same again is no error; other content under its number is `version_conflict`."""

    @abstractmethod
    def versions(self, workflow: str) -> list[VersionStatus]:
        """Every version, the highest first: what it takes of new runs, and how many runs still live on it."""

    @abstractmethod
    def deprecate(self, workflow: str, version: str, *, undo: bool = False, reason: str = "") -> None:
        """Take a version out of `latest`, or back in. Its runs go on, and whoever names it may still start some."""

    @abstractmethod
    def traffic(
        self,
        workflow: str,
        weights: Mapping[str, float] | None = None,
        *,
        by: str | None = None,
        reason: str = "",
    ) -> Traffic | None:
        """Share new runs that name no version out by weight: `{"1.0.0": 90, "1.1.0": 10}`; the split that stands.

        `by` is CEL over `input` (as it is given, without defaults) and `ctx`: starts for which it has the same value
        take the same version. No weights: nothing changes; none that stand: the highest stable version takes all.
        """

    @abstractmethod
    def clear_traffic(self, workflow: str, *, reason: str = "") -> None:
        """New runs take the highest stable version again."""

    @abstractmethod
    def start(
        self,
        workflow: str,
        input: Any = None,  # noqa: A002  # the word of the spec
        *,
        ctx: Mapping[str, Any] | None = None,
        version: str | None = None,
        run_id: str | None = None,
        idempotency_key: str | None = None,
        timeout: timedelta | str | int | None = None,
    ) -> RunHandle:
        """Start a run; once accepted it is never lost. The same id or key, workflow and input: the existing run."""

    @abstractmethod
    def start_many(self, starts: Iterable[Start]) -> Sequence[RunHandle]:
        """Start runs, pipelined; all inputs are checked before the first is started (over HTTP: 1,000 at a time)."""

    @abstractmethod
    def get(self, run_id: str) -> RunHandle:
        """The handle of a run; UnknownRun if there is none."""

    @abstractmethod
    def handle(self, run_id: str) -> RunHandle:
        """The handle of a run, without a look whether there is one."""

    @abstractmethod
    def runs(self, *, workflow: str | None = None, status: str | None = None, limit: int = 50) -> Sequence[RunHandle]:
        """The newest runs, of a workflow or with a status."""

    @abstractmethod
    def search(
        self,
        *,
        workflow: str | None = None,
        version: str | None = None,
        status: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        tags: Sequence[str] = (),
        where: Mapping[str, Scalar] | None = None,
        text: str | None = None,
        sla: str | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """A page of the runs that all of this holds for, newest first; `where` names the workflow's search fields.

        `text` is a run's id, or part of an id, of a workflow's key or of a tag; `sla` is how the run does by its own
        SLA: `ok`, `warned`, `breached` or `met`. A page may be short though there are
        more: its cursor goes on. Without a cursor it was the last.
        """

    @abstractmethod
    def stats(self) -> Stats:
        """Runs by status, queues, workers, beats and listeners."""

    @abstractmethod
    def metrics(self, workflow: str, *, since: Moment | None = None, until: Moment | None = None) -> WorkflowStats:
        """What the runs of a workflow did: how many, how well, how fast; by whole hours, of the last 24 by default."""

    @abstractmethod
    def overall(self, *, since: Moment | None = None, until: Moment | None = None) -> OverallStats:
        """The same of all workflows, together and each by itself, and how many runs are under way."""

    @abstractmethod
    def doctor(self) -> list[Finding]:
        """What stands in the way of runs, and what to do about it."""
