"""The client: what producers import. It needs Redis and a workflow's key, and no workflow code."""

from __future__ import annotations

import copy
import getpass
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel
from typing_extensions import override

from orchestrator import logs
from orchestrator.broker.app import attach, make_app
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.broker.transport import Push
from orchestrator.client.approvals import RedisApprovals
from orchestrator.client.audit import Actor, Audit
from orchestrator.client.doctor import examine
from orchestrator.client.events import RedisExternalEvents
from orchestrator.client.firing import Fire
from orchestrator.client.fleet import stats
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.inputs import checked_input
from orchestrator.client.masking import masked_refusal, redaction_of
from orchestrator.client.receiving import correlations_of
from orchestrator.client.schedules import RedisSchedules
from orchestrator.client.search import Query, search
from orchestrator.client.shown import Finding, Page, Published, RunSummary, Stats, VersionStatus
from orchestrator.client.surface import Moment, Orchestrator, Start
from orchestrator.client.traffic import set_traffic, version_statuses
from orchestrator.client.versions import Offer, Versions
from orchestrator.engine import fields
from orchestrator.engine.commit import Answer, Commit
from orchestrator.engine.indexes import Scalar
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import StartRequest, start
from orchestrator.errors import InvalidInput, InvalidRequest, InvalidSettings, RunConflict, UnknownRun, Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.spec.operations import load_operations
from orchestrator.spec.traffic import Traffic
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.store.access import Access, RedisAccess
from orchestrator.store.events import Events, RedisEvents
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry, Registry

log = logs.get("client")

BATCH = 100
"""Runs stored, and then sent, together: workers begin with the first while the others are still being started."""
RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


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
    ) -> None:
        self.settings = settings
        self.store = store
        self.registry = registry
        self.dispatcher = dispatcher
        self.audit = Audit(access, Actor(user_name()))
        self.event_store = event_store or RedisEvents(settings.redis_url, settings)
        self.catalogue = Versions(registry)
        self._warned: set[tuple[str, str]] = set()
        self.owns_app = True
        """Not an app that was attached to: it is its owner's."""
        self._timing = Timing(settings.lease_ms, settings.resend_ms)
        self._broker_too: RedisStore | None = None
        """The store, if its Redis is the broker as well: then runs and their first messages go there together."""

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
        made = cls(settings, store, registry, Dispatcher(app, settings), access=access)
        made._broker_too = store if settings.broker == settings.redis_url else None
        return made

    @property
    def access(self) -> Access:
        """API keys and the audit log; InvalidSettings for a client of what is in memory."""
        if self.audit.access is None:
            raise InvalidSettings("there are no API keys and no audit log without a Redis")
        return self.audit.access

    @override
    def close(self) -> None:
        for held in (self.store, self.registry, self.event_store, self.audit.access):
            if isinstance(held, RedisStore | RedisRegistry | RedisEvents | RedisAccess):
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

    @override
    def publish(self, spec: WorkflowSpec) -> Published:
        from orchestrator.client.publishing import publish  # noqa: PLC0415  # with the lint, of which workers need nothing

        load_operations(self.settings.operations)
        with self.audit.acting("publish", _version(spec.meta.key, spec.meta.version)):
            for type_, texts in correlations_of(spec).items():
                self.event_store.add_correlations(type_, texts)
            published = publish(self.registry, spec)
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
        offers: dict[str, Offer] = {}
        prepared = [self._prepare(one, offers) for one in starts]
        existing: list[Commit] = []
        broker_answers = True
        for first in range(0, len(prepared), BATCH):
            batch = prepared[first : first + BATCH]
            pushes = self._pushes(batch)
            accepted, others = self._store(batch, pushes)
            existing += others
            broker_answers = broker_answers and (pushes is not None or self._send(accepted))
        for commit in existing:
            self._check_same(commit)
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
        oldest_first: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        query = Query(workflow, version, status, since, until, tags, where or {}, text, oldest_first)
        return self.find(query, limit=limit, cursor=cursor)

    def find(self, query: Query, *, limit: int = 50, cursor: str | None = None) -> Page:
        """A page of the runs that a query describes."""
        page = search(self.store, query, limit=limit, cursor=cursor)
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

    @override
    def stats(self) -> Stats:
        return stats(self.store, self.registry, self.catalogue, self.dispatcher)

    @override
    def doctor(self) -> list[Finding]:
        return examine(self.store, self.registry, self.catalogue, self.dispatcher, self.event_store)

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
        prepared = [self._prepare(wanted, {})]
        pushes = self._pushes(prepared)
        accepted, existing = self._store(prepared, pushes)
        if pushes is None:
            self._send(accepted)
        return not existing

    def _cancel(self, run_id: str, reason: str, by: str) -> None:
        self.get(run_id).cancel(reason, by)

    def _pushes(self, prepared: list[tuple[Plan, Commit]]) -> list[Push] | None:
        """The first messages of runs as they go to the broker's Redis with the runs; None: they are sent afterwards.

        That of a run which exists already goes, too: like any message, it is only a hint.
        """
        if self._broker_too is None:
            return None
        return self.dispatcher.pushes(
            [(plan, commit.run_id, entry) for plan, commit in prepared for entry in plan.root.entries]
        )

    def _store(
        self, prepared: list[tuple[Plan, Commit]], pushes: list[Push] | None
    ) -> tuple[list[tuple[Plan, str, str]], list[Commit]]:
        """Store runs: what is to be sent for them, and the commits of those that exist already."""
        commits = [commit for _, commit in prepared]
        if pushes is None or self._broker_too is None:
            replies = self.store.apply_many(commits)
        else:
            replies = self._broker_too.apply_and_push(commits, pushes)
        answers = [(plan, commit, reply.first) for (plan, commit), reply in zip(prepared, replies, strict=True)]
        accepted = [
            (plan, commit.run_id, entry)
            for plan, commit, first in answers
            if first is Answer.APPLIED
            for entry in plan.root.entries
        ]
        return accepted, [commit for _, commit, first in answers if first is not Answer.APPLIED]

    def _send(self, accepted: list[tuple[Plan, str, str]]) -> bool:
        """Whether the first messages were sent. The runs are accepted: what the broker misses, the ledger sends."""
        try:
            self.dispatcher.send_many(accepted)
        except Unreachable as error:
            log.warning("starts_not_sent", runs=len(accepted), error=error.message)
            return False
        return True

    def _prepare(self, one: Start, offers: dict[str, Offer]) -> tuple[Plan, Commit]:
        run_id, limit = _run_id(one), self.settings.max_payload_bytes
        given = one.input.model_dump(mode="json", by_alias=True) if isinstance(one.input, BaseModel) else one.input
        given, ctx = {} if given is None else given, {} if one.ctx is None else one.ctx
        plan = self._plan_for(one, run_id, {"input": given, "ctx": ctx}, offers)
        try:
            input_text = checked_input(given, plan.input_schema, limit)
            ctx_text = checked_input(ctx, plan.ctx_schema, limit, name="ctx")
        except InvalidInput as error:
            raise masked_refusal(error, redaction_of(plan, self.settings), {"input": given, "ctx": ctx}) from None
        request = StartRequest(
            run_id=run_id,
            input=input_text,
            ctx=ctx_text,
            started_by=self.audit.actor.user if one.started_by is None else one.started_by,
            timeout_ms=_timeout_ms(one.timeout),
            scheduled_at_ms=one.scheduled_at_ms,
        )
        return plan, start(plan, request, self._timing)

    def _plan_for(self, one: Start, run_id: str, roots: Mapping[str, Any], offers: dict[str, Offer]) -> Plan:
        """The plan of the version that a start takes; one look at the registry for each workflow of a batch."""
        key = one.workflow
        if key not in offers:
            offers[key] = self.catalogue.offer(key)
        plan = self.catalogue.plan(key, offers[key].version_for(one.version, run_id, roots))
        started = key, plan.version
        if one.version and offers[key].is_deprecated(plan.version) and started not in self._warned:
            self._warned.add(started)
            log.warning("deprecated_version_started", workflow=key, version=plan.version)
        return plan

    def _check_same(self, commit: Commit) -> None:
        wanted = commit.stages[0].changes.set
        _, found = self.store.read(commit.run_id, (fields.WORKFLOW, fields.INPUT))
        if found[fields.WORKFLOW] is None:
            raise RunConflict(f"run {commit.run_id!r} has been, and is no longer kept", run_id=commit.run_id)
        if (found[fields.WORKFLOW], found[fields.INPUT]) != (wanted[fields.WORKFLOW], wanted[fields.INPUT]):
            raise RunConflict(
                f"run {commit.run_id!r} exists, of workflow {found[fields.WORKFLOW]!r}, with another workflow or input",
                run_id=commit.run_id,
            )


def _version(workflow: str, version: str) -> str:
    return f"workflows/{workflow}/versions/{version}"


def _settings(url: str | None, settings: Settings | None) -> Settings:
    chosen = settings or Settings()
    return chosen if url is None else chosen.model_copy(update={"redis_url": url})


def _run_id(one: Start) -> str:
    if one.run_id is not None and one.idempotency_key is not None:
        raise InvalidRequest("give a run id or an idempotency key, not both")
    if one.idempotency_key is not None:
        return blake2b(f"{one.workflow}\0{one.idempotency_key}".encode(), digest_size=12).hexdigest()
    if one.run_id is None:
        return secrets.token_hex(12)
    if not RUN_ID.fullmatch(one.run_id):
        raise InvalidRequest(f"a run id has 1 to 200 letters, digits, and - _ . :, not {one.run_id!r}")
    return one.run_id


def _timeout_ms(timeout: timedelta | str | int | None) -> int | None:
    try:
        return None if timeout is None else milliseconds(parse_duration(timeout))
    except ValueError as error:
        raise InvalidRequest(f"the timeout: {error}") from error


@lru_cache(maxsize=1)
def user_name() -> str:
    """Who runs this process, or nothing where the system does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
