"""The surface of alerts: `orchestrator.alerts`. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from orchestrator.client.shown import AlertDescription, AlertPage, ChannelDescription, DeliveryDescription
from orchestrator.client.surface_words import ALL


class Alerts(ABC):
    """What a person should know of, and whether it reached one."""

    @abstractmethod
    def list(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        level: str | None = None,
        workflow: str | None = None,
        run: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        """A page of the alerts that all of this holds for, newest first. A page may be short: its cursor goes on."""

    @abstractmethod
    def get(self, alert_id: str) -> AlertDescription:
        """One alert; UnknownAlert if there is none."""

    @abstractmethod
    def acknowledge(self, alert_id: str, comment: str = "", by: str = "") -> AlertDescription:
        """Say that somebody sees to it. Who was first stands; AlertOver if it is resolved."""

    @abstractmethod
    def resolve(self, alert_id: str, comment: str = "", by: str = "") -> AlertDescription:
        """Say that it is over: what happens again is a new alert. Twice is once."""

    @abstractmethod
    def channels(self) -> Sequence[ChannelDescription]:
        """Where alerts go, as the settings say."""

    @abstractmethod
    def test(self, channel: str) -> str:
        """Let a listener send a test message, with one try; the delivery's id. UnknownChannel if there is none."""

    @abstractmethod
    def delivery(self, delivery_id: str) -> DeliveryDescription:
        """One message to a channel; UnknownDelivery if there is none."""

    @abstractmethod
    def dead(self, *, limit: int = 100) -> Sequence[DeliveryDescription]:
        """The messages that were given up, the first of them first."""

    @abstractmethod
    def replay(self, delivery_id: str = ALL) -> int:
        """Send a message again that was given up, or all of them; how many."""
