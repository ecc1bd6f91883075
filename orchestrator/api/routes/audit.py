"""The audit log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.api.access import Admin
from orchestrator.api.answers import AuditPage, AuditShown
from orchestrator.api.models import EVENT_ID
from orchestrator.api.problems import documented
from orchestrator.client.auditing import AuditFilter, audit_page
from orchestrator.engine.roots import rfc3339

router = APIRouter(tags=["audit"], responses=documented())


@router.get("/audit", summary="Who changed what")
def audit(
    caller: Admin,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    before: Annotated[str | None, Query(pattern=EVENT_ID, description="Only entries below this id.")] = None,
    user: Annotated[str, Query(max_length=200, description="Whoever did it.")] = "",
    action: Annotated[str, Query(max_length=100, description="What they did, as `cancel`.")] = "",
    outcome: Annotated[
        str, Query(max_length=100, description="`done`, `denied`, `failed`, or the code of an error.")
    ] = "",
    target: Annotated[str, Query(max_length=300, description="A part of what they did it to, as `runs/4f1c`.")] = "",
    key: Annotated[str, Query(max_length=40, description="The id of the API key.")] = "",
    source: Annotated[str, Query(max_length=100, description="How the address that it came from begins.")] = "",
) -> AuditPage:
    """Newest first, what was denied included. A page may be short though there are more: `before` says so."""
    caller.check_unrestricted()
    wanted = AuditFilter(user, action, outcome, target, key, source)
    found, below = audit_page(caller.client.access, wanted, limit=limit, before=before)
    return AuditPage(entries=[AuditShown(**asdict(one), at=rfc3339(one.at_ms)) for one in found], before=below)
