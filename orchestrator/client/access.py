"""API keys: making them, revoking them, and telling who a request is from."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from orchestrator.client.audit import Audit
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import InvalidRequest, TooManyRequests, Unauthenticated
from orchestrator.settings import Settings
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.store.access import Access, KeyRecord


class Role(StrEnum):
    """What a key allows; each role allows what those before it do."""

    VIEWER = "viewer"  # reads
    STARTER = "starter"  # starts runs, sends signals and events, decides approvals of its own
    OPERATOR = "operator"  # cancels, pauses, resumes, retries, skips, undoes
    ADMIN = "admin"  # publishes, splits traffic, manages workers and keys, reads the audit log

    def allows(self, needed: Role) -> bool:
        """Whether this role is that one, or above it."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
_TOKEN: Final = re.compile(r"orc_([0-9a-f]{12})_([0-9a-f]{64})")
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. The token is shown this once; what is kept is its hash."""

    token: str
    record: KeyRecord


def create_key(
    access: Access,
    audit: Audit,
    *,
    user: str,
    role: str,
    groups: Sequence[str] = (),
    workflows: Sequence[str] = (),
    expires_in: timedelta | str | int | None = None,
    reason: str = "",
) -> NewKey:
    """Make a key for a user; InvalidRequest if it is not one that could be used."""
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    record = KeyRecord(
        id=key_id,
        hash=_hash(secret),
        user=_name(user, "user"),
        role=_role(role).value,
        groups=tuple(_name(group, "group") for group in groups),
        workflows=tuple(_name(pattern, "workflow pattern") for pattern in workflows),
        created_by=audit.actor.user,
    )
    lifetime_ms = _lifetime_ms(expires_in)
    with audit.acting("create_key", f"keys/{key_id}", reason):
        if lifetime_ms is not None:
            record = replace(record, expires_at=access.now_ms() + lifetime_ms)
        return NewKey(f"orc_{key_id}_{secret}", access.add(record))


def revoke_key(access: Access, audit: Audit, key_id: str, reason: str = "") -> KeyRecord:
    """Make a key useless; UnknownKey if there is none. Twice is once."""
    with audit.acting("revoke_key", f"keys/{key_id}", reason):
        return access.revoke(key_id)


def admit(access: Access, settings: Settings, token: str) -> KeyRecord:
    """The key that a token is of; Unauthenticated if it is of no use, TooManyRequests if the key is over its rate."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise Unauthenticated("this is not an API key of ours: they look like orc_ID_SECRET")
    return admit_hash(access, settings, parts[1], _hash(parts[2]))


def admit_hash(access: Access, settings: Settings, key_id: str, secret_hash: str) -> KeyRecord:
    """The same, of a key whose secret was shown before: what is left of it is its hash."""
    found = access.admit(key_id, secret_hash, settings.rate_per_s, settings.rate_burst)
    record = found.record
    if record is None or record.revoked_at is not None:
        raise Unauthenticated("there is no such API key, or it has been revoked")
    if record.expires_at is not None and record.expires_at <= found.now_ms:
        raise Unauthenticated(f"this API key expired at {rfc3339(record.expires_at)}")
    _check_wait(found.wait_ms, settings)
    return record


def check_rate(access: Access, settings: Settings, source: str) -> None:
    """TooManyRequests if more come from an address, without keys, than a key may make."""
    _check_wait(access.take(source, settings.rate_per_s, settings.rate_burst), settings)


def _check_wait(wait_ms: int, settings: Settings) -> None:
    if wait_ms > 0:
        raise TooManyRequests(
            f"more than {settings.rate_per_s:g} requests a second; ask again in {wait_ms} ms", retry_after_ms=wait_ms
        )


def may_see(patterns: Sequence[str], workflow: str) -> bool:
    """Whether a key with these patterns may see that workflow and its runs; no patterns: any."""
    return not patterns or any(fnmatchcase(workflow, pattern) for pattern in patterns)


def shown_key(record: KeyRecord) -> dict[str, Any]:
    """A key as it is listed: never its hash. Moments are RFC 3339 in UTC."""
    shown = {name: value for name, value in asdict(record).items() if name != "hash"}
    moments = {name: shown[name] and rfc3339(shown[name]) for name in ("created_at", "expires_at", "revoked_at")}
    return {**shown, "groups": list(record.groups), "workflows": list(record.workflows), **moments}


def _hash(secret: str) -> str:
    """SHA-256 is enough: the secret has 256 random bits, so nobody can try them out."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise InvalidRequest(f"there is no role {name!r}; they are {', '.join(Role)}") from None


def _name(text: str, what: str) -> str:
    if not text.strip() or len(text) > _LONGEST_NAME or not text.isprintable():
        raise InvalidRequest(f"a {what} has 1 to {_LONGEST_NAME} printable characters, not {text!r}")
    return text


def _lifetime_ms(expires_in: timedelta | str | int | None) -> int | None:
    try:
        return None if expires_in is None else milliseconds(parse_duration(expires_in))
    except ValueError as error:
        raise InvalidRequest(f"expires_in: {error}") from error
