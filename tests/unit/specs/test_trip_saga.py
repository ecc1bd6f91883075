"""specs/trip_saga.yaml."""

from typing import Any

import pytest

from orchestrator.testing import Action, Flow, effect_then_crash, fail, ok
from tests.unit.specs.conftest import Shipped

TRIP = {"city": "Lisbon", "traveller": "Ada"}


def booked(key: str) -> Action:
    """A booking that was made."""
    return ok({"bookingKey": key, "city": "Lisbon"})


def cancelled(given: Any) -> Any:
    """What cancelling a booking gives."""
    return {"bookingKey": given["bookingKey"], "existed": True}


@pytest.fixture
def trip(shipped: Shipped) -> Flow:
    """The saga, with a flight and a hotel."""
    return shipped("trip_saga.yaml").script("flight", booked("F1")).script("hotel", booked("H1"))


def test_a_trip_is_three_bookings(trip: Flow) -> None:
    """Nothing is undone."""
    run = trip.script("car", booked("C1")).run(TRIP)

    assert (run.output, run.undos) == ({"flight": "F1", "hotel": "H1", "car": "C1"}, [])


def test_without_a_car_the_others_are_cancelled(trip: Flow) -> None:
    """Newest first, each by the key that it was booked with."""
    trip.script("car", fail("sold_out", retryable=False))
    trip.script("hotels.cancel", ok(cancelled)).script("flights.cancel", ok(cancelled))

    run = trip.run(TRIP)

    assert (run.status, run.error["code"], run.undos) == ("failed", "sold_out", ["hotel", "flight"])
    (booking,), (cancelling,) = run.calls_of("flights.book"), run.calls_of("flights.cancel")
    assert cancelling.input == {"bookingKey": booking.idempotency_key}


def test_a_booking_of_unknown_outcome_is_cancelled_too(trip: Flow) -> None:
    """A worker was lost after it booked, and the next attempt was refused."""
    trip.script("car", effect_then_crash(booked("C1")), fail("sold_out", retryable=False))
    for undone in ("car~", "hotel~", "flight~"):
        trip.script(undone, ok(cancelled))

    run = trip.run(TRIP)

    assert (run.status, run.undos) == ("failed", ["car", "hotel", "flight"])
