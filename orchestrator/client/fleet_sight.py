"""What a key for some workflows may see of queues and workers: no name, no run and no lease of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.client.access import may_see
from orchestrator.client.shown_fleet import ActiveMessage, Queues, WorkerDescription


def visible_queues(patterns: Sequence[str], found: Queues) -> Queues:
    """All queues, each with the versions of these workflows alone."""
    if not patterns:
        return found
    queues = tuple(replace(one, workflows=_versions(patterns, one.workflows)) for one in found.queues)
    return replace(found, queues=queues)


def visible_worker(patterns: Sequence[str], worker: WorkerDescription) -> WorkerDescription:
    """The worker, without what tells of other workflows."""
    if not patterns:
        return worker
    return replace(
        worker,
        active=tuple(one for one in worker.active if _may_see(patterns, one)),
        leases=tuple(one for one in worker.leases if may_see(patterns, one.workflow)),
        serves=None if worker.serves is None else _versions(patterns, worker.serves),
    )


def _may_see(patterns: Sequence[str], one: ActiveMessage) -> bool:
    """By the workflow that the name of a step begins with; tasks that are none of ours are of no workflow."""
    return one.run_id is not None and may_see(patterns, one.name.partition("@")[0])


def _versions(patterns: Sequence[str], versions: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in versions if may_see(patterns, one.partition("@")[0]))
