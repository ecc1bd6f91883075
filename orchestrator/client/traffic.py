"""Rolling versions out and in: which of them new runs take, and how many runs still live on each."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.client.shown import VersionStatus
from orchestrator.client.versions import Versions
from orchestrator.engine.indexes import live_index
from orchestrator.engine.roots import rfc3339
from orchestrator.spec.traffic import Traffic, check_traffic
from orchestrator.spec.versions import parse_version
from orchestrator.store.port import Store


def version_statuses(versions: Versions, store: Store, key: str) -> list[VersionStatus]:
    """Every version of a workflow, the highest first; UnknownWorkflow if none is published."""
    offer = versions.offer(key)
    definitions, marked = versions.registry.versions(key), versions.registry.marks(key).deprecated
    live = store.index_sizes([live_index(key, one.version) for one in definitions])
    return [
        VersionStatus(
            version=one.version,
            stability=one.stability,
            digest=one.digest,
            published_at=rfc3339(one.published_at_ms),
            deprecated_at=rfc3339(marked[one.version]) if one.version in marked else None,
            takes_percent=offer.percent(one.version),
            live_runs=live[live_index(key, one.version)],
        )
        for one in sorted(definitions, key=lambda one: parse_version(one.version), reverse=True)
    ]


def set_traffic(versions: Versions, key: str, weights: Mapping[str, float], by: str | None) -> Traffic:
    """Share new runs out; InvalidTraffic or UnknownWorkflow if that cannot be done."""
    traffic = check_traffic(weights, by)
    versions.registry.route(key, traffic)
    return traffic
