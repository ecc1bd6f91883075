"""The synchronous client over HTTP: each method runs the verb of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx
from typing_extensions import override

from orchestrator.client.alert_surface import Alerts
from orchestrator.client.approval_surface import Approvals
from orchestrator.client.event_surface import ExternalEvents
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.http.alerts import AlertVerbs
from orchestrator.client.http.drivers import Driver, configured
from orchestrator.client.http.exchange import Steps
from orchestrator.client.http.fleet import FleetVerbs
from orchestrator.client.http.outside import EventVerbs, ScheduleVerbs
from orchestrator.client.http.run_verbs import RunVerbs
from orchestrator.client.http.verbs import ApprovalVerbs, ClientVerbs
from orchestrator.client.run_surface import RunHandle
from orchestrator.client.schedule_surface import Schedules
from orchestrator.client.shown import TakenIn
from orchestrator.client.surface import Orchestrator
from orchestrator.store.port import HistoryEntry

P = ParamSpec("P")
T = TypeVar("T")


def connect(url: str, api_key: str | None) -> HttpOrchestrator:
    """A client of the API at a URL."""
    return HttpOrchestrator(ClientVerbs(), Driver(httpx.Client(**configured(url, api_key))))


def _driven(verb: Callable[Concatenate[Any, P], Steps[T]]) -> Callable[Concatenate[Any, P], T]:
    @wraps(verb)
    def method(self: Any, /, *args: P.args, **options: P.kwargs) -> T:
        found: T = self.driver.run(verb(self.verbs, *args, **options))
        return found

    return method


def _driven_to_run(verb: Callable[Concatenate[Any, P], Steps[RunVerbs]]) -> Callable[Concatenate[Any, P], RunHandle]:
    @wraps(verb)
    def method(self: Any, /, *args: P.args, **options: P.kwargs) -> RunHandle:
        return HttpRunHandle(self.driver.run(verb(self.verbs, *args, **options)), self.driver)

    return method


def _driven_to_runs(
    verb: Callable[Concatenate[Any, P], Steps[list[RunVerbs]]],
) -> Callable[Concatenate[Any, P], list[RunHandle]]:
    @wraps(verb)
    def method(self: Any, /, *args: P.args, **options: P.kwargs) -> list[RunHandle]:
        runs = self.driver.run(verb(self.verbs, *args, **options))
        return [HttpRunHandle(run, self.driver) for run in runs]

    return method


class HttpRunHandle(RunHandle):
    """One run of the API's."""

    def __init__(self, verbs: RunVerbs, driver: Driver) -> None:
        self.run_id = verbs.run_id
        self.verbs = verbs
        self.driver = driver

    status = _driven(RunVerbs.status)
    describe = _driven(RunVerbs.describe)
    result = _driven(RunVerbs.result)
    history = _driven(RunVerbs.history)
    cancel = _driven(RunVerbs.cancel)
    pause = _driven(RunVerbs.pause)
    resume = _driven(RunVerbs.resume)
    retry = _driven(RunVerbs.retry)
    skip = _driven(RunVerbs.skip)
    signal = _driven(RunVerbs.signal)
    undo = _driven(RunVerbs.undo)
    undo_preview = _driven(RunVerbs.undo_preview)
    waive = _driven(RunVerbs.waive)
    why = _driven(RunVerbs.why)

    @override
    def follow(self, after: str = "0", timeout: float | None = None) -> Iterator[HistoryEntry]:
        return self.driver.stream(self.verbs.follow(after, timeout))


class HttpApprovals(Approvals):
    """The API's approvals."""

    def __init__(self, verbs: ApprovalVerbs, driver: Driver) -> None:
        self.verbs = verbs
        self.driver = driver

    mine = _driven(ApprovalVerbs.mine)
    list = _driven(ApprovalVerbs.list)
    decide = _driven(ApprovalVerbs.decide)
    decide_by_link = _driven(ApprovalVerbs.decide_by_link)
    delegate = _driven(ApprovalVerbs.delegate)
    link_token = _driven(ApprovalVerbs.link_token)


class HttpSchedules(Schedules):
    """The API's schedules."""

    def __init__(self, verbs: ScheduleVerbs, driver: Driver) -> None:
        self.verbs = verbs
        self.driver = driver

    describe = _driven(ScheduleVerbs.describe)
    history = _driven(ScheduleVerbs.history)
    pause = _driven(ScheduleVerbs.pause)
    resume = _driven(ScheduleVerbs.resume)
    trigger = _driven(ScheduleVerbs.trigger)
    slots = _driven(ScheduleVerbs.slots)
    backfill = _driven(ScheduleVerbs.backfill)
    page = _driven(ScheduleVerbs.page)
    list = _driven(ScheduleVerbs.list)


class HttpExternalEvents(ExternalEvents):
    """The API's external events."""

    def __init__(self, verbs: EventVerbs, driver: Driver) -> None:
        self.verbs = verbs
        self.driver = driver

    emit = _driven(EventVerbs.emit)
    emit_many = _driven(EventVerbs.emit_many)
    dead = _driven(EventVerbs.dead)
    misses = _driven(EventVerbs.misses)
    replay = _driven(EventVerbs.replay)
    discard = _driven(EventVerbs.discard)

    @override
    def tail(self, count: int = 10, *, follow: bool = False) -> Iterator[TakenIn]:
        return self.driver.stream(self.verbs.tail(count, follow=follow))


class HttpFleet(Fleet):
    """The API's queues and workers."""

    def __init__(self, verbs: FleetVerbs, driver: Driver) -> None:
        self.verbs = verbs
        self.driver = driver

    queues = _driven(FleetVerbs.queues)
    samples = _driven(FleetVerbs.samples)
    workers = _driven(FleetVerbs.workers)
    worker = _driven(FleetVerbs.worker)
    inspect = _driven(FleetVerbs.inspect)
    grow = _driven(FleetVerbs.grow)
    shrink = _driven(FleetVerbs.shrink)
    add_consumer = _driven(FleetVerbs.add_consumer)
    cancel_consumer = _driven(FleetVerbs.cancel_consumer)
    drain = _driven(FleetVerbs.drain)
    resume = _driven(FleetVerbs.resume)
    shutdown = _driven(FleetVerbs.shutdown)
    limit_time = _driven(FleetVerbs.limit_time)
    limit_rate = _driven(FleetVerbs.limit_rate)
    forget = _driven(FleetVerbs.forget)


class HttpAlerts(Alerts):
    """The API's alerts."""

    def __init__(self, verbs: AlertVerbs, driver: Driver) -> None:
        self.verbs = verbs
        self.driver = driver

    get = _driven(AlertVerbs.get)
    acknowledge = _driven(AlertVerbs.acknowledge)
    resolve = _driven(AlertVerbs.resolve)
    channels = _driven(AlertVerbs.channels)
    test = _driven(AlertVerbs.test)
    delivery = _driven(AlertVerbs.delivery)
    dead = _driven(AlertVerbs.dead)
    replay = _driven(AlertVerbs.replay)
    list = _driven(AlertVerbs.list)


class HttpOrchestrator(Orchestrator):
    """The client of an API."""

    def __init__(self, verbs: ClientVerbs, driver: Driver) -> None:
        self.verbs = verbs
        self.driver = driver

    publish = _driven(ClientVerbs.publish)
    versions = _driven(ClientVerbs.versions)
    deprecate = _driven(ClientVerbs.deprecate)
    traffic = _driven(ClientVerbs.traffic)
    clear_traffic = _driven(ClientVerbs.clear_traffic)
    start = _driven_to_run(ClientVerbs.start)
    start_many = _driven_to_runs(ClientVerbs.start_many)
    get = _driven_to_run(ClientVerbs.get)
    runs = _driven_to_runs(ClientVerbs.runs)
    search = _driven(ClientVerbs.search)
    stats = _driven(ClientVerbs.stats)
    metrics = _driven(ClientVerbs.metrics)
    overall = _driven(ClientVerbs.overall)
    doctor = _driven(ClientVerbs.doctor)

    @override
    def handle(self, run_id: str) -> RunHandle:
        return HttpRunHandle(self.verbs.handle(run_id), self.driver)

    @property
    @override
    def approvals(self) -> Approvals:
        return HttpApprovals(self.verbs.approvals, self.driver)

    @property
    @override
    def schedules(self) -> Schedules:
        return HttpSchedules(self.verbs.schedules, self.driver)

    @property
    @override
    def events(self) -> ExternalEvents:
        return HttpExternalEvents(self.verbs.events, self.driver)

    @property
    @override
    def fleet(self) -> Fleet:
        return HttpFleet(self.verbs.fleet, self.driver)

    @property
    @override
    def alerts(self) -> Alerts:
        return HttpAlerts(self.verbs.alerts, self.driver)

    @override
    def close(self) -> None:
        self.driver.close()
