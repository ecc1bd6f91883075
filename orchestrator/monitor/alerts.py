"""The reader of the feed that raises alerts, and resolves those that are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orchestrator import logs
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.monitor.causes import READ, Cause, cause_of, cures_of, may_raise
from orchestrator.monitor.feed import AtLeastOnce, Batch, Reader
from orchestrator.settings import AlertChannel, Settings
from orchestrator.store.alerts import AlertRecord, Alerts, Terms, alert_id
from orchestrator.store.port import FeedEntry, Store

log = logs.get("alerts")

NAME: Final = "alerts"
ITSELF: Final = "orchestrator"
"""Who resolves what is over by itself."""
_RANKS: Final = {"warning": 0, "error": 1, "critical": 2}


def alerts_reader(client: RedisOrchestrator) -> Reader:
    """The reader of a listener. It begins with what the feed has: who switches it on wants no alerts of last week."""
    raising = Raising(client.settings, client.store, client.alert_store)
    return AtLeastOnce(NAME, raising.see_to, client.registry.positions)


class Raising:
    """Raises alerts. Whatever it is given twice, it raises once."""

    def __init__(self, settings: Settings, store: Store, alerts: Alerts) -> None:
        self._channels = settings.alerts
        self._store = store
        self._alerts = alerts
        self._terms = terms_of(settings)

    def see_to(self, batch: Batch) -> None:
        """Raise what the events of runs say, then resolve what they end."""
        for entry in batch.entries:
            if may_raise(entry.event):
                self._raise(entry)
        self._resolve(batch.entries)

    def raise_(
        self,
        cause: Cause,
        occurrence: str,
        at_ms: int,
        *,
        whose: str,
        workflow: str = "",
        version: str = "",
        run_id: str = "",
    ) -> bool:
        """Raise an alert of a run, or of something else that `whose` names; whether it is new."""
        key = f"{cause.kind}|{cause.level}|{whose}|{cause.step}|{cause.apart}"
        channels = self._for(cause)
        text = cause.text if cause.to in (None, *channels) else f"{cause.text}; no channel is named {cause.to}"
        title = f"{workflow or whose}: {cause.what}"
        made = AlertRecord(
            alert_id(key, occurrence),
            key,
            cause.kind,
            cause.level,
            title,
            text,
            at_ms,
            at_ms,
            workflow,
            version,
            run_id,
            cause.step,
        )
        new = self._alerts.raise_(made, occurrence, channels, self._terms)
        if new:
            log.warning("alert_raised", alert=made.id, kind=made.kind, level=made.level, run_id=run_id, step=cause.step)
        return new

    def _raise(self, entry: FeedEntry) -> None:
        _, values = self._store.read(entry.run_id, READ)
        try:
            cause = cause_of(entry.event, values)
        except (KeyError, TypeError, ValueError):  # of another release; the events after it are no worse for it
            log.exception("event_not_understood", run_id=entry.run_id, event_id=entry.id, type=entry.event["type"])
            return
        if cause is not None:
            workflow, version = values[fields.WORKFLOW] or "", values[fields.VERSION] or ""
            run = {"whose": entry.run_id, "run_id": entry.run_id, "workflow": workflow, "version": version}
            self.raise_(cause, entry.id, entry.at_ms, **run)

    def _resolve(self, entries: Sequence[FeedEntry]) -> None:
        cured = {entry.run_id: entry for entry in entries if cures_of(entry.event)}
        if not cured:
            return
        open_of = _by_run(self._alerts.unresolved(list(cured)))
        for entry in entries:
            for cure in cures_of(entry.event) if entry.run_id in open_of else ():
                for alert in open_of[entry.run_id]:
                    fits = alert.kind == cure.kind and cure.step in (None, alert.step)
                    if fits and alert.last_at <= entry.at_ms:
                        self._alerts.change(alert.id, "resolved", ITSELF)

    def _for(self, cause: Cause) -> list[str]:
        """The channels that it goes to."""
        if cause.to is not None:
            return [cause.to] if cause.to in self._channels else []
        return [name for name, channel in self._channels.items() if _wants(channel, cause)]


def terms_of(settings: Settings) -> Terms:
    """How alerts are kept and sent."""
    return Terms(settings.alert_group_ms, settings.alerts_kept_ms, len(settings.alert_retry_ms) + 1)


def _wants(channel: AlertChannel, cause: Cause) -> bool:
    return cause.kind in channel.on and _RANKS[cause.level] >= _RANKS[channel.min_level]


def _by_run(alerts: Sequence[AlertRecord]) -> Mapping[str, list[AlertRecord]]:
    found: dict[str, list[AlertRecord]] = {}
    for one in alerts:
        found.setdefault(one.run_id, []).append(one)
    return found
