"""What no run's history tells: events given up, schedules missed, operations without a worker. One listener looks."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from typing import Final

from orchestrator import logs
from orchestrator.client.fleet import versions_in_use
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unreachable
from orchestrator.monitor.alerts import ITSELF, Raising
from orchestrator.monitor.causes import Cause, cause_of
from orchestrator.spec.operations import OperationInfo
from orchestrator.store.events import DeadLetter

log = logs.get("alerts")

ROUND_S: Final = 15.0
LEASE_MS: Final = 45_000
_PAGE: Final = 500
_DEAD: Final = "alerts-dead-events"
_MISSED: Final = "alerts-schedules"


class Rounds:
    """Looks again and again until it is told to stop; what it has seen, it raises once."""

    def __init__(self, client: RedisOrchestrator) -> None:
        self._client = client
        self._raising = Raising(client.settings, client.store, client.alert_store)
        self._positions = client.registry.positions
        self._leadership = client.registry.leadership_of("alert-rounds")
        self._holder = f"rounds-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
        self._stopped = threading.Event()
        self._idle_before: frozenset[str] = frozenset()

    def stop(self) -> None:
        """End after the round in hand."""
        self._stopped.set()

    def run(self) -> None:
        """Make rounds until `stop`."""
        while not self._stopped.wait(ROUND_S):
            try:
                self.turn()
            except Unreachable as error:
                log.warning("round_not_made", error=error.message)
            except Exception:
                log.exception("round_failed")
        try:
            self._leadership.resign(self._holder)
        except Unreachable as error:
            log.warning("not_resigned", error=error.message)

    def turn(self) -> None:
        """One round, if this process leads."""
        if self._leadership.lead(self._holder, LEASE_MS) is None:
            return
        self._look_at_dead_events()
        self._look_at_schedules()
        self._look_for_workers()

    def _look_at_dead_events(self) -> None:
        after = self._positions.position(_DEAD, 0)
        letters = self._client.event_store.dead(_PAGE, after)
        for letter in letters:
            self._raising.raise_(_given_up(letter), letter.id, letter.at_ms, **_whose(letter.burial.only))
        if letters:
            self._positions.advance(_DEAD, 0, after, letters[-1].id)

    def _look_at_schedules(self) -> None:
        after = self._positions.position(_MISSED, 0)
        entries = self._client.schedules.records.feed(0, after, _PAGE)
        for entry in entries:
            cause = cause_of(entry.event, {}) if entry.event["type"] == "slots_missed" else None
            if cause is not None:
                workflow = entry.run_id.partition(":")[0]
                whose = f"schedule {entry.run_id}"
                self._raising.raise_(cause, entry.id, entry.at_ms, whose=whose, workflow=workflow)
        if entries:
            self._positions.advance(_MISSED, 0, after, entries[-1].id)

    def _look_for_workers(self) -> None:
        """What live runs call and no worker has, for two rounds: workers that are started anew are away for less."""
        client = self._client
        live = [one for one in versions_in_use(client.store, client.registry, client.catalogue) if one.live]
        workers = client.registry.workers()
        served = {OperationInfo.from_json(info).reference for worker in workers for info in worker.operations}
        idle = frozenset(name for one in live for name in one.operations) - served
        known = {one.key.split("|")[2]: one for one in client.alert_store.unresolved_of("no_worker")}
        now_ms = client.store.time_ms()
        for name in sorted((idle & self._idle_before) - known.keys()):
            text = f"No worker has the operation {name}, which live runs call"
            cause = Cause("no_worker", "error", f"no worker has {name}", text)
            self._raising.raise_(cause, f"{now_ms}-0", now_ms, whose=name)
        for name in known.keys() - idle:
            client.alert_store.change(known[name].id, "resolved", ITSELF)
        self._idle_before = idle


def _given_up(letter: DeadLetter) -> Cause:
    """Why is left out: it may quote the event."""
    by = f" by the trigger {letter.burial.only}" if letter.burial.only else ""
    text = f"The external event {letter.burial.entry_id} was given up{by}; `orchestrator events dead` says why"
    return Cause("dead_event", "warning", "event given up", text)


def _whose(trigger: str) -> dict[str, str]:
    return {"whose": trigger or "events", "workflow": trigger.partition("/")[0]}
