"""specs/child.yaml."""

from datetime import timedelta

import pytest

from orchestrator.testing import Flow, Harness, always, delay, fail, ok
from tests.unit.specs.conftest import SPECS, books, cancels

TRIP = {"city": "Rome", "traveller": "Ada"}
FILE = SPECS / "child.yaml"


@pytest.fixture
def journey(harness: Harness) -> Flow:
    """The child, whose bookings are all made."""
    return harness(FILE, "examples.journey").script("flight", books())


@pytest.fixture
def trip(harness: Harness, journey: Flow) -> Flow:
    """The parent, with a hotel."""
    return harness(FILE, "examples.child").real("text.join").script("hotel", books())


def test_the_child_s_output_is_read_like_any_other(trip: Flow, journey: Flow) -> None:
    """The journey is a run of its own."""
    journey.script("car", books())

    run = trip.run(TRIP)

    assert run.path == ["hotel", "journey", "passport", "itinerary"]
    assert run.output == {"text": "Ada: plane and car to Rome"}
    assert run.step("journey").child_run == f"{run.handle.run_id}/journey:1"


def test_a_journey_that_fails_has_undone_itself_before_the_hotel_is_cancelled(trip: Flow, journey: Flow) -> None:
    """Its error is the run's."""
    journey.script("car", fail("sold_out", retryable=False)).script("flight~", cancels())
    trip.script("hotel~", cancels())

    run = trip.run(TRIP)

    assert (run.status, run.error["code"], run.error["step"]) == ("failed", "sold_out", "car")
    assert (run.undos, run.compensation) == (["hotel"], "completed")


def test_what_fails_later_undoes_the_journey_first(trip: Flow, journey: Flow) -> None:
    """Newest first, across the border of the two runs."""
    journey.script("car", books()).script("flight~", cancels()).script("car~", cancels())
    trip.script("hotel~", cancels())

    run = trip.run({**TRIP, "passport": False})

    assert (run.status, run.undos) == ("failed", ["journey", "hotel"])


def test_a_journey_that_takes_too_long_is_stopped(trip: Flow, journey: Flow) -> None:
    """And undone, and then the step fails."""
    journey.script("car", delay("9m", fail("later")), always(ok({"bookingKey": "C", "city": "Rome"})))
    journey.script("flight~", cancels())
    trip.script("hotel~", cancels())

    run = trip.start(TRIP).until("journey")
    run.advance("8m").cancel().finish()

    assert (run.status, run.duration) == ("cancelled", timedelta(minutes=9))
