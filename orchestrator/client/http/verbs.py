"""The verbs of the client over HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import BaseModel

from orchestrator.client.http.alerts import AlertVerbs
from orchestrator.client.http.exchange import PREFIX, Request, Steps, Value, ask, portions, tell
from orchestrator.client.http.fleet import FleetVerbs
from orchestrator.client.http.outside import EventVerbs, ScheduleVerbs
from orchestrator.client.http.run_verbs import RunVerbs, check_acts_itself
from orchestrator.client.http.words import duration_text, moment_text, value_text
from orchestrator.client.measures import OverallStats, WorkflowStats
from orchestrator.client.run_surface import Start
from orchestrator.client.shown import Finding, OpenApproval, Page, Published, Stats, VersionStatus
from orchestrator.client.surface_words import Moment
from orchestrator.errors import InvalidRequest
from orchestrator.telemetry import current_traceparent, is_traceparent

if TYPE_CHECKING:
    from orchestrator.engine.approvals import Choice
    from orchestrator.engine.indexes import Scalar
    from orchestrator.spec.traffic import Traffic
    from orchestrator.spec.workflow import WorkflowSpec


@dataclass(frozen=True, slots=True)
class _Stored:
    published: tuple[Published, ...]


@dataclass(frozen=True, slots=True)
class _Split:
    weights: dict[str, float] | None
    by: str | None


@dataclass(frozen=True, slots=True)
class _Examined:
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class _Accepted:
    run_id: str


@dataclass(frozen=True, slots=True)
class _AcceptedMany:
    runs: tuple[_Accepted, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    approvals: list[OpenApproval]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Link:
    token: str


def _listed(whose: Mapping[str, Value | Sequence[str]], limit: int) -> Steps[Sequence[OpenApproval]]:
    """Page by page, as pages may be short."""
    found: list[OpenApproval] = []
    going_on: dict[str, str] = {}
    while len(found) < limit:
        params = {**whose, **going_on, "limit": limit - len(found)}
        page = yield from ask(Request("GET", f"{PREFIX}/approvals", params=params), _Listed)
        found += page.approvals
        if page.cursor is None:
            break
        going_on = {"cursor": page.cursor}
    return found[:limit]


class ApprovalVerbs:
    """What can be done with approvals."""

    def mine(self, *, limit: int = 100) -> Steps[Sequence[OpenApproval]]:
        """GET `/approvals`."""
        return (yield from _listed({}, limit))

    def list(
        self, user: str | None = None, groups: Collection[str] = (), *, limit: int = 100
    ) -> Steps[Sequence[OpenApproval]]:
        """GET `/approvals` of somebody, or of all."""
        whose: dict[str, Value | Sequence[str]]
        whose = {"all": "true"} if user is None else {"user": user, "group": [*groups]}
        return (yield from _listed(whose, limit))

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
    ) -> Steps[None]:
        """POST `/decision`."""
        check_acts_itself(by, groups)
        body = {"decision": choice, "comment": comment, "form": form}
        yield from tell(Request("POST", _approval(run_id, step, "decision"), body=body))

    def decide_by_link(
        self, run_id: str, step: str, choice: Choice, *, by: str, token: str, comment: str = "", form: Any = None
    ) -> Steps[None]:
        """POST `/approvals/by-link`, which needs no key."""
        link = {"run_id": run_id, "step": step, "user": by, "token": token}
        body = {**link, "decision": choice, "comment": comment, "form": form}
        yield from tell(Request("POST", f"{PREFIX}/approvals/by-link", body=body))

    def delegate(self, run_id: str, step: str, to: str, *, by: str = "", groups: Collection[str] = ()) -> Steps[None]:
        """POST `/delegate`."""
        check_acts_itself(by, groups)
        yield from tell(Request("POST", _approval(run_id, step, "delegate"), body={"to": to}))

    def link_token(self, run_id: str, step: str, user: str) -> Steps[str]:
        """POST `/links`."""
        return (yield from ask(Request("POST", _approval(run_id, step, "links"), body={"user": user}), _Link)).token


class ClientVerbs:
    """What can be done with workflows and runs."""

    approvals = ApprovalVerbs()
    schedules = ScheduleVerbs()
    events = EventVerbs()
    alerts = AlertVerbs()
    fleet = FleetVerbs()

    def publish(self, spec: WorkflowSpec) -> Steps[Published]:
        """POST `/workflows`."""
        from orchestrator.spec.canonical import canonical_json  # noqa: PLC0415  # whoever has a spec has this

        request = Request("POST", f"{PREFIX}/workflows", body=json.loads(canonical_json(spec)))
        return (yield from ask(request, _Stored)).published[0]

    def versions(self, workflow: str) -> Steps[list[VersionStatus]]:
        """GET the workflow."""
        return (yield from ask(Request("GET", _workflow(workflow)), list[VersionStatus]))

    def deprecate(self, workflow: str, version: str, *, undo: bool = False, reason: str = "") -> Steps[None]:
        """PUT or DELETE `/deprecation`."""
        path = f"{_workflow(workflow)}/versions/{quote(version, safe='')}/deprecation"
        if undo:
            yield from tell(Request("DELETE", path, params={"reason": reason}))
        else:
            yield from tell(Request("PUT", path, body={"reason": reason}))

    def traffic(
        self,
        workflow: str,
        weights: Mapping[str, float] | None = None,
        *,
        by: str | None = None,
        reason: str = "",
    ) -> Steps[Traffic | None]:
        """GET or PUT `/traffic`."""
        from orchestrator.spec.traffic import Traffic  # noqa: PLC0415  # brings in the expressions

        path = f"{_workflow(workflow)}/traffic"
        if weights is None:
            request = Request("GET", path)
        else:
            request = Request("PUT", path, body={"weights": dict(weights), "by": by, "reason": reason})
        split = yield from ask(request, _Split)
        return None if split.weights is None else Traffic(split.weights, split.by)

    def clear_traffic(self, workflow: str, *, reason: str = "") -> Steps[None]:
        """DELETE `/traffic`."""
        yield from tell(Request("DELETE", f"{_workflow(workflow)}/traffic", params={"reason": reason}))

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
    ) -> Steps[RunVerbs]:
        """POST `/runs`. A run has its id before it is sent, so that whoever sends it again has not started two."""
        one = Start(workflow, input, ctx, version, run_id, idempotency_key, timeout)
        if idempotency_key is not None and not _goes_in_header(idempotency_key):
            return (yield from self.start_many([one]))[0]
        body = _body(one)
        del body["workflow"]
        headers = {"Idempotency-Key": key} if (key := body.pop("idempotency_key", None)) else {}
        request = Request("POST", f"{_workflow(workflow)}/runs", headers=headers, body=body)
        return RunVerbs((yield from ask(request, _Accepted)).run_id)

    def start_many(self, starts: Iterable[Start]) -> Steps[list[RunVerbs]]:
        """POST `/runs:batch`."""
        found: list[RunVerbs] = []
        for bodies in portions([_body(one) for one in starts]):
            accepted = yield from ask(Request("POST", f"{PREFIX}/runs:batch", body={"runs": bodies}), _AcceptedMany)
            found += [RunVerbs(one.run_id) for one in accepted.runs]
        return found

    def get(self, run_id: str) -> Steps[RunVerbs]:
        """A look at the run's status."""
        run = RunVerbs(run_id)
        yield from run.status()
        return run

    def handle(self, run_id: str) -> RunVerbs:
        """Nothing is asked."""
        return RunVerbs(run_id)

    def runs(self, *, workflow: str | None = None, status: str | None = None, limit: int = 50) -> Steps[list[RunVerbs]]:
        """The first page of a search."""
        page = yield from self.search(workflow=workflow, status=status, limit=limit)
        return [RunVerbs(run.run_id) for run in page.runs]

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
    ) -> Steps[Page]:
        """GET `/runs`."""
        params: dict[str, Value | Sequence[str]] = {
            "workflow": workflow,
            "version": version,
            "status": status,
            "since": moment_text(since),
            "until": moment_text(until),
            "tag": [*tags],
            "where": [f"{name}={value_text(value)}" for name, value in (where or {}).items()],
            "text": text,
            "sla": sla,
            "sort": "oldest" if oldest_first else "newest",
            "limit": limit,
            "cursor": cursor,
        }
        return (yield from ask(Request("GET", f"{PREFIX}/runs", params=params), Page))

    def stats(self) -> Steps[Stats]:
        """GET `/stats`."""
        return (yield from ask(Request("GET", f"{PREFIX}/stats"), Stats))

    def metrics(
        self, workflow: str, *, since: Moment | None = None, until: Moment | None = None
    ) -> Steps[WorkflowStats]:
        """GET the workflow's `/stats`."""
        params: dict[str, Value | Sequence[str]] = {"since": moment_text(since), "until": moment_text(until)}
        return (yield from ask(Request("GET", f"{_workflow(workflow)}/stats", params=params), WorkflowStats))

    def overall(self, *, since: Moment | None = None, until: Moment | None = None) -> Steps[OverallStats]:
        """GET `/stats/workflows`."""
        params: dict[str, Value | Sequence[str]] = {"since": moment_text(since), "until": moment_text(until)}
        return (yield from ask(Request("GET", f"{PREFIX}/stats/workflows", params=params), OverallStats))

    def doctor(self) -> Steps[list[Finding]]:
        """GET `/doctor`."""
        return (yield from ask(Request("GET", f"{PREFIX}/doctor"), _Examined)).findings


def _workflow(key: str) -> str:
    return f"{PREFIX}/workflows/{quote(key, safe='')}"


def _approval(run_id: str, step: str, verb: str) -> str:
    return f"{RunVerbs(run_id).path}/approvals/{quote(step)}/{verb}"


def _goes_in_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key and key != ""


def _body(one: Start) -> dict[str, Any]:
    """A start as it is sent; what is not given is left out."""
    check_acts_itself(one.started_by or "")
    if one.scheduled_at_ms is not None:
        raise InvalidRequest(
            "over HTTP no run can be said to be of a schedule's slot; `schedules.backfill` starts those"
        )
    given = one.input.model_dump(mode="json", by_alias=True) if isinstance(one.input, BaseModel) else one.input
    own_id = secrets.token_hex(12) if one.run_id is None and one.idempotency_key is None else one.run_id
    body = {
        "workflow": one.workflow,
        "traceparent": one.traceparent if is_traceparent(one.traceparent) else current_traceparent(),
        "input": given,
        "ctx": None if one.ctx is None else dict(one.ctx),
        "version": one.version,
        "run_id": own_id,
        "idempotency_key": one.idempotency_key,
        "timeout": duration_text(one.timeout),
    }
    return {name: value for name, value in body.items() if value is not None}
