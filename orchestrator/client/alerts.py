"""Alerts, as operators see them: `orchestrator.alerts`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from typing_extensions import override

from orchestrator.client.access import may_see
from orchestrator.client.alert_surface import Alerts as Surface
from orchestrator.client.audit import Audit
from orchestrator.client.shown import AlertDescription, AlertPage, ChannelDescription, DeliveryDescription
from orchestrator.client.surface_words import ALL
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import AlertOver, InvalidRequest, UnknownAlert, UnknownChannel, UnknownDelivery
from orchestrator.settings import Settings
from orchestrator.store.alerts import STATES, AlertRecord, Alerts, DeliveryRecord, State

_LOOKED_AT: Final = 2_000
"""Alerts that one page looks at, at most; a page that found too little by then is short, and its cursor goes on."""
_DEAD: Final = 10_000


class RedisAlertDesk(Surface):
    """Alerts over Redis."""

    def __init__(self, settings: Settings, alerts: Alerts, audit: Audit | None = None) -> None:
        self._channels = settings.alerts
        self._alerts = alerts
        self._audit = audit or Audit()

    @override
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
        wanted = {"kind": kind, "level": level, "workflow": workflow, "run_id": run}
        return self.list_seen(wanted, _state(state), limit=limit, cursor=cursor)

    def list_seen(
        self,
        wanted: dict[str, str | None],
        state: State | None = None,
        *,
        workflows: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        """The same, of what a key with such patterns of workflows may see."""
        asked = {name: value for name, value in wanted.items() if value is not None}
        before = None if cursor is None else _place(cursor)
        found: list[AlertRecord] = []
        looked_at = 0
        while page := self._alerts.page(state, before, min(_LOOKED_AT, max(limit, 200))):
            for one in page:
                before = one.place
                if may_see(workflows, one.workflow) and all(getattr(one, name) == asked[name] for name in asked):
                    found.append(one)
                    if len(found) == limit:
                        return self._page(found, before)
            looked_at += len(page)
            if looked_at >= _LOOKED_AT:
                return self._page(found, before)
        return self._page(found, None)

    @override
    def get(self, alert_id: str) -> AlertDescription:
        return self.get_seen(alert_id)

    def get_seen(self, alert_id: str, workflows: Sequence[str] = ()) -> AlertDescription:
        """The same, as if what a key with such patterns may not see were not there."""
        found = self._alerts.get(alert_id)
        if found is None or not may_see(workflows, found.workflow):
            raise _unknown(alert_id)
        return self._described([found])[0]

    @override
    def acknowledge(self, alert_id: str, comment: str = "", by: str = "") -> AlertDescription:
        with self._audit.acting("acknowledge_alert", f"alerts/{alert_id}", comment, by):
            changed, found = self._change(alert_id, "acknowledged", comment, by)
            if not changed and found.state == "resolved":
                raise AlertOver(f"alert {alert_id} is resolved", id=alert_id)
        return self._described([found])[0]

    @override
    def resolve(self, alert_id: str, comment: str = "", by: str = "") -> AlertDescription:
        with self._audit.acting("resolve_alert", f"alerts/{alert_id}", comment, by):
            _, found = self._change(alert_id, "resolved", comment, by)
        return self._described([found])[0]

    @override
    def channels(self) -> Sequence[ChannelDescription]:
        return [ChannelDescription(name, one.shown, one.on, one.min_level) for name, one in self._channels.items()]

    @override
    def test(self, channel: str) -> str:
        with self._audit.acting("test_channel", f"alert-channels/{channel}"):
            if channel not in self._channels:
                there_are = f"there are {', '.join(self._channels)}" if self._channels else "there is none"
                raise UnknownChannel(f"no channel for alerts is named {channel!r}; {there_are}", channel=channel)
            made = secrets.token_hex(12)
            self._alerts.test(channel, made)
            return made

    @override
    def delivery(self, delivery_id: str) -> DeliveryDescription:
        found = self._alerts.deliveries([delivery_id]).get(delivery_id)
        if found is None:
            raise UnknownDelivery(f"no delivery has the id {delivery_id!r}", id=delivery_id)
        return _delivery(found)

    @override
    def dead(self, *, limit: int = 100) -> Sequence[DeliveryDescription]:
        return [_delivery(one) for one in self._alerts.dead(limit)]

    @override
    def replay(self, delivery_id: str = ALL) -> int:
        with self._audit.acting("replay_alert", f"alert-deliveries/{delivery_id}"):
            if delivery_id == ALL:
                return sum(self._alerts.replay(one.id) for one in self._alerts.dead(_DEAD))
            if not self._alerts.replay(delivery_id):
                raise UnknownDelivery(f"no dead delivery has the id {delivery_id!r}", id=delivery_id)
            return 1

    def _change(self, alert_id: str, state: State, comment: str, by: str) -> tuple[bool, AlertRecord]:
        found = self._alerts.change(alert_id, state, by or self._audit.actor.user, comment)
        if found is None:
            raise _unknown(alert_id)
        return found

    def _page(self, found: Sequence[AlertRecord], before: tuple[int, str] | None) -> AlertPage:
        return AlertPage(self._described(found), None if before is None else f"{before[0]}-{before[1]}")

    def _described(self, found: Sequence[AlertRecord]) -> tuple[AlertDescription, ...]:
        held = self._alerts.deliveries([id_ for one in found for id_ in one.deliveries.values()])
        return tuple(
            _described(one, tuple(_delivery(held[id_]) for id_ in one.deliveries.values() if id_ in held))
            for one in found
        )


def _described(one: AlertRecord, deliveries: tuple[DeliveryDescription, ...]) -> AlertDescription:
    return AlertDescription(
        id=one.id,
        kind=one.kind,
        level=one.level,
        state=one.state,
        title=one.title,
        text=one.text,
        workflow=one.workflow or None,
        version=one.version or None,
        run_id=one.run_id or None,
        step=one.step or None,
        count=one.count,
        first_at=rfc3339(one.first_at),
        last_at=rfc3339(one.last_at),
        acknowledged_by=one.acknowledged_by or None,
        acknowledged_at=_moment(one.acknowledged_at),
        resolved_by=one.resolved_by or None,
        resolved_at=_moment(one.resolved_at),
        comment=one.comment or None,
        deliveries=deliveries,
    )


def _delivery(one: DeliveryRecord) -> DeliveryDescription:
    shown = asdict(one)
    for name in ("workflow", "tries"):
        del shown[name]
    due = one.due_at if one.state in ("pending", "sending") else 0
    moments = {"created_at": rfc3339(one.created_at), "due_at": _moment(due), "sent_at": _moment(one.sent_at)}
    return DeliveryDescription(**{**shown, **moments, "error": one.error or None})


def _moment(ms: int) -> str | None:
    return rfc3339(ms) if ms else None


def _state(given: str | None) -> State | None:
    if given is None:
        return None
    for state in STATES:
        if given == state:
            return state
    raise InvalidRequest(f"an alert is {', '.join(STATES)}, not {given!r}")


def _place(cursor: str) -> tuple[int, str]:
    moment, _, id_ = cursor.partition("-")
    if not (moment.isdecimal() and len(moment) <= 15 and id_.isalnum()):  # noqa: PLR2004  # as many as ms can have
        raise InvalidRequest(f"{cursor!r} is not a cursor; take the one that the page before gave")
    return int(moment), id_


def _unknown(alert_id: str) -> UnknownAlert:
    return UnknownAlert(f"no alert has the id {alert_id!r}", id=alert_id)
