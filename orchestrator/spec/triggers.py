"""What starts runs by itself: a schedule, or an event from outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from orchestrator.spec.cron import InvalidCron, NeverFires, parse_cron
from orchestrator.spec.fields import Bare, Bares, Data, Duration, PositiveDuration, SpecModel
from orchestrator.spec.versions import is_version


def _cron(value: str) -> str:
    try:
        parse_cron(value)
    except NeverFires as error:
        raise PydanticCustomError("never_fires", str(error)) from error
    except InvalidCron as error:
        raise PydanticCustomError("invalid_cron", str(error)) from error
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise PydanticCustomError("unknown_zone", f"`{value}` is not an IANA time zone") from error
    return value


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PydanticCustomError("invalid_moment", f"`{value}` is not an RFC 3339 moment with its offset")
    return value


def _version(value: str) -> str:
    if value != "latest" and not is_version(value):
        raise PydanticCustomError("invalid_version", f"`{value}` is neither `latest` nor a version such as `1.2.0`")
    return value


class ScheduleTrigger(SpecModel):
    """Starts a run at each slot of a cron expression, of an interval, or at one moment."""

    name: str = Field(min_length=1)
    cron: Annotated[str, AfterValidator(_cron)] | None = None
    every: PositiveDuration | None = None
    at: Annotated[str, AfterValidator(_moment)] | None = None
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    overlap: Literal["skip", "buffer_one", "allow_all", "cancel_other"] = "skip"
    catch_up: Duration = timedelta(minutes=10)
    jitter: Duration = timedelta(0)
    inputs: Data = Field(default_factory=dict)
    version: Annotated[str, AfterValidator(_version)] = "latest"


class EventTrigger(SpecModel):
    """Starts a run for each event that fits, once."""

    name: str = Field(min_length=1)
    type: str = Field(min_length=1)
    source: str | None = None
    filter: Bare | None = None
    inputs: Data = "${event.data}"
    dedupe: Bares = ("event.source", "event.id")


class Trigger(SpecModel):
    """One of the two."""

    schedule: ScheduleTrigger | None = None
    event: EventTrigger | None = None

    @classmethod
    def long_form(cls, data: Any) -> Any:
        """A trigger that stands for itself, as in Python."""
        match data:
            case ScheduleTrigger():
                return {"schedule": data}
            case EventTrigger():
                return {"event": data}
        return data

    @property
    def name(self) -> str:
        """What its state is kept by."""
        trigger = self.schedule or self.event
        return trigger.name if trigger else ""
