"""The audit log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.api.access import Admin
from orchestrator.api.answers import AuditPage, AuditShown
from orchestrator.api.models import EVENT_ID
from orchestrator.api.problems import documented
from orchestrator.engine.roots import rfc3339

router = APIRouter(tags=["audit"], responses=documented())


@router.get("/audit", summary="Who changed what")
def audit(
    caller: Admin,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    before: Annotated[str | None, Query(pattern=EVENT_ID, description="Only entries below this id.")] = None,
) -> AuditPage:
    """Newest first, what was denied included."""
    caller.check_unrestricted()
    found = caller.client.access.read(before, limit)
    entries = [AuditShown(**asdict(entry), at=rfc3339(entry.at_ms)) for entry in found]
    return AuditPage(entries=entries, before=entries[-1].id if len(entries) == limit else None)
