"""Alerts: what a person should know of, and the messages about it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, status
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.api.access import Admin, Caller, Operator, Viewer
from orchestrator.api.answers import AlertList, ChannelList, Counted, DeliveryList, Sending
from orchestrator.api.problems import documented
from orchestrator.client.shown import AlertDescription, DeliveryDescription
from orchestrator.errors import UnknownAlert
from orchestrator.settings import AlertKind, AlertLevel

router = APIRouter(tags=["alerts"], responses=documented())

AlertId = Annotated[str, Path(description="The alert's id.", max_length=40)]
DeliveryId = Annotated[str, Path(description="The delivery's id.", max_length=40)]
Chosen = Annotated[str, Path(description="The id of a dead delivery, or `all`.", max_length=40)]
Channel = Annotated[str, Path(description="The channel's name, as the settings have it.", max_length=64)]


class Note(BaseModel):
    """What whoever sees to an alert says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    comment: str = Field("", max_length=1_000, description="Kept with the alert, and in the audit log.")


@router.get("/alerts", summary="List alerts", responses=documented(422))
def list_alerts(
    caller: Viewer,
    state: Annotated[Literal["open", "acknowledged", "resolved"] | None, Query()] = None,
    kind: Annotated[AlertKind | None, Query()] = None,
    level: Annotated[AlertLevel | None, Query()] = None,
    workflow: Annotated[str | None, Query(max_length=300)] = None,
    run: Annotated[str | None, Query(max_length=2_000)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    cursor: Annotated[str | None, Query(max_length=60, description="Go on where a page ended.")] = None,
) -> AlertList:
    """Newest first. A page may be short though there are more: its cursor says so."""
    wanted = {"kind": kind, "level": level, "workflow": workflow, "run_id": run}
    desk = caller.client.alerts
    page = desk.list_seen(wanted, state, workflows=caller.workflows, limit=limit, cursor=cursor)
    return AlertList(alerts=list(page.alerts), cursor=page.cursor)


@router.get("/alerts/{alert_id}", summary="An alert", responses=documented(404))
def show_alert(caller: Viewer, alert_id: AlertId) -> AlertDescription:
    """With the messages about it."""
    return caller.client.alerts.get_seen(alert_id, caller.workflows)


@router.post(
    "/alerts/{alert_id}/acknowledge",
    name="acknowledge_alert",
    summary="See to an alert",
    responses=documented(404, 409),
)
def acknowledge(caller: Operator, alert_id: AlertId, body: Note) -> AlertDescription:
    """Whoever was first stands. What happens again meanwhile only counts up."""
    _check_seen(caller, alert_id)
    return caller.client.alerts.acknowledge(alert_id, body.comment)


@router.post(
    "/alerts/{alert_id}/resolve", name="resolve_alert", summary="Say that it is over", responses=documented(404)
)
def resolve(caller: Operator, alert_id: AlertId, body: Note) -> AlertDescription:
    """What happens again is a new alert."""
    _check_seen(caller, alert_id)
    return caller.client.alerts.resolve(alert_id, body.comment)


@router.get("/alert-channels", summary="Where alerts go")
def channels(caller: Viewer) -> ChannelList:
    """As the settings say, without what is secret."""
    return ChannelList(channels=list(caller.client.alerts.channels()))


@router.post(
    "/alert-channels/{channel}/test",
    name="test_channel",
    summary="Send a test message",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(404),
)
def test(caller: Admin, channel: Channel) -> Sending:
    """A listener sends it within a second or two; the delivery says what came of it."""
    caller.check_unrestricted()
    return Sending(delivery=caller.client.alerts.test(channel))


@router.get("/alert-deliveries", summary="Messages that were given up")
def list_dead(caller: Operator, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> DeliveryList:
    """The first of them first, each with the reason."""
    caller.check_unrestricted()
    return DeliveryList(deliveries=list(caller.client.alerts.dead(limit=limit)))


@router.get("/alert-deliveries/{delivery_id}", summary="A message to a channel", responses=documented(404))
def show_delivery(caller: Operator, delivery_id: DeliveryId) -> DeliveryDescription:
    """What has become of it."""
    caller.check_unrestricted()
    return caller.client.alerts.delivery(delivery_id)


@router.post(
    "/alert-deliveries/{delivery_id}/replay", name="replay_alert", summary="Send it again", responses=documented(404)
)
def replay(caller: Operator, delivery_id: Chosen) -> Counted:
    """What was given up is due again, under its id, with all its tries."""
    caller.check_unrestricted()
    return Counted(count=caller.client.alerts.replay(delivery_id))


def _check_seen(caller: Caller, alert_id: str) -> None:
    """UnknownAlert, and noted, if a key for some workflows does not see it."""
    if not caller.workflows:
        return
    try:
        caller.client.alerts.get_seen(alert_id, caller.workflows)
    except UnknownAlert:
        caller.note_denied()
        raise
