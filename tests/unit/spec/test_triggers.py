from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.spec.triggers import EventTrigger, ScheduleTrigger, Trigger


def test_schedule_has_the_documented_defaults() -> None:
    """UTC, skip what overlaps, catch up ten minutes, no jitter, the latest version."""
    schedule = ScheduleTrigger(name="nightly", cron="0 3 * * *")

    assert (schedule.zone, schedule.overlap, schedule.version, schedule.inputs) == ("UTC", "skip", "latest", {})
    assert (schedule.catch_up, schedule.jitter) == (timedelta(minutes=10), timedelta(0))


def test_event_trigger_has_the_documented_defaults() -> None:
    """The event's data is the input, and source and id tell events apart."""
    event = EventTrigger(name="placed", type="order.created")

    assert event.inputs == "${event.data}"
    assert event.dedupe == ("event.source", "event.id")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cron": "61 * * * *"},
        {"cron": "0 0 30 2 *"},
        {"cron": "0 0 0 1 1 * 2030"},
        {"every": 0},
        {"at": "2026-01-01T00:00:00"},
        {"at": "tomorrow"},
        {"cron": "0 3 * * *", "zone": "Mars/Olympus"},
        {"cron": "0 3 * * *", "version": "newest"},
        {"cron": "0 3 * * *", "overlap": "queue"},
    ],
)
def test_schedule_refuses_what_names_no_time(wrong: dict[str, Any]) -> None:
    """Cron, interval, moment, zone and version are each checked."""
    with pytest.raises(ValidationError):
        ScheduleTrigger(name="nightly", **wrong)


def test_trigger_in_python_may_stand_for_itself() -> None:
    """It is stored as in YAML, under what it is."""
    schedule = ScheduleTrigger(name="nightly", every="1h")
    event = EventTrigger(name="placed", type="order.created", filter=lambda event: event.data.total > 0)

    assert Trigger.model_validate(schedule) == Trigger(schedule=schedule)
    assert Trigger.model_validate(event).event == event
    assert event.filter == "event.data.total > 0"
