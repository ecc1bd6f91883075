"""specs/parallel_join.yaml."""

import pytest

from orchestrator.testing import Flow, delay, fail, real
from tests.unit.specs.conftest import Shipped, books, cancels

TRIP = {"city": "Rome", "traveller": "Ada"}


@pytest.fixture
def trip(shipped: Shipped) -> Flow:
    """The three bookings, with a seat and a room."""
    return shipped("parallel_join.yaml").script("flight", books()).script("hotel", books())


def test_the_itinerary_follows_all_three_bookings(trip: Flow) -> None:
    """It is made of what each branch left."""
    run = trip.script("car", books()).script("itinerary", real()).run(TRIP)

    assert run.output == {"text": "Ada flies to Rome, sleeps in Rome and drives in Rome."}
    assert run.path[-2:] == ["book", "itinerary"]
    assert run.undos == []


def test_without_a_car_the_other_branches_are_undone(trip: Flow) -> None:
    """The run fails with the branch's error."""
    trip.script("car", delay("3s", fail("sold_out", retryable=False)))
    trip.script("flights.cancel", cancels()).script("hotels.cancel", cancels())

    run = trip.run(TRIP)

    assert (run.status, run.error["code"], run.error["branch"]) == ("failed", "sold_out", "car")
    assert sorted(run.undos) == ["book[flight]/flight", "book[hotel]/hotel"]
