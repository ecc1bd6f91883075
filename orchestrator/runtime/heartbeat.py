"""One thread a process renews the leases of all attempts that are going on here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator import logs
from orchestrator.engine.address import is_undo
from orchestrator.engine.commit import Answer, Reply
from orchestrator.engine.lease import renewal
from orchestrator.errors import Unreachable
from orchestrator.store.limits import Ask, Limits
from orchestrator.store.port import Store
from orchestrator.store.watch import Held

log = logs.get("heartbeat")


@dataclass(slots=True)
class Lease:
    """An attempt of this process: who holds what, until when at the latest, and whether it is still wanted."""

    run_id: str
    incarnation: str
    address: str
    token: str
    waited_for: bool
    """Whether a stopping flow waits for its end."""
    measured: bool = False
    """Whether the step has an SLA."""
    ask: Ask | None = None
    """The slots that it holds because of a limit."""
    claimed_at_ms: int | None = None
    """The moment of the claim, known once it was granted."""
    ends_at_ms: int | None = None
    silent_at_ms: int | None = None
    silence_ms: int | None = None
    cancelled: bool = False
    workflow: str = ""

    def limit(self, timeout_ms: int, silence_ms: int | None) -> None:
        """The attempt may take so long, and its operation may be silent for so long."""
        claimed_at_ms = self.claimed_at_ms or 0
        self.silence_ms = silence_ms
        self.ends_at_ms = claimed_at_ms + timeout_ms
        self.silent_at_ms = None if silence_ms is None else claimed_at_ms + silence_ms

    def heard(self, reply: Reply) -> None:
        """The operation's own heartbeat was recorded, or refused."""
        if not reply.first.stands:
            self.cancelled = True
        elif self.silence_ms is not None:
            self.silent_at_ms = reply.now_ms + self.silence_ms

    @property
    def limit_ms(self) -> int | None:
        """The moment that no renewal goes past."""
        limits = [limit for limit in (self.ends_at_ms, self.silent_at_ms) if limit is not None]
        return min(limits, default=None)


class Heartbeat:
    """Renews leases every interval. A lease that is refused is cancelled: its attempt is told to give up."""

    def __init__(
        self,
        store: Callable[[], Store],
        limits: Callable[[], Limits],
        *,
        interval_ms: int,
        lease_ms: int,
        tell: Callable[[Sequence[Held]], None] | None = None,
    ) -> None:
        self._store = store
        self._limits = limits
        self._tell = tell
        self._told = False
        self._interval_s = interval_ms / 1000
        self._lease_ms = lease_ms
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on; before its claim is sent, so that a lost reply cannot let it run out."""
        with self._lock:
            self._leases[lease.token] = lease
            if self._thread is None or not self._thread.is_alive():
                self._stopped.clear()
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()

    def release(self, token: str) -> None:
        """Renew it no more."""
        with self._lock:
            self._leases.pop(token, None)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _beat(self) -> None:
        while not self._stopped.wait(self._interval_s):
            with self._lock:
                leases = list(self._leases.values())
            if leases:
                self._renew(leases)
            elif self._told:
                self._say([])

    def _renew(self, leases: list[Lease]) -> None:
        commits = [
            renewal(
                one.run_id,
                one.incarnation,
                one.address,
                one.token,
                lease_ms=self._lease_ms,
                deadline_ms=one.limit_ms,
                waited_for=one.waited_for,
                measured=one.measured,
            )
            for one in leases
        ]
        try:
            replies = self._store().apply_many(commits)
            asks = [lease.ask for lease in leases if lease.ask is not None]
            if asks:
                self._limits().renew(asks, self._lease_ms)
        except Unreachable:
            log.warning("leases_not_renewed", leases=len(leases))
            return
        for lease, reply in zip(leases, replies, strict=True):
            stopping = "1" in reply.values.values() and not is_undo(lease.address)
            if stopping or reply.first in (Answer.REFUSED, Answer.GONE):
                lease.cancelled = True
        now_ms = max(reply.now_ms for reply in replies)
        self._say([self._held(one, now_ms) for one in leases if one.claimed_at_ms is not None])

    def _held(self, lease: Lease, now_ms: int) -> Held:
        until_ms = min(now_ms + self._lease_ms, lease.limit_ms or now_ms + self._lease_ms)
        return Held(lease.run_id, lease.workflow, lease.address, lease.claimed_at_ms or 0, until_ms, os.getpid())

    def _say(self, held: list[Held]) -> None:
        """Let those who watch the fleet know; the leases are renewed whether they do or not."""
        if self._tell is None:
            return
        try:
            self._tell(held)
        except Unreachable:
            log.debug("leases_not_told", leases=len(held))
            return
        self._told = bool(held)
