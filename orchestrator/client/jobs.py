"""Jobs: a verb for every run that a filter describes, worked off page by page by whoever has the job's lease.

A job is a record in a store of its own, with one ledger entry: while somebody works on it that is the lease, and when
they die it falls due and another goes on. What is to be done next is noted, with each run's incarnation, before it is
done, so that a page which is taken up again does to no run twice what was done already.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from orchestrator import logs
from orchestrator.client.audit import Actor
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.search import Query, fixed, search
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import CREATED_AT, INCARNATION, NOW, Answer, Changes, Commit, Due, Stage
from orchestrator.engine.indexes import ALL_RUNS
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.errors import Conflict, NotRetriable, OrchestratorError, UnknownJob, Unreachable
from orchestrator.settings import Settings
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore

log = logs.get("jobs")

Verb = Literal["cancel", "retry"]

PAGE: Final = 25
"""Runs between two renewals of the lease."""
TAKES: Final = 5
"""So often a job is taken up without getting on before it is given up."""
ERRORS_KEPT: Final = 20
_BATCH: Final = 100

_FITTING: Final[Mapping[str, frozenset[str]]] = {
    "cancel": frozenset({*(status.value for status in RunStatus if status not in OVER), "paused"}),
    "retry": frozenset({RunStatus.FAILED.value, RunStatus.CANCELLED.value}),
}
"""The statuses that a verb is for; runs with others are passed over."""

_FIELDS: Final = (
    INCARNATION,
    CREATED_AT,
    "state",
    "verb",
    "query",
    "reason",
    "actor",
    "token",
    "takes",
    "cursor",
    "page",
    "done",
    "skipped",
    "failed",
    "errors",
    "ended_at",
)


@dataclass(frozen=True, slots=True)
class Job:
    """What became of a job so far. Moments are RFC 3339 in UTC."""

    id: str
    verb: str
    state: str
    """`running`, `completed`, or `failed`: given up, because it did not get on."""
    filter: Mapping[str, Any]
    reason: str
    by: str
    created_at: str
    ended_at: str | None
    done: int
    """Runs to which it was done."""
    skipped: int
    """Runs whose state did not allow it any more when it was their turn."""
    failed: int
    errors: tuple[Mapping[str, str], ...]
    """Of the runs that failed, the last few: `{run_id, code, message}`."""
    key: str = ""
    """The id of the API key that asked for it."""


class Jobs:
    """Takes jobs in, tells of them, and works them off."""

    def __init__(self, client: RedisOrchestrator, store: Store) -> None:
        self.client = client
        self.store = store
        self.lease_ms = client.settings.lease_ms

    @classmethod
    def of(cls, client: RedisOrchestrator) -> Jobs:
        """The jobs beside a client's runs: in the same Redis, in a namespace of their own."""
        return cls(client, RedisStore(client.settings.redis_url, settings_of_jobs(client.settings)))

    def create(self, verb: Verb, query: Query, reason: str = "", *, client: RedisOrchestrator | None = None) -> Job:
        """Note that a verb is to be done to every run that is described now; in the name of the client's actor."""
        client = client or self.client
        asked = fixed(query, client.store.time_ms())
        job_id = secrets.token_hex(12)
        with client.audit.acting(f"{verb}_many", f"jobs/{job_id}", reason):
            search(client.store, asked, limit=1)  # what cannot be asked is refused here
            values = {
                INCARNATION: "1",
                "state": "running",
                "verb": verb,
                "query": json.dumps(asdict(asked)),
                "reason": reason,
                "actor": json.dumps(asdict(client.audit.actor)),
            }
            changes = Changes(set=values, stamp={CREATED_AT: 0}, entries={RUN: NOW}, index={ALL_RUNS: True})
            self.store.apply(Commit(job_id, None, (Stage({}, changes),)))
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """A job; UnknownJob if there is none."""
        values = self._read(job_id)
        if values is None:
            raise UnknownJob(f"no job has the id {job_id!r}", job_id=job_id)
        return _shown(job_id, values)

    def newest(self, limit: int = 50) -> list[Job]:
        """The newest jobs, newest first."""
        ids = [job_id for _, job_id in self.store.newest(ALL_RUNS, None, limit)]
        found = self.store.read_many(ids, _FIELDS)
        return [_shown(job_id, values) for job_id, values in zip(ids, found, strict=True) if values[INCARNATION]]

    def work(self, stopping: Callable[[], bool]) -> bool:
        """Take one job that nobody works on, and work on it until it is over; whether there was one."""
        for due in self.store.due(0, 10):
            token = self._take(due.run_id)
            if token is not None:
                _Work(self, due.run_id, token).go_on(stopping)
                return True
        return False

    def expire(self) -> None:
        """Delete the jobs that ended long ago."""
        before_ms = self.store.time_ms() - self.client.settings.job_retention_ms
        for _, job_id in self.store.ended(0, before_ms, _BATCH):
            self.store.apply(Commit(job_id, "1", (Stage({}, Changes(index={ALL_RUNS: False}, forget=0)),)))

    def _take(self, job_id: str) -> str | None:
        """The token of the lease; None if another was faster. A job that does not get on is given up."""
        values = self._read(job_id)
        if values is None:
            return None
        token, takes = secrets.token_hex(8), int(values["takes"] or 0) + 1
        changes = Changes(set={"token": token, "takes": str(takes)}, entries={RUN: Due(within_ms=self.lease_ms)})
        stage = Stage({"token": values["token"]}, changes, due=(RUN,), already={"token": token})
        if not self.store.apply(Commit(job_id, "1", (stage,))).first.stands:
            return None
        if takes > TAKES:
            log.error("job_given_up", job_id=job_id)
            self.move(job_id, token, _ended("failed"))
            return None
        return token

    def move(self, job_id: str, token: str, changes: Changes) -> bool:
        """Change a job, if its lease is still this one."""
        return self.store.apply(Commit(job_id, "1", (Stage({"token": token}, changes),))).first is Answer.APPLIED

    def _read(self, job_id: str) -> dict[str, str | None] | None:
        _, values = self.store.read(job_id, _FIELDS)
        return values if values[INCARNATION] is not None else None

    def values(self, job_id: str, token: str) -> dict[str, str | None] | None:
        """What is noted of a job, if its lease is still this one."""
        found = self._read(job_id)
        return found if found is not None and found["token"] == token and found["state"] == "running" else None


@dataclass(frozen=True, slots=True)
class _Work:
    """Work on one job under one lease."""

    jobs: Jobs
    job_id: str
    token: str

    def go_on(self, stopping: Callable[[], bool]) -> None:
        """Page after page until all is done, the lease is lost, or this process is to end: then another takes it."""
        while (values := self.jobs.values(self.job_id, self.token)) is not None:
            if stopping():
                self._move(Changes(set={"takes": "0"}, entries={RUN: NOW}))
                return
            if values["page"] is not None:
                moved = self._move(self._work_off(values))
            elif values["cursor"] == "":
                self._move(_ended("completed"))
                return
            else:
                moved = self._move(self._next_page(values))
            if not moved:
                return

    def _next_page(self, values: Mapping[str, str | None]) -> Changes:
        """Note which runs come next, and as which incarnation they were found."""
        query, statuses = _query(values), _FITTING[values["verb"] or ""]
        store = self.jobs.client.store
        page = search(store, query, limit=PAGE, cursor=values["cursor"])
        fitting = [run.run_id for run in page.runs if run.status in statuses]
        read = store.read_many(fitting, (fields.INCARNATION,))
        noted = [[run_id, found[fields.INCARNATION]] for run_id, found in zip(fitting, read, strict=True)]
        return Changes(set={"page": json.dumps(noted), "cursor": page.cursor or "", "takes": "0"})

    def _work_off(self, values: Mapping[str, str | None]) -> Changes:
        """Do it to the runs of the page, and count what came of it."""
        actor = Actor(**json.loads(values["actor"] or "{}"))
        client = self.jobs.client.acting_for(actor)
        counts = {name: int(values[name] or 0) for name in ("done", "skipped", "failed")}
        errors = json.loads(values["errors"] or "[]")
        for run_id, incarnation in json.loads(values["page"] or "[]"):
            try:
                outcome = self._do(client.handle(run_id), values["verb"] or "", values["reason"] or "", incarnation)
            except Unreachable:
                raise
            except OrchestratorError as error:
                outcome = "failed"
                errors.append({"run_id": run_id, "code": error.code, "message": error.message})
            counts[outcome] += 1
        shown = {name: str(number) for name, number in counts.items()}
        return Changes(set={**shown, "errors": json.dumps(errors[-ERRORS_KEPT:]), "takes": "0"}, delete=("page",))

    def _do(self, handle: RedisRunHandle, verb: str, reason: str, incarnation: str) -> str:
        by = handle.audit.actor.user
        try:
            if verb == "cancel":
                handle.cancel(reason, by)
            else:
                handle.retry(reason, by, incarnation=int(incarnation))
        except NotRetriable as error:
            return "done" if error.details.get("incarnation") == int(incarnation) + 1 else "skipped"
        except Conflict as error:
            return "done" if error.details.get("status") == RunStatus.CANCELLED and verb == "cancel" else "skipped"
        return "done"

    def _move(self, changes: Changes) -> bool:
        """Change the job and renew its lease; False if it was lost."""
        going_on = changes.end or RUN in changes.entries
        lease = Changes() if going_on else Changes(entries={RUN: Due(within_ms=self.jobs.lease_ms)})
        return self.jobs.move(self.job_id, self.token, changes | lease)


def settings_of_jobs(settings: Settings) -> Settings:
    """Those of the store that jobs are kept in."""
    return settings.model_copy(update={"namespace": f"{settings.namespace}:jobs", "shards": 1})


def _ended(state: str) -> Changes:
    return Changes(set={"state": state}, stamp={"ended_at": 0}, delete=("page",), end=True)


def _query(values: Mapping[str, str | None]) -> Query:
    found = json.loads(values["query"] or "{}")
    return Query(**{**found, "tags": tuple(found["tags"]), "workflows": tuple(found["workflows"])})


def _shown(job_id: str, values: Mapping[str, str | None]) -> Job:
    query = json.loads(values["query"] or "{}")
    actor = json.loads(values["actor"] or "{}")
    hidden = ("workflows", "oldest_first")
    return Job(
        id=job_id,
        verb=values["verb"] or "",
        state=values["state"] or "",
        filter={name: value for name, value in query.items() if value not in (None, [], {}) and name not in hidden},
        reason=values["reason"] or "",
        by=actor["user"],
        created_at=rfc3339(int(values[CREATED_AT] or 0)),
        ended_at=rfc3339(int(values["ended_at"])) if values["ended_at"] else None,
        done=int(values["done"] or 0),
        skipped=int(values["skipped"] or 0),
        failed=int(values["failed"] or 0),
        errors=tuple(json.loads(values["errors"] or "[]")),
        key=actor["key"],
    )
