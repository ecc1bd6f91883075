"""The client's surface: what it can do, whatever it speaks to. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.measures import OverallStats, WorkflowStats
from orchestrator.client.reasons import Why
from orchestrator.client.shown import (
    AlertDescription,
    AlertPage,
    ChannelDescription,
    DeadEvent,
    DeliveryDescription,
    Finding,
    OpenApproval,
    Page,
    Published,
    RunDescription,
    ScheduleDescription,
    SchedulePage,
    Slots,
    Stats,
    TakenIn,
    TriggerMiss,
    VersionStatus,
)
from orchestrator.engine.state import RunStatus
from orchestrator.errors import InvalidRequest
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.store.port import HistoryEntry

if TYPE_CHECKING:  # what stands here would bring in Redis, Celery or the expressions
    from orchestrator.client.sync import RedisOrchestrator
    from orchestrator.engine.approvals import Choice
    from orchestrator.engine.indexes import Scalar
    from orchestrator.engine.undoing import UndoPreview
    from orchestrator.settings import Settings
    from orchestrator.spec.traffic import Traffic
    from orchestrator.spec.workflow import WorkflowSpec

Moment = datetime | timedelta | str
"""A moment (without an offset: UTC), or how long ago: `2026-01-31T12:00:00Z`, `2026-01-31`, `90m`."""
HTTP = ("http://", "https://")
ALL = "all"


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


class Approvals(ABC):
    """What waits for people.

    Over Redis, `by` and `groups` are whom the caller knows to decide; by default it is who this client acts for. Over
    HTTP the key says that, and they are not taken.
    """

    @abstractmethod
    def mine(self, *, limit: int = 100) -> Sequence[OpenApproval]:
        """The open approvals that whoever this client acts for may decide now."""

    @abstractmethod
    def list(
        self, user: str | None = None, groups: Collection[str] = (), *, limit: int = 100
    ) -> Sequence[OpenApproval]:
        """The open approvals that this person may decide now, newest runs first; without a person, all."""

    @abstractmethod
    def decide(
        self,
        run_id: str,
        step: str,
        choice: Choice,
        *,
        by: str = "",
        groups: Collection[str] = (),
        comment: str = "",
        form: Any = None,
    ) -> None:
        """Decide an open approval; NotAsked if this person may not, InvalidInput if the form is not filled in right."""

    @abstractmethod
    def decide_by_link(
        self, run_id: str, step: str, choice: Choice, *, by: str, token: str, comment: str = "", form: Any = None
    ) -> None:
        """Decide by a link that was made for this person; NotAsked if its token is another."""

    @abstractmethod
    def delegate(self, run_id: str, step: str, to: str, *, by: str = "", groups: Collection[str] = ()) -> None:
        """Have another decide: instead of a user, besides a group. NotAsked if this person may not decide it."""

    @abstractmethod
    def link_token(self, run_id: str, step: str, user: str) -> str:
        """The token of the link by which a user may decide without a key: for that user, and that approval, alone.

        Whoever gives it away vouches for the user's being of the groups that are asked.
        """


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


class ExternalEvents(ABC):
    """Takes events in, shows those that came in, and those that were given up."""

    @abstractmethod
    def emit(
        self,
        /,
        event: CloudEvent | Mapping[str, Any] | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the words of CloudEvents
        data: Any = None,
        source: str | None = None,
        id: str | None = None,  # noqa: A002
        **attributes: Any,
    ) -> CloudEvent:
        """Take in one event, given as a whole or by its attributes; what it became.

        An `id`, a `source` and a `time` are made if there are none. To emit the same again, give it the same id:
        two events with one source and id are one to each workflow. InvalidEvent tells all that is wrong.
        """

    @abstractmethod
    def emit_many(self, events: Iterable[CloudEvent | Mapping[str, Any]]) -> list[CloudEvent]:
        """Take in events, pipelined, in this order; if one is refused, none is taken in."""

    @abstractmethod
    def tail(self, count: int = 10, *, follow: bool = False) -> Iterator[TakenIn]:
        """The newest events that came in, oldest of them first; with `follow` also those that come, without end."""

    @abstractmethod
    def dead(self, count: int | None = None) -> list[DeadEvent]:
        """The events that were given up, oldest first."""

    @abstractmethod
    def misses(self) -> Sequence[TriggerMiss]:
        """For each trigger whose filter had no answer for an event, the last of those events; it started nothing."""

    @abstractmethod
    def replay(self, letter_id: str = ALL, reason: str = "") -> int:
        """Take a dead event in again, or all of them; how many. What it has started already, it does not start again.

        One that a single trigger gave up goes to that trigger alone.
        """

    @abstractmethod
    def discard(self, letter_id: str, reason: str = "") -> int:
        """Forget a dead event, or all of them; how many."""


class Alerts(ABC):
    """What a person should know of, and whether it reached one."""

    @abstractmethod
    def list(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        level: str | None = None,
        workflow: str | None = None,
        run: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        """A page of the alerts that all of this holds for, newest first. A page may be short: its cursor goes on."""

    @abstractmethod
    def get(self, alert_id: str) -> AlertDescription:
        """One alert; UnknownAlert if there is none."""

    @abstractmethod
    def acknowledge(self, alert_id: str, comment: str = "", by: str = "") -> AlertDescription:
        """Say that somebody sees to it. Who was first stands; AlertOver if it is resolved."""

    @abstractmethod
    def resolve(self, alert_id: str, comment: str = "", by: str = "") -> AlertDescription:
        """Say that it is over: what happens again is a new alert. Twice is once."""

    @abstractmethod
    def channels(self) -> Sequence[ChannelDescription]:
        """Where alerts go, as the settings say."""

    @abstractmethod
    def test(self, channel: str) -> str:
        """Let a listener send a test message, with one try; the delivery's id. UnknownChannel if there is none."""

    @abstractmethod
    def delivery(self, delivery_id: str) -> DeliveryDescription:
        """One message to a channel; UnknownDelivery if there is none."""

    @abstractmethod
    def dead(self, *, limit: int = 100) -> Sequence[DeliveryDescription]:
        """The messages that were given up, the first of them first."""

    @abstractmethod
    def replay(self, delivery_id: str = ALL) -> int:
        """Send a message again that was given up, or all of them; how many."""


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
