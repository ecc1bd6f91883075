"""API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, status

from orchestrator.api.access import Admin, Caller
from orchestrator.api.answers import KeyList, KeyMade, KeyShown
from orchestrator.api.models import NewKey, WhyQuery
from orchestrator.api.problems import documented
from orchestrator.client.access import create_key, revoke_key, shown_key
from orchestrator.store.access import Access

router = APIRouter(prefix="/keys", tags=["keys"], responses=documented())

KeyId = Annotated[str, Path(description="The key's id: the part between the two `_`.", max_length=40)]


@router.get("", summary="List keys")
def list_keys(caller: Admin) -> KeyList:
    """All keys, the oldest first, revoked ones too; never their secrets."""
    return KeyList(keys=[KeyShown(**shown_key(record)) for record in _access(caller).all_keys()])


@router.post(
    "", name="create_key", summary="Make a key", status_code=status.HTTP_201_CREATED, responses=documented(422)
)
def create_api_key(caller: Admin, body: NewKey) -> KeyMade:
    """Its token is in this response and nowhere else."""
    made = create_key(
        _access(caller),
        caller.client.audit,
        user=body.user,
        role=body.role,
        groups=body.groups,
        workflows=body.workflows,
        expires_in=body.expires_in,
        reason=body.reason,
    )
    return KeyMade(**shown_key(made.record), token=made.token)


@router.delete("/{key_id}", name="revoke_key", summary="Revoke a key", responses=documented(404))
def revoke_api_key(caller: Admin, key_id: KeyId, reason: WhyQuery = "") -> KeyShown:
    """It is of no use from now on; twice is once."""
    return KeyShown(**shown_key(revoke_key(_access(caller), caller.client.audit, key_id, reason)))


def _access(caller: Caller) -> Access:
    caller.check_unrestricted()
    return caller.client.access
