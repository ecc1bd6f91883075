"""The readers of the feed that a listener runs, in one list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.client.sync import RedisOrchestrator
from orchestrator.monitor.alerts import alerts_reader
from orchestrator.monitor.feed import Reader
from orchestrator.monitor.following import Followings
from orchestrator.monitor.metrics import metrics_reader
from orchestrator.monitor.tracing import traces_of

READERS: Final[Sequence[Callable[[RedisOrchestrator], Reader | None]]] = (metrics_reader, alerts_reader, traces_of)
"""Each makes its reader, or None where the settings have no use for it."""


def followings_of(client: RedisOrchestrator) -> Followings:
    """What follows the feed for all of them; it is yet to be started."""
    made = (make(client) for make in READERS)
    readers = [reader for reader in made if reader is not None]
    return Followings(readers, client.store, client.registry, client.settings.shards)
