"""The verbs of alerts over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from orchestrator.client.http.exchange import PREFIX, Request, Steps, Value, ask
from orchestrator.client.http.run_verbs import check_acts_itself
from orchestrator.client.shown import AlertDescription, AlertPage, ChannelDescription, DeliveryDescription
from orchestrator.client.surface_words import ALL


@dataclass(frozen=True, slots=True)
class _Channels:
    channels: list[ChannelDescription]


@dataclass(frozen=True, slots=True)
class _Deliveries:
    deliveries: list[DeliveryDescription]


@dataclass(frozen=True, slots=True)
class _Sending:
    delivery: str


@dataclass(frozen=True, slots=True)
class _Count:
    count: int


class AlertVerbs:
    """What can be done with alerts."""

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
    ) -> Steps[AlertPage]:
        """GET `/alerts`."""
        params: dict[str, Value] = {
            "state": state,
            "kind": kind,
            "level": level,
            "workflow": workflow,
            "run": run,
            "limit": limit,
            "cursor": cursor,
        }
        return (yield from ask(Request("GET", f"{PREFIX}/alerts", params=params), AlertPage))

    def get(self, alert_id: str) -> Steps[AlertDescription]:
        """GET the alert."""
        return (yield from ask(Request("GET", _alert(alert_id)), AlertDescription))

    def acknowledge(self, alert_id: str, comment: str = "", by: str = "") -> Steps[AlertDescription]:
        """POST `/acknowledge`."""
        check_acts_itself(by)
        request = Request("POST", f"{_alert(alert_id)}/acknowledge", body={"comment": comment})
        return (yield from ask(request, AlertDescription))

    def resolve(self, alert_id: str, comment: str = "", by: str = "") -> Steps[AlertDescription]:
        """POST `/resolve`."""
        check_acts_itself(by)
        request = Request("POST", f"{_alert(alert_id)}/resolve", body={"comment": comment})
        return (yield from ask(request, AlertDescription))

    def channels(self) -> Steps[Sequence[ChannelDescription]]:
        """GET `/alert-channels`."""
        return (yield from ask(Request("GET", f"{PREFIX}/alert-channels"), _Channels)).channels

    def test(self, channel: str) -> Steps[str]:
        """POST `/test`."""
        request = Request("POST", f"{PREFIX}/alert-channels/{quote(channel, safe='')}/test")
        return (yield from ask(request, _Sending)).delivery

    def delivery(self, delivery_id: str) -> Steps[DeliveryDescription]:
        """GET the delivery."""
        return (yield from ask(Request("GET", _delivery(delivery_id)), DeliveryDescription))

    def dead(self, *, limit: int = 100) -> Steps[Sequence[DeliveryDescription]]:
        """GET `/alert-deliveries`."""
        request = Request("GET", f"{PREFIX}/alert-deliveries", params={"limit": limit})
        return (yield from ask(request, _Deliveries)).deliveries

    def replay(self, delivery_id: str = ALL) -> Steps[int]:
        """POST `/replay`."""
        return (yield from ask(Request("POST", f"{_delivery(delivery_id)}/replay"), _Count)).count


def _alert(alert_id: str) -> str:
    return f"{PREFIX}/alerts/{quote(alert_id, safe='')}"


def _delivery(delivery_id: str) -> str:
    return f"{PREFIX}/alert-deliveries/{quote(delivery_id, safe='')}"
