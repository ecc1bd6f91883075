"""What the laws of stores are tested with: a store whose clock can be moved, and short ways to write commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.engine.commit import NOW, Changes, Commit, Due, Reply, Stage
from orchestrator.settings import Settings
from orchestrator.store.keys import shard_of
from orchestrator.store.port import Store


@dataclass(frozen=True, slots=True)
class Arena:
    """A store, and `pass_ms`, which returns when so much of its time has passed."""

    store: Store
    settings: Settings
    pass_ms: Callable[[int], None]

    def start(self, run_id: str = "run", /, paused: str = "0", **changes: Any) -> Reply:
        """Create a run with incarnation 1."""
        return self.store.apply(start(run_id, paused=paused, **changes))

    def change(self, **changes: Any) -> Reply:
        """Apply unguarded changes to the run."""
        return self.store.apply(commit(stage(**changes)))

    def fields(self, run_id: str = "run") -> dict[str, str]:
        """Every field of a run."""
        return self.store.read_all(run_id)[1]

    def shard(self, run_id: str = "run") -> int:
        """The shard of a run."""
        return shard_of(run_id, self.settings.shards)


def start(run_id: str = "run", /, paused: str = "0", **changes: Any) -> Commit:
    """The commit that creates a run with incarnation 1."""
    given = {"incarnation": "1", "paused": paused, **changes.pop("set", {})}
    stamp = {"created_at": 0, **changes.pop("stamp", {})}
    return Commit(run_id, None, (Stage({}, Changes(set=given, stamp=stamp, **changes)),))


def stage(
    guards: Mapping[str, str | None] | None = None,
    /,
    due: tuple[str, ...] = (),
    already: Mapping[str, str | None] | None = None,
    then: tuple[Any, ...] = (),
    before: tuple[Any, ...] = (),
    **changes: Any,
) -> Stage:
    """A stage from its guards and its changes."""
    return Stage(guards or {}, Changes(**changes), due=due, already=already, then=then, before=before)


def commit(*stages: Stage, reads: tuple[str, ...] = (), incarnation: str | None = "1", run_id: str = "run") -> Commit:
    """A commit to the run."""
    return Commit(run_id, incarnation, stages, reads)


LATER = Due(within_ms=60_000)
__all__ = ["LATER", "NOW", "Arena", "commit", "stage", "start"]
