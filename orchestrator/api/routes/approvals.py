"""Approvals: what waits for whom, deciding it, and having others decide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from orchestrator.api.access import BY_LINK, PREFIX, Caller, Operator, Starter, source_of
from orchestrator.api.answers import ApprovalList, Link, Started
from orchestrator.api.models import Decide, DecideByLink, Delegate, MakeLink, RunId, StepAddress
from orchestrator.api.paths import RUN
from orchestrator.api.problems import documented
from orchestrator.api.routes.runs import started
from orchestrator.client.access import Role, check_rate
from orchestrator.client.audit import Actor
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Forbidden

router = APIRouter(tags=["approvals"], responses=documented())

_ONE = f"{RUN}/approvals/{{step:path}}"


@router.get("/approvals", summary="List open approvals", responses=documented(422))
def list_approvals(
    caller: Starter,
    all: Annotated[bool, Query(description="Those of everybody; for operators.")] = False,  # noqa: A002
    user: Annotated[str | None, Query(max_length=200, description="Those of somebody else; for operators.")] = None,
    group: Annotated[list[str] | None, Query(max_length=50, description="With `user`: their groups.")] = None,
    workflow: Annotated[str | None, Query(max_length=300, description="Those of one workflow.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=300, description="That of the page before.")] = None,
) -> ApprovalList:
    """Those that the key's user, or somebody of its groups, may decide now; of all, `refused` says why they may not."""
    whose, groups = (
        (None, caller.groups) if all else (user or caller.user, tuple(group or ()) if user else caller.groups)
    )
    if whose != caller.user or (group and not {*group} <= {*caller.groups}):
        _check_operator(caller)
    found = caller.client.approvals.page_seen(
        whose, groups, limit=limit, cursor=cursor, workflow=workflow, patterns=caller.workflows
    )
    return ApprovalList(approvals=[*found.approvals], cursor=found.cursor)


@router.post(f"{_ONE}/decision", summary="Decide an approval", responses=documented(404, 409, 422))
def decide(caller: Starter, run_id: RunId, step: StepAddress, body: Decide) -> Started:
    """By whom the key is of, as far as they, or one of their groups, are asked."""
    run = caller.run(run_id)
    caller.client.approvals.decide(
        run_id, step, body.decision, by=caller.user, groups=caller.groups, comment=body.comment, form=body.form
    )
    return started(caller, [run])[0]


@router.post(f"{_ONE}/delegate", summary="Have another decide", responses=documented(404, 409, 422))
def delegate(caller: Starter, run_id: RunId, step: StepAddress, body: Delegate) -> Started:
    """Instead of the key's user, or besides a group of theirs."""
    run = caller.run(run_id)
    caller.client.approvals.delegate(run_id, step, body.to, by=caller.user, groups=caller.groups)
    return started(caller, [run])[0]


@router.post(f"{_ONE}/links", summary="Make a link for somebody", responses=documented(404, 409, 422))
def make_link(caller: Operator, run_id: RunId, step: StepAddress, body: MakeLink) -> Link:
    """What they can decide this approval with who have no key. Whoever sends it vouches for their being asked."""
    caller.run(run_id)
    token = caller.client.approvals.link_token(run_id, step, body.user)
    return Link(run_id=run_id, step=step, user=body.user, token=token)


@router.post(
    BY_LINK.removeprefix(PREFIX),
    summary="Decide by a link",
    status_code=204,
    responses=documented(404, 409, 422),
    openapi_extra={"security": []},
)
async def decide_by_link(body: DecideByLink, request: Request) -> None:
    """Needs no key: the token is one, for this approval and this person."""
    client: RedisOrchestrator = request.app.state.client
    source, agent = source_of(request.scope)

    def decide() -> None:
        check_rate(client.access, client.settings, source)
        client.acting_for(Actor(body.user, "link", source, agent)).approvals.decide_by_link(
            body.run_id, body.step, body.decision, by=body.user, token=body.token, comment=body.comment, form=body.form
        )

    await run_in_threadpool(decide)


def _check_operator(caller: Caller) -> None:
    if not caller.role.allows(Role.OPERATOR):
        caller.client.audit.note("list_approvals", "approvals", Forbidden.code)
        raise Forbidden("only operators see what others are asked", needed=Role.OPERATOR, role=caller.role)
