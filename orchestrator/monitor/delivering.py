"""Sends what alerts have made due. Any number of listeners may: each message is in the hands of one of them.

A message is sent at least once: who dies between sending it and saying so leaves it due, and it comes again under the
same id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from orchestrator import logs
from orchestrator.errors import NotDelivered, Unreachable
from orchestrator.monitor.channels import deliver
from orchestrator.monitor.messages import Message, message_of
from orchestrator.settings import AlertChannel, Settings
from orchestrator.store.alerts import Alerts, Due

log = logs.get("alerts")

POLL_S: Final = 1.0
PAUSE_S: Final = 2.0
"""After Redis did not answer."""
AT_ONCE: Final = 4
LEASES: Final = 3
"""So many of a webhook's timeouts may a message take; then another sends it again."""

Deliver = Callable[[AlertChannel, Message, float], None]


class Delivering:
    """Sends messages until it is told to stop."""

    def __init__(self, settings: Settings, alerts: Alerts, send: Deliver = deliver) -> None:
        self._channels = settings.alerts
        self._pauses_ms = settings.alert_retry_ms
        self._timeout_ms = settings.alert_timeout_ms
        self._alerts = alerts
        self._send = send
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End after the messages in hand."""
        self._stopped.set()

    def run(self) -> None:
        """Send until `stop`; when Redis does not answer, or refuses what it is asked, wait and go on."""
        with ThreadPoolExecutor(AT_ONCE, "deliver") as pool:
            while not self._stopped.is_set():
                try:
                    pause_s = 0.0 if self.turn(pool) == AT_ONCE else POLL_S
                except Unreachable as error:
                    log.warning("alerts_not_reached", error=error.message)
                    pause_s = PAUSE_S
                except Exception:
                    log.exception("delivering_failed")
                    pause_s = PAUSE_S
                self._stopped.wait(pause_s)

    def turn(self, pool: ThreadPoolExecutor | None = None) -> int:
        """Send what is due, a few at once; how many messages that were."""
        taken = self._alerts.take(AT_ONCE, LEASES * self._timeout_ms)
        for _ in pool.map(self._see_to, taken) if pool else map(self._see_to, taken):
            pass
        return len(taken)

    def _see_to(self, due: Due) -> None:
        one = due.delivery
        error = self._why_not(due)
        pause_ms = self._pauses_ms[min(one.attempts, len(self._pauses_ms)) - 1] if self._pauses_ms else 0
        state = self._alerts.done(one.id, one.attempts, error, pause_ms)
        about = {"delivery": one.id, "channel": one.channel, "alerts": one.count, "attempt": one.attempts}
        if error:
            log.warning("alert_not_delivered", **about, state=state, error=error)
        else:
            log.info("alert_delivered", **about)

    def _why_not(self, due: Due) -> str:
        """Send it; what went wrong, or nothing."""
        channel = self._channels.get(due.delivery.channel)
        if channel is None:
            return f"no channel is named {due.delivery.channel}: the settings of this listener have no such"
        message = message_of(due)
        if message is None:
            return ""  # what it was about is forgotten
        try:
            self._send(channel, message, self._timeout_ms / 1000)
        except NotDelivered as error:
            return error.message
        except Exception as error:  # noqa: BLE001  # whatever a library of a channel does is that message's alone
            return f"{type(error).__name__} while it was sent"
        return ""
