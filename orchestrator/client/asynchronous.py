"""The asynchronous client. It has the synchronous one's surface, over HTTP and over Redis, and no verbs of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from orchestrator.client.alert_surface import Alerts
from orchestrator.client.approval_surface import Approvals
from orchestrator.client.event_surface import ExternalEvents
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.run_surface import RunHandle
from orchestrator.client.schedule_surface import Schedules
from orchestrator.client.surface import HTTP, Orchestrator
from orchestrator.errors import InvalidRequest

if TYPE_CHECKING:
    from orchestrator.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


class Backend(Protocol):
    """Something whose verbs can be awaited."""

    @property
    def target(self) -> Any:
        """Whose verbs they are."""

    def of(self, target: Any) -> Backend:
        """The same for another target, such as a run that a verb returned."""

    async def call(self, verb: str, *args: Any, **options: Any) -> Any:
        """What a verb returns."""

    def stream(self, verb: str, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """What a verb gives, as it comes."""

    async def close(self) -> None:
        """Close every socket."""


def _awaited(verb: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    @wraps(verb)
    async def method(self: Any, /, *args: P.args, **options: P.kwargs) -> T:
        found: T = await self.backend.call(verb.__name__, *args, **options)
        return found

    return _concrete(method)


def _awaited_run(
    verb: Callable[Concatenate[Any, P], RunHandle],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, AsyncRunHandle]]:
    @wraps(verb)
    async def method(self: Any, /, *args: P.args, **options: P.kwargs) -> AsyncRunHandle:
        return AsyncRunHandle(self.backend.of(await self.backend.call(verb.__name__, *args, **options)))

    return _concrete(method)


def _awaited_runs(
    verb: Callable[Concatenate[Any, P], Sequence[RunHandle]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, list[AsyncRunHandle]]]:
    @wraps(verb)
    async def method(self: Any, /, *args: P.args, **options: P.kwargs) -> list[AsyncRunHandle]:
        found = await self.backend.call(verb.__name__, *args, **options)
        return [AsyncRunHandle(self.backend.of(run)) for run in found]

    return _concrete(method)


def _streamed(verb: Callable[Concatenate[Any, P], Iterator[T]]) -> Callable[Concatenate[Any, P], AsyncIterator[T]]:
    @wraps(verb)
    def method(self: Any, /, *args: P.args, **options: P.kwargs) -> AsyncIterator[T]:
        found: AsyncIterator[T] = self.backend.stream(verb.__name__, *args, **options)
        return found

    return _concrete(method)


def _concrete(method: T) -> T:
    """Without the mark of the abstract method whose name and parameters it has."""
    method.__isabstractmethod__ = False  # type: ignore[attr-defined]
    return method


class AsyncRunHandle:
    """One run, by its id: what a RunHandle does, awaited."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.backend.target.run_id)

    status = _awaited(RunHandle.status)
    describe = _awaited(RunHandle.describe)
    result = _awaited(RunHandle.result)
    history = _awaited(RunHandle.history)
    follow = _streamed(RunHandle.follow)
    cancel = _awaited(RunHandle.cancel)
    pause = _awaited(RunHandle.pause)
    resume = _awaited(RunHandle.resume)
    retry = _awaited(RunHandle.retry)
    skip = _awaited(RunHandle.skip)
    signal = _awaited(RunHandle.signal)
    undo = _awaited(RunHandle.undo)
    undo_preview = _awaited(RunHandle.undo_preview)
    waive = _awaited(RunHandle.waive)
    why = _awaited(RunHandle.why)


class AsyncApprovals:
    """What waits for people: what Approvals do, awaited."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    mine = _awaited(Approvals.mine)
    list = _awaited(Approvals.list)
    decide = _awaited(Approvals.decide)
    decide_by_link = _awaited(Approvals.decide_by_link)
    delegate = _awaited(Approvals.delegate)
    link_token = _awaited(Approvals.link_token)


class AsyncSchedules:
    """The schedules of all workflows: what Schedules do, awaited."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    list = _awaited(Schedules.list)
    page = _awaited(Schedules.page)
    describe = _awaited(Schedules.describe)
    history = _awaited(Schedules.history)
    slots = _awaited(Schedules.slots)
    pause = _awaited(Schedules.pause)
    resume = _awaited(Schedules.resume)
    trigger = _awaited(Schedules.trigger)
    backfill = _awaited(Schedules.backfill)


class AsyncExternalEvents:
    """External events: what ExternalEvents do, awaited."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    emit = _awaited(ExternalEvents.emit)
    emit_many = _awaited(ExternalEvents.emit_many)
    tail = _streamed(ExternalEvents.tail)
    dead = _awaited(ExternalEvents.dead)
    misses = _awaited(ExternalEvents.misses)
    replay = _awaited(ExternalEvents.replay)
    discard = _awaited(ExternalEvents.discard)


class AsyncFleet:
    """Queues and workers: what a Fleet does, awaited."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    queues = _awaited(Fleet.queues)
    samples = _awaited(Fleet.samples)
    workers = _awaited(Fleet.workers)
    worker = _awaited(Fleet.worker)
    inspect = _awaited(Fleet.inspect)
    grow = _awaited(Fleet.grow)
    shrink = _awaited(Fleet.shrink)
    add_consumer = _awaited(Fleet.add_consumer)
    cancel_consumer = _awaited(Fleet.cancel_consumer)
    drain = _awaited(Fleet.drain)
    resume = _awaited(Fleet.resume)
    shutdown = _awaited(Fleet.shutdown)
    limit_time = _awaited(Fleet.limit_time)
    limit_rate = _awaited(Fleet.limit_rate)
    forget = _awaited(Fleet.forget)


class AsyncAlerts:
    """What a person should know of: what Alerts do, awaited."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    list = _awaited(Alerts.list)
    get = _awaited(Alerts.get)
    acknowledge = _awaited(Alerts.acknowledge)
    resolve = _awaited(Alerts.resolve)
    channels = _awaited(Alerts.channels)
    test = _awaited(Alerts.test)
    delivery = _awaited(Alerts.delivery)
    dead = _awaited(Alerts.dead)
    replay = _awaited(Alerts.replay)


class AsyncOrchestrator:
    """What an Orchestrator does, awaited: over HTTP on the event loop, over Redis in threads."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @staticmethod
    def connect(
        url: str | None = None, *, settings: Settings | None = None, api_key: str | None = None
    ) -> AsyncOrchestrator:
        """A client as `Orchestrator.connect` makes one; it connects on first use, and is of use in one event loop."""
        if url is not None and url.startswith(HTTP):
            from orchestrator.client.http.awaiting import over_http  # noqa: PLC0415  # over Redis there is no httpx

            if settings is not None:
                raise InvalidRequest("settings are of a Redis; the API has its own")
            return AsyncOrchestrator(over_http(url, api_key))
        if api_key is not None:
            raise InvalidRequest("an API key is for http:// and https:// URLs; a Redis URL carries its own password")
        from orchestrator.client.sync import RedisOrchestrator  # noqa: PLC0415  # over HTTP there is no Redis
        from orchestrator.client.threads import in_threads  # noqa: PLC0415

        return AsyncOrchestrator(in_threads(RedisOrchestrator.of(url, settings)))

    @staticmethod
    def attach(app: Any, url: str | None = None, *, settings: Settings | None = None) -> AsyncOrchestrator:
        """The client as `Orchestrator.attach` makes one."""
        from orchestrator.client.threads import in_threads  # noqa: PLC0415

        return AsyncOrchestrator(in_threads(Orchestrator.attach(app, url, settings=settings)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every socket; the client is of no use afterwards."""
        await self.backend.close()

    publish = _awaited(Orchestrator.publish)
    versions = _awaited(Orchestrator.versions)
    deprecate = _awaited(Orchestrator.deprecate)
    traffic = _awaited(Orchestrator.traffic)
    clear_traffic = _awaited(Orchestrator.clear_traffic)
    start = _awaited_run(Orchestrator.start)
    start_many = _awaited_runs(Orchestrator.start_many)
    get = _awaited_run(Orchestrator.get)
    runs = _awaited_runs(Orchestrator.runs)
    search = _awaited(Orchestrator.search)
    stats = _awaited(Orchestrator.stats)
    metrics = _awaited(Orchestrator.metrics)
    overall = _awaited(Orchestrator.overall)
    doctor = _awaited(Orchestrator.doctor)

    def handle(self, run_id: str) -> AsyncRunHandle:
        """The handle of a run, without a look whether there is one."""
        return AsyncRunHandle(self.backend.of(self.backend.target.handle(run_id)))

    @property
    def approvals(self) -> AsyncApprovals:
        """What waits for people to decide."""
        return AsyncApprovals(self.backend.of(self.backend.target.approvals))

    @property
    def schedules(self) -> AsyncSchedules:
        """The schedules of all workflows: what they did and will do, and changing that."""
        return AsyncSchedules(self.backend.of(self.backend.target.schedules))

    @property
    def events(self) -> AsyncExternalEvents:
        """External events: emit, tail, and those that were given up."""
        return AsyncExternalEvents(self.backend.of(self.backend.target.events))

    @property
    def fleet(self) -> AsyncFleet:
        """Queues and workers: how they are, and telling workers what to do."""
        return AsyncFleet(self.backend.of(self.backend.target.fleet))

    @property
    def alerts(self) -> AsyncAlerts:
        """What a person should know of: lists, acknowledging, and the messages to channels."""
        return AsyncAlerts(self.backend.of(self.backend.target.alerts))
