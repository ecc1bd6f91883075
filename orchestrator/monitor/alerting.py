"""What a listener does about alerts beside reading the feed: it sends them, and looks where no feed tells."""

from __future__ import annotations

import threading

from orchestrator.client.sync import RedisOrchestrator
from orchestrator.monitor.delivering import Delivering
from orchestrator.monitor.rounds import Rounds


class Alerting:
    """Sends messages, and makes rounds, each in a thread of its own."""

    def __init__(self, client: RedisOrchestrator) -> None:
        self._parts = Delivering(client.settings, client.alert_store), Rounds(client)
        self._threads = [threading.Thread(target=part.run, name="alerting", daemon=True) for part in self._parts]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after what is in hand, or when the time is up: what is not said to be sent then is sent again."""
        for part in self._parts:
            part.stop()
        for thread in self._threads:
            thread.join(timeout_s)
