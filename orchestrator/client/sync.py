"""The client: what producers import. It needs Redis and a workflow's key, and no workflow code."""

from __future__ import annotations

import getpass
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel

from orchestrator import logs
from orchestrator.broker.app import make_app
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.handle import RunHandle
from orchestrator.client.inputs import checked_input
from orchestrator.client.publishing import Published, publish
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.commit import Answer, Commit
from orchestrator.engine.indexes import ALL_RUNS, status_index, workflow_index
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import StartRequest, start
from orchestrator.engine.state import RunStatus
from orchestrator.errors import InvalidRequest, RunConflict, UnknownRun, Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.spec.operations import load_operations
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry, Registry

log = logs.get("client")

BATCH = 100
"""Runs stored, and then sent, together: workers begin with the first while the others are still being started."""
RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


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


class Orchestrator:
    """Publishes versions, starts runs, and finds them again."""

    def __init__(self, settings: Settings, store: Store, registry: Registry, dispatcher: Dispatcher) -> None:
        self.settings = settings
        self.store = store
        self.registry = registry
        self.dispatcher = dispatcher
        self.versions = Versions(registry)
        self._timing = Timing(settings.lease_ms, settings.resend_ms)

    @classmethod
    def connect(cls, url: str | None = None, *, settings: Settings | None = None) -> Orchestrator:
        """A client of the state at a Redis URL; of the settings', if none is given. Connects on first use."""
        chosen = settings or Settings()
        if url is not None:
            chosen = chosen.model_copy(update={"redis_url": url})
        store = RedisStore(chosen.redis_url, chosen)
        registry = RedisRegistry(chosen.redis_url, chosen)
        return cls(chosen, store, registry, Dispatcher(make_app(chosen), chosen))

    def publish(self, spec: WorkflowSpec) -> Published:
        """Store a version. The very same again is no error; other content under its number is `version_conflict`."""
        load_operations(self.settings.operations)
        return publish(self.registry, spec)

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
        return self.start_many([Start(workflow, input, ctx, version, run_id, idempotency_key, timeout)])[0]

    def start_many(self, starts: Iterable[Start]) -> list[RunHandle]:
        """Start runs, pipelined; all inputs are checked before the first is started."""
        resolved: dict[tuple[str, str | None], Plan] = {}
        prepared = [self._prepare(one, resolved) for one in starts]
        existing: list[Commit] = []
        broker_answers = True
        for first in range(0, len(prepared), BATCH):
            accepted, others = self._store(prepared[first : first + BATCH])
            existing += others
            broker_answers = broker_answers and self._send(accepted)
        for commit in existing:
            self._check_same(commit)
        return [self._handle(commit.run_id) for _, commit in prepared]

    def get(self, run_id: str) -> RunHandle:
        """The handle of a run; UnknownRun if there is none."""
        _, values = self.store.read(run_id, (fields.INCARNATION,))
        if values[fields.INCARNATION] is None:
            raise UnknownRun(f"no run has the id {run_id!r}", run_id=run_id)
        return self._handle(run_id)

    def runs(self, *, workflow: str | None = None, status: str | None = None, limit: int = 50) -> list[RunHandle]:
        """The newest runs, of a workflow or with a status."""
        if status is not None and status not in set(RunStatus):
            raise InvalidRequest(f"no run has the status {status!r}; they are {', '.join(RunStatus)}")
        index = ALL_RUNS
        if workflow is not None:
            index = workflow_index(workflow)
        elif status is not None:
            index = status_index(RunStatus(status))
        wanted: list[tuple[int, str]] = []
        for shard in range(self.settings.shards):
            wanted += self.store.index(index, shard, None, limit)
        handles = [self._handle(run_id) for _, run_id in sorted(wanted, reverse=True)[:limit]]
        if workflow is not None and status is not None:
            handles = [one for one in handles if one.status() == status]
        return handles

    def _store(self, prepared: list[tuple[Plan, Commit]]) -> tuple[list[tuple[Plan, str, str]], list[Commit]]:
        """Store runs: what is to be sent for them, and the commits of those that exist already."""
        replies = self.store.apply_many([commit for _, commit in prepared])
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

    def _prepare(self, one: Start, resolved: dict[tuple[str, str | None], Plan]) -> tuple[Plan, Commit]:
        plan = resolved.get((one.workflow, one.version))
        if plan is None:
            plan = resolved[one.workflow, one.version] = self.versions.resolve(one.workflow, one.version)[1]
        limit = self.settings.max_payload_bytes
        given = one.input.model_dump(mode="json", by_alias=True) if isinstance(one.input, BaseModel) else one.input
        request = StartRequest(
            run_id=_run_id(one),
            input=checked_input({} if given is None else given, plan.input_schema, limit),
            ctx=checked_input({} if one.ctx is None else one.ctx, plan.ctx_schema, limit, name="ctx"),
            started_by=user_name(),
            timeout_ms=_timeout_ms(one.timeout),
        )
        return plan, start(plan, request, self._timing)

    def _check_same(self, commit: Commit) -> None:
        wanted = commit.stages[0].changes.set
        _, found = self.store.read(commit.run_id, (fields.WORKFLOW, fields.INPUT))
        if (found[fields.WORKFLOW], found[fields.INPUT]) != (wanted[fields.WORKFLOW], wanted[fields.INPUT]):
            raise RunConflict(
                f"run {commit.run_id!r} exists, of workflow {found[fields.WORKFLOW]!r}, with another workflow or input",
                run_id=commit.run_id,
            )

    def _handle(self, run_id: str) -> RunHandle:
        return RunHandle(run_id, self.store, self.versions, self.dispatcher)


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
