"""specs/nightly.yaml."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from orchestrator.spec.calendar import Calendar
from orchestrator.spec.loader import load_path
from tests.unit.specs.conftest import SPECS, Shipped

NIGHT = {"night": "2030-01-01T01:00:00Z"}


def test_a_night_is_compared_and_told(shipped: Shipped) -> None:
    """With the tables that the schedule does not name."""
    run = shipped("nightly.yaml").real().run(NIGHT)

    assert run.output == {"text": "Night of 2030-01-01T01:00:00Z: 6 rows match"}
    assert (run.path[-2:], run.status) == (["compare", "report"], "completed")


def test_a_table_that_is_not_there_fails_the_night(shipped: Shipped) -> None:
    """The next one comes all the same."""
    run = shipped("nightly.yaml").real().run({**NIGHT, "left": "lost-orders"})

    assert (run.status, run.error["code"]) == ("failed", "source_missing")


def test_it_fires_every_night_by_berlins_clock() -> None:
    """Also in the night in which two o'clock is three."""
    (loaded,) = load_path(SPECS / "nightly.yaml")
    schedule = loaded.spec.triggers[0].schedule
    assert schedule is not None

    nights = Calendar.of(schedule).between(datetime(2030, 3, 30, tzinfo=UTC), datetime(2030, 4, 2, tzinfo=UTC))

    assert [f"{night:%d %H:%M}" for night in islice(nights, 3)] == ["30 01:00", "31 01:00", "01 00:00"]
