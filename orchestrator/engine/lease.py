"""Leases: renewing one, and what an operation's own heartbeat records."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from orchestrator.engine import fields
from orchestrator.engine.address import scopes_around
from orchestrator.engine.commit import Changes, Commit, Due, Stage
from orchestrator.engine.state import StepState


def renewal(  # a lease is all of these
    run_id: str,
    incarnation: str,
    address: str,
    token: str,
    *,
    lease_ms: int,
    deadline_ms: int | None,
    waited_for: bool,
    measured: bool = False,
) -> Commit:
    """Renew the lease of an attempt, never past its deadline; guarded by its token (RULES 18).

    `waited_for`: whether a stopping flow waits for its end, because its effect could be undone. `measured`: whether
    the step has an SLA, the next level of which its entry is never later than.
    """
    around = dict.fromkeys(fields.stopping(scope) for scope in scopes_around(address))
    wanted: dict[str, str | None] = {} if waited_for else {fields.STOPPING: "0", **around}
    stage = Stage(
        guards={fields.token(address): token, fields.state(address): StepState.RUNNING, **wanted},
        changes=Changes(
            stamp={fields.lease(address): lease_ms} if measured else {},
            entries={address: Due(lease_ms, deadline_ms, cap=fields.sla_next(address) if measured else None)},
        ),
    )
    return Commit(run_id, incarnation, (stage,), (fields.STOPPING, *around))


def progress(run_id: str, incarnation: str, address: str, token: str, report: str, silence_ms: int | None) -> Commit:
    """Record what an operation reports of itself; it may then be silent for so long again."""
    stamp = {} if silence_ms is None else {fields.silent_at(address): silence_ms}
    stage = Stage(
        guards={fields.token(address): token},
        changes=Changes(set={fields.progress(address): report}, stamp=stamp),
    )
    return Commit(run_id, incarnation, (stage,), (fields.STOPPING,))


@lru_cache(maxsize=1024)
def holder_mark(worker: str) -> str:
    """What every token that a worker draws begins with: whoever reads a token can tell whose lease it is."""
    return blake2b(worker.encode(), digest_size=4, person=b"holder").hexdigest()
