"""The client: what producers import. It needs Redis and a workflow's key, and no workflow code."""

from __future__ import annotations

import copy
import getpass
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any, Final

from typing_extensions import override

from orchestrator.broker.app import attach, make_app
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.access import may_see
from orchestrator.client.alerts import RedisAlertDesk
from orchestrator.client.approvals import RedisApprovals
from orchestrator.client.audit import Actor, Audit
from orchestrator.client.closed import ClosedSums
from orchestrator.client.doctor import examine
from orchestrator.client.events import RedisExternalEvents
from orchestrator.client.finding import Finder
from orchestrator.client.firing import Fire
from orchestrator.client.fleet import live_counts, stats
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.lately import Lately
from orchestrator.client.masking import redaction_of
from orchestrator.client.measures import Measures, OverallStats, WorkflowStats
from orchestrator.client.queues import QueueLook
from orchestrator.client.receiving import correlations_of
from orchestrator.client.run_surface import Start
from orchestrator.client.schedules import RedisSchedules
from orchestrator.client.search import Query
from orchestrator.client.shown import Finding, Page, Published, RunSummary, Stats, VersionStatus
from orchestrator.client.starting import Offers, Starter, start_entry
from orchestrator.client.surface import Orchestrator
from orchestrator.client.surface_words import Moment
from orchestrator.client.traffic import set_traffic, version_statuses
from orchestrator.client.versions import Versions
from orchestrator.client.workers import RedisFleet
from orchestrator.engine import fields
from orchestrator.engine.commit import Commit
from orchestrator.engine.indexes import Scalar
from orchestrator.errors import InvalidRequest, InvalidSettings, NotFound, RunConflict, UnknownRun
from orchestrator.settings import Settings
from orchestrator.spec.operations import load_operations
from orchestrator.spec.traffic import Traffic
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.store.access import Access, RedisAccess
from orchestrator.store.alerts import Alerts, RedisAlerts
from orchestrator.store.archive.layered import WithArchive
from orchestrator.store.archive.opening import open_archive
from orchestrator.store.archive.port import Archive
from orchestrator.store.events import Events, RedisEvents
from orchestrator.store.metrics import Metrics, RedisMetrics
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry, Registry
from orchestrator.store.watch import RedisWatch, Watch

_OWN_CONNECTIONS = RedisStore | RedisRegistry | RedisEvents | RedisMetrics | RedisAccess | RedisWatch | RedisAlerts
"""What holds sockets, which are closed with the client."""

FINDINGS_S: Final = 4.0
"""Who follows what the doctor finds is told of what is no older; below the time after which a page looks again."""


class RedisOrchestrator(Orchestrator):
    """The client over Redis and the broker."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        registry: Registry,
        dispatcher: Dispatcher,
        event_store: Events | None = None,
        access: Access | None = None,
        broker_too: RedisStore | None = None,
        sums: Metrics | None = None,
        watch: Watch | None = None,
        alert_store: Alerts | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.settings = settings
        self.hot = store
        """Redis's own runs; `store` reads those of the archive as well."""
        self.archive = archive
        self.store: Store = store if archive is None else WithArchive(store, archive)
        self.registry = registry
        self.dispatcher = dispatcher
        self.audit = Audit(access, Actor(user_name()))
        self.sums = sums or RedisMetrics(settings.redis_url, settings)
        self.event_store = event_store or RedisEvents(settings.redis_url, settings)
        self.watch = watch or RedisWatch(settings.redis_url, settings)
        self.queue_look = QueueLook(dispatcher)
        self.alert_store = alert_store or RedisAlerts(settings.redis_url, settings)
        self.findings = Lately[list[Finding]](FINDINGS_S)
        self.closed_sums = ClosedSums()
        self.catalogue = Versions(registry)
        self.starter = Starter(settings, self.hot, self.catalogue, dispatcher, broker_too)
        self.owns_app = True
        """Not an app that was attached to: it is its owner's."""

    @classmethod
    def of(cls, url: str | None, settings: Settings | None) -> RedisOrchestrator:
        """A client of the state at a Redis URL; of the settings', if none is given."""
        chosen = _settings(url, settings)
        return cls._on(make_app(chosen), chosen)

    @classmethod
    def attached_to(cls, app: Any, url: str | None, settings: Settings | None) -> RedisOrchestrator:
        """A client that sends through an existing Celery app."""
        chosen = _settings(url, settings)
        chosen = chosen.model_copy(update={"broker_url": app.conf.broker_url})
        attach(app, chosen)
        client = cls._on(app, chosen)
        client.owns_app = False
        return client

    @classmethod
    def _on(cls, app: Any, settings: Settings) -> RedisOrchestrator:
        store = RedisStore(settings.redis_url, settings)
        registry = RedisRegistry(settings.redis_url, settings)
        access = RedisAccess(settings.redis_url, settings)
        broker_too = store if settings.broker == settings.redis_url else None
        dispatcher, archive = Dispatcher(app, settings), open_archive(settings)
        return cls(settings, store, registry, dispatcher, access=access, broker_too=broker_too, archive=archive)

    @property
    def access(self) -> Access:
        """API keys and the audit log; InvalidSettings for a client of what is in memory."""
        if self.audit.access is None:
            raise InvalidSettings("there are no API keys and no audit log without a Redis")
        return self.audit.access

    @override
    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
        kept = self.hot, self.registry, self.event_store, self.sums, self.audit.access, self.watch, self.alert_store
        for held in kept:
            if isinstance(held, _OWN_CONNECTIONS):
                held.close()
        if self.owns_app:
            self.dispatcher.app.close()

    def acting_for(self, actor: Actor) -> RedisOrchestrator:
        """This client as somebody else: whose runs those are that it starts, and who did what, by the audit log."""
        other = copy.copy(self)
        other.audit = Audit(self.audit.access, actor)
        for name in ("schedules", "events"):
            other.__dict__.pop(name, None)  # made anew when they are asked for, for whom this client acts
        return other

    @cached_property
    def schedules(self) -> RedisSchedules:
        """The schedules of all workflows: what they did and will do, and changing that."""
        return RedisSchedules(
            self.store, self.catalogue, self.settings, start=self._fire, cancel=self._cancel, audit=self.audit
        )

    @cached_property
    def events(self) -> RedisExternalEvents:
        """External events: emit, tail, and those that were given up."""
        return RedisExternalEvents(self.settings, self.event_store, self.audit)

    @property
    @override
    def alerts(self) -> RedisAlertDesk:
        return RedisAlertDesk(self.settings, self.alert_store, self.audit)

    @override
    def publish(self, spec: WorkflowSpec) -> Published:
        from orchestrator.client.publishing import publish  # noqa: PLC0415  # with the lint, of which workers need nothing

        load_operations(self.settings.operations)
        with self.audit.acting("publish", _version(spec.meta.key, spec.meta.version)):
            for type_, texts in correlations_of(spec).items():
                self.event_store.add_correlations(type_, texts)
            published = publish(self.registry, spec, channels=self.settings.alerts)
            self.schedules.reconcile(spec.meta.key)
            return published

    @override
    def versions(self, workflow: str) -> list[VersionStatus]:
        return version_statuses(self.catalogue, self.store, workflow)

    @override
    def deprecate(self, workflow: str, version: str, *, undo: bool = False, reason: str = "") -> None:
        with self.audit.acting("undeprecate" if undo else "deprecate", _version(workflow, version), reason):
            self.registry.deprecate(workflow, version, undo=undo)
            self.schedules.reconcile(workflow)

    @override
    def traffic(
        self,
        workflow: str,
        weights: Mapping[str, float] | None = None,
        *,
        by: str | None = None,
        reason: str = "",
    ) -> Traffic | None:
        if weights is not None:
            with self.audit.acting("set_traffic", f"workflows/{workflow}", reason):
                return set_traffic(self.catalogue, workflow, weights, by)
        return self.catalogue.offer(workflow).traffic

    @override
    def clear_traffic(self, workflow: str, *, reason: str = "") -> None:
        with self.audit.acting("clear_traffic", f"workflows/{workflow}", reason):
            self.catalogue.offer(workflow)
            self.registry.route(workflow, None)

    @override
    def start(
        self,
        workflow: str,
        input: Any = None,  # the word of the spec
        *,
        ctx: Mapping[str, Any] | None = None,
        version: str | None = None,
        run_id: str | None = None,
        idempotency_key: str | None = None,
        timeout: timedelta | str | int | None = None,
    ) -> RedisRunHandle:
        return self.start_many([Start(workflow, input, ctx, version, run_id, idempotency_key, timeout)])[0]

    @override
    def start_many(self, starts: Iterable[Start]) -> list[RedisRunHandle]:
        wanted, offers = list(starts), Offers()
        try:
            prepared = [self.starter.prepare(one, offers, self.audit.actor.user) for one in wanted]
        except (InvalidRequest, NotFound) as error:
            self.audit.note("start", _target(wanted), error.code)
            raise
        refused: list[RunConflict] = []
        for (plan, commit), note_id in self.starter.accept(prepared, self.audit):
            try:
                self._check_same(commit)
            except RunConflict as error:
                self.audit.amend(note_id, start_entry(self.audit, plan, commit, error.code))
                refused.append(error)
        if refused:
            raise refused[0]
        return [self.handle(commit.run_id) for _, commit in prepared]

    @override
    def get(self, run_id: str) -> RedisRunHandle:
        _, values = self.store.read(run_id, (fields.INCARNATION,))
        if values[fields.INCARNATION] is None:
            raise UnknownRun(f"no run has the id {run_id!r}", run_id=run_id)
        return self.handle(run_id)

    @override
    def handle(self, run_id: str) -> RedisRunHandle:
        return RedisRunHandle(run_id, self.store, self.catalogue, self.dispatcher, self.audit)

    @override
    def runs(self, *, workflow: str | None = None, status: str | None = None, limit: int = 50) -> list[RedisRunHandle]:
        return [self.handle(run.run_id) for run in self.search(workflow=workflow, status=status, limit=limit).runs]

    @override
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
        query = Query(workflow, version, status, since, until, tags, where or {}, text, oldest_first, sla=sla)
        return self.find(query, limit=limit, cursor=cursor)

    def find(self, query: Query, *, limit: int = 50, cursor: str | None = None) -> Page:
        """A page of the runs that a query describes."""
        page = Finder(self.hot, self.archive, self.settings.retention_ms).find(query, limit=limit, cursor=cursor)
        return replace(page, runs=tuple(map(self._masked, page.runs)))

    def _masked(self, run: RunSummary) -> RunSummary:
        """A summary as it may be shown; its error is all that may hold values."""
        if run.error is None or not redaction_of(self.catalogue.plan(run.workflow, run.version), self.settings):
            return run
        try:
            return replace(run, error=self.handle(run.run_id).describe().error)
        except UnknownRun:  # deleted since it was found
            return replace(run, error=None)

    @property
    @override
    def approvals(self) -> RedisApprovals:
        return RedisApprovals(self.settings, self.store, self.catalogue, self.dispatcher, self.audit)

    @property
    @override
    def fleet(self) -> RedisFleet:
        return RedisFleet(
            self.dispatcher,
            self.queue_look,
            self.store,
            self.registry,
            self.catalogue,
            self.watch,
            self.event_store,
            self.audit,
        )

    @override
    def stats(self) -> Stats:
        return stats(self.hot, self.registry, self.catalogue, self.queue_look.waiting, self.archive)

    @override
    def metrics(self, workflow: str, *, since: Moment | None = None, until: Moment | None = None) -> WorkflowStats:
        from orchestrator.client.metrics import workflow_stats  # noqa: PLC0415  # workers need nothing of it

        self.catalogue.offer(workflow)
        return workflow_stats(self.sums, workflow, self.store.time_ms(), since, until)

    @override
    def overall(self, *, since: Moment | None = None, until: Moment | None = None) -> OverallStats:
        return self.overall_seen((), since, until)

    def overall_seen(
        self, workflows: Sequence[str], since: Moment | None = None, until: Moment | None = None
    ) -> OverallStats:
        """The same, of the workflows that a key with such patterns may see."""
        from orchestrator.client.metrics import overall_stats  # noqa: PLC0415  # workers need nothing of it

        keys = [key for key in self.registry.workflows() if may_see(workflows, key)]
        live = live_counts(self.hot, keys if workflows else None)
        now_ms = self.store.time_ms()
        closed = self.closed_sums
        return overall_stats(self.sums, live, keys, now_ms, since, until, are_all=not workflows, closed=closed)

    def measures_of(self, workflows: Sequence[str], since: Moment) -> dict[str, Measures]:
        """What each of these workflows did since then, for lists of many."""
        from orchestrator.client.metrics import measures_of  # noqa: PLC0415  # workers need nothing of it

        return measures_of(self.sums, workflows, self.store.time_ms(), since, self.closed_sums)

    @override
    def doctor(self) -> list[Finding]:
        floor = self.hot, self.registry, self.catalogue, self.dispatcher
        return examine(*floor, self.event_store, self.alert_store, self.settings.alerts, self.archive)

    def doctor_lately(self) -> list[Finding]:
        """The same, found no longer ago than `FINDINGS_S`: for pages that look again and again."""
        return self.findings.ask(self.doctor)

    def _fire(self, fire: Fire) -> bool:
        """Start the run that a schedule decided on, unless it exists or has been; whether it did not."""
        wanted = Start(
            fire.workflow,
            fire.input,
            version=fire.version,
            run_id=fire.run_id,
            started_by=fire.started_by,
            scheduled_at_ms=fire.slot_ms,
        )
        return not self.starter.accept([self.starter.prepare(wanted, {}, "")])

    def _cancel(self, run_id: str, reason: str, by: str) -> None:
        self.get(run_id).cancel(reason, by)

    def _check_same(self, commit: Commit) -> None:
        wanted = commit.stages[0].changes.set
        _, found = self.hot.read(commit.run_id, (fields.WORKFLOW, fields.INPUT))
        if found[fields.WORKFLOW] is None:
            raise RunConflict(f"run {commit.run_id!r} has been, and is no longer kept", run_id=commit.run_id)
        if (found[fields.WORKFLOW], found[fields.INPUT]) != (wanted[fields.WORKFLOW], wanted[fields.INPUT]):
            raise RunConflict(
                f"run {commit.run_id!r} exists, of workflow {found[fields.WORKFLOW]!r}, with another workflow or input",
                run_id=commit.run_id,
            )


def _target(starts: Sequence[Start]) -> str:
    """What starts were to make, of which none was made."""
    return f"workflows/{starts[0].workflow}/runs" if len(starts) == 1 else f"runs ({len(starts)})"


def _version(workflow: str, version: str) -> str:
    return f"workflows/{workflow}/versions/{version}"


def _settings(url: str | None, settings: Settings | None) -> Settings:
    chosen = settings or Settings()
    return chosen if url is None else chosen.model_copy(update={"redis_url": url})


@lru_cache(maxsize=1)
def user_name() -> str:
    """Who runs this process, or nothing where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
