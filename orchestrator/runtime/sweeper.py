"""The sweeper: takes what is due and makes it move again. Any number of them may run, without harm."""

from __future__ import annotations

import random
import secrets

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.children import wake_kin
from orchestrator.client.versions import Versions
from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_drain, scope_of
from orchestrator.engine.children import to_wake
from orchestrator.engine.commit import Reply
from orchestrator.engine.drain import drain
from orchestrator.engine.effects import Wake
from orchestrator.engine.indexes import status_index
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.quotas import RUN_LEASE_MS, quota_reads, run_slots
from orchestrator.engine.reads import head_fields
from orchestrator.engine.repair import repair
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import leftovers
from orchestrator.engine.state import OVER, RunStatus, StepState
from orchestrator.engine.sweep import reads_to_visit, visit
from orchestrator.engine.view import RunView
from orchestrator.errors import OrchestratorError, Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.store.limits import Limits, RedisLimits, ask_of
from orchestrator.store.port import Store

log = logs.get("sweeper")

GOING_ON = tuple(status for status in RunStatus if status not in OVER)
BATCH = 200
"""Due runs taken from a shard at a time."""
SHORT_QUEUE = 500
"""About one second's work of a fleet; a longer queue gets no resends (RULES 17)."""
LONG_PAUSE_S = 2.0
"""After a longer pause of its own a sweeper waits one heartbeat before it ends leases (RULES 18)."""


class Sweeper:
    """Looks through the shards' ledgers; one `sweep` is one pass."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        versions: Versions,
        dispatcher: Dispatcher,
        limits: Limits | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.versions = versions
        self.dispatcher = dispatcher
        self.limits = limits or RedisLimits(settings.redis_url, settings)
        self.timing = Timing(settings.lease_ms, settings.resend_ms)
        self._last_s: float | None = None
        self._ends_leases_from_s = 0.0
        self._depths: dict[str, int] = {}

    def sweep(self) -> int:
        """Visit everything that is due; the number of visits. Unreachable if Redis does not answer."""
        now_s = elapsed_s()
        if self._last_s is None or now_s - self._last_s > LONG_PAUSE_S:
            self._ends_leases_from_s = now_s + self.settings.heartbeat_ms / 1000
        self._depths = {}
        visits = sum(self._sweep_shard(shard) for shard in range(self.settings.shards))
        self._last_s = elapsed_s()
        return visits

    def scan(self) -> int:
        """Look through all runs that go on for one without an entry, and repair it; the number of repairs."""
        repairs = 0
        for status in GOING_ON:
            for shard in range(self.settings.shards):
                before: tuple[int, str] | None = None
                while page := self.store.index(status_index(status), shard, before, BATCH):
                    repairs += sum(self._repair(run_id) for _, run_id in page)
                    before = page[-1]
        return repairs

    def _repair(self, run_id: str) -> int:
        if self.store.shard_entry(run_id) is not None:
            return 0
        now_ms, values = self.store.read_all(run_id)
        commit = repair(RunView(run_id, values, now_ms), self.store.entries(run_id))
        if commit is None or not self.store.apply(commit).first.stands:
            return 0
        log.error("run_repaired", run_id=run_id)
        return 1

    def _sweep_shard(self, shard: int) -> int:
        visits = 0
        for due in self.store.due(shard, BATCH):
            for address in due.addresses:
                try:
                    visits += self._visit(due.run_id, address)
                except Unreachable:
                    raise
                except OrchestratorError as error:
                    log.warning("visit_failed", run_id=due.run_id, step=address, code=error.code, error=error.message)
        return visits

    def _visit(self, run_id: str, address: str) -> int:
        head = fields.HEAD if address == RUN else head_fields(address)
        more = (fields.RUN_DEADLINE,) if address == RUN else (fields.parked(address), fields.state(address))
        now_ms, values = self.store.read(run_id, (*head, *more))
        view = RunView(run_id, values, now_ms)
        if not view.exists:
            return 0
        if view.state(address) is StepState.RUNNING and elapsed_s() < self._ends_leases_from_s:
            return 0
        plan = self.versions.plan(view[fields.WORKFLOW] or "", view[fields.VERSION] or "")
        while missing := reads_to_visit(plan, view, address):
            now_ms, values = self.store.read(run_id, missing)
            view.learn(values, now_ms)
        found = visit(plan, view, address, self._terms())
        if found is None:
            return 0
        reply = self._apply(found.move)
        if reply.first.stands and found.renews:
            self._renew_slots(plan, view)
        elif reply.first.stands and address == RUN and found.send == DRAIN:
            self._clear(plan, run_id, DRAIN)
        if reply.first.stands:
            for target in dict.fromkeys((found.send, *found.move.forks)):
                if target is not None and reply.values.get(fields.state(target)) in (None, StepState.READY):
                    self._send(plan, view, target)
        return 1

    def _apply(self, move: Move) -> Reply:
        """Apply a move, and wake the other runs that it has moved."""
        reply = self.store.apply(move.commit)
        for run_id, addresses in to_wake(move.commit, reply):
            wake_kin(self.store, self.versions, self.dispatcher, Wake(run_id, addresses))
        return reply

    def _terms(self) -> Terms:
        chance = random.random()  # noqa: S311  # spreads retries, keeps no secret
        return Terms(self.timing, secrets.token_hex(8), chance, fuses=lambda _: False)

    def _clear(self, plan: Plan, run_id: str, drain_address: str) -> RunView:
        """Settle at once what nobody waits for in a scope that is stopping."""
        now_ms, values = self.store.read_all(run_id)
        moves = leftovers(plan, RunView(run_id, values, now_ms), scope_of(drain_address), self._terms())
        for move in moves:
            self._apply(move)
        if moves:
            now_ms, values = self.store.read_all(run_id)
        return RunView(run_id, values, now_ms)

    def _send(self, plan: Plan, view: RunView, address: str) -> None:
        targets = self._drain(plan, view.run_id, address) if is_drain(address) else [address]
        for target in targets:
            queue = self.dispatcher.canvas(plan, target).signatures[0].queue
            if not self._is_short(queue):
                continue
            parked = view[fields.parked(target)]
            if parked is not None:
                self.dispatcher.send_parked(parked)
            else:
                self.dispatcher.send(plan, view.run_id, target)
            self._depths[queue] += 1
            log.debug("sent_again", run_id=view.run_id, step=target)

    def _renew_slots(self, plan: Plan, view: RunView) -> None:
        """The run goes on, so it keeps its slots; if they had lapsed, it takes what is free."""
        now_ms, values = self.store.read(view.run_id, quota_reads(plan, view, RUN))
        view.learn(values, now_ms)
        slots = run_slots(plan, view)
        if slots is not None and not all(self.limits.renew([ask_of(slots)], RUN_LEASE_MS)):
            self.limits.acquire(ask_of(slots), RUN_LEASE_MS)

    def _drain(self, plan: Plan, run_id: str, address: str) -> list[str]:
        """Begin the undo of a scope, or end it, right here: that needs no operation, so it waits for no worker."""
        move = drain(plan, self._clear(plan, run_id, address), scope_of(address), self._terms())
        if move is None or not self._apply(move).first.stands:
            return []
        return [target for target in (move.to, *move.forks) if target is not None and not is_drain(target)]

    def _is_short(self, queue: str) -> bool:
        if queue not in self._depths:
            self._depths[queue] = self.dispatcher.waiting_in(queue)
        return self._depths[queue] < SHORT_QUEUE
