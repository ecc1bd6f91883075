"""What surrounds a run that does not move: the fleet, queues, who holds the slots of limits. Each is asked for once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.broker.queues import depths
from orchestrator.client.masking import mask_of
from orchestrator.client.redaction import Mask
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.lease import holder_mark
from orchestrator.engine.quotas import Slots, parse_holder, run_slots, step_slots
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError, Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.spec.operations import OperationInfo
from orchestrator.store.limits import Limits, RedisLimits, ask_of
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import WorkerRecord


@dataclass(frozen=True, slots=True)
class Taken:
    """A limit whose slots are all held, or used up for a while."""

    name: str
    """`at most 2 at once for "eu"`."""
    holders: tuple[tuple[str, str], ...]
    """Run and address of each; `$` is a run as a whole."""


class Around:
    """The surroundings of runs. What cannot be reached is not known, and never an error."""

    def __init__(
        self, settings: Settings, store: Store, versions: Versions, app: Any, limits: Limits | None = None
    ) -> None:
        self.settings = settings
        self.store = store
        self.versions = versions
        self._app = app
        self._limits = limits
        self._depths: dict[str, int | None] = {}

    @cached_property
    def workers(self) -> Sequence[WorkerRecord]:
        """The workers that live."""
        return self.versions.registry.workers()

    @cached_property
    def beats(self) -> Sequence[WorkerRecord]:
        """The beats that live."""
        return self.versions.registry.beats()

    @cached_property
    def listeners(self) -> Sequence[WorkerRecord]:
        """The listeners that live."""
        return self.versions.registry.listeners()

    def whole(self, run_id: str) -> tuple[Plan, RunView, Mask] | None:
        """Another run of the family, and what hides its secrets; None if it is gone."""
        now_ms, values = self.store.read_all(run_id)
        if not values:
            return None
        view = RunView(run_id, values, now_ms)
        plan = self.versions.plan(*view.pinned)
        return plan, view, mask_of(plan, self.settings, view)

    def depth(self, queue: str) -> int | None:
        """How many messages wait in a queue; None if the broker does not answer."""
        if queue not in self._depths:
            try:
                self._depths[queue] = depths(self._app, [queue])[queue]
            except Unreachable:
                self._depths[queue] = None
        return self._depths[queue]

    def takers(self, queue: str) -> list[WorkerRecord]:
        """The workers that take from a queue."""
        return [one for one in self.workers if queue in one.queues]

    def drained(self, queue: str) -> WorkerRecord | None:
        """A worker that took from a queue until it was drained, and will again once it is resumed."""
        return next((one for one in self.workers if queue in one.paused_queues), None)

    def holder(self, token: str | None) -> str | None:
        """Which of the live workers drew a token."""
        return next((one.name for one in self.workers if token and token.startswith(holder_mark(one.name))), None)

    def paused(self, view: RunView) -> tuple[str, str]:
        """By whom a run was paused, and why; each may be empty."""
        since = view.moment(fields.PAUSED_AT)
        after = "0" if since is None else f"{since - 1}-0"
        for entry in self.store.history(view.run_id, after, 100):
            if entry.event["type"] == "run_paused":
                return str(entry.event.get("by") or ""), str(entry.event.get("reason") or "")
        return "", ""

    def taken(self, plan: Plan, view: RunView, address: str) -> list[Taken]:
        """The limits that keep a step waiting; none if nobody can say."""
        asks = (lambda: run_slots(plan, view), lambda: step_slots(plan, view, address, ""))
        wanted = [asks[1]] if view[fields.SLOT] is not None else list(asks)
        return [one for ask in wanted for one in self._taken_of(ask)]

    def place(self, plan: Plan, view: RunView, address: str) -> int | None:
        """The place of a step in the line of its limits, from 1."""
        token = view[fields.in_line(address)] or ""
        with_token = [lambda: run_slots(plan, view), lambda: step_slots(plan, view, address, token)]
        limits = self._held
        if limits is None:
            return None
        for ask in with_token:
            slots = _evaluated(ask)
            if slots is None:
                continue
            line = [parse_holder(one) for one in limits.waiting(slots.group)]
            mine = parse_holder(slots.holder)
            if mine in line:
                return line.index(mine) + 1
        return None

    def _taken_of(self, ask: Callable[[], Slots | None]) -> Iterator[Taken]:
        slots, limits = _evaluated(ask), self._held
        if slots is None or limits is None:
            return
        for quota, (_, limit, value) in zip(ask_of(slots).quotas, slots.limits, strict=True):
            held = limits.holders(slots.group, quota.name)
            if len(held) < quota.count:
                continue
            most = f"at most {limit.max} at once" if limit.rate is None else f"at most {limit.rate}"
            yield Taken(f"{most} for {value!r}", tuple(map(parse_holder, held)))

    @cached_property
    def _held(self) -> Limits | None:
        if self._limits is not None or not isinstance(self.store, RedisStore):
            return self._limits
        return RedisLimits(self.settings.redis_url, self.settings)

    def close(self) -> None:
        """Close what was opened for the answer."""
        held = self.__dict__.get("_held")
        if held is not self._limits and isinstance(held, RedisLimits):
            held.close()


def _evaluated(ask: Callable[[], Slots | None]) -> Slots | None:
    try:
        return ask()
    except ExpressionError:
        return None


def operations_of(worker: WorkerRecord) -> set[str]:
    """What a worker has, as `key@major`."""
    return {OperationInfo.from_json(info).reference for info in worker.operations}
