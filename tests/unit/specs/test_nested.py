"""specs/nested.yaml."""

import pytest

from orchestrator.testing import Flow, delay, fail
from tests.unit.specs.conftest import Shipped, books, cancels

TOUR = {"cities": ["Rome", "Bern"], "guests": ["Ada", "Bob", "Cid"]}


@pytest.fixture
def tour(shipped: Shipped) -> Flow:
    """Seats and rooms for everybody."""
    return shipped("nested.yaml").script("flight", books()).script("room", books())


def test_every_guest_has_a_room_in_every_city(tour: Flow) -> None:
    """And each city a bus."""
    tour.script("bus", books()).real("text.join")

    run = tour.run(TOUR)

    rooms = [(call.input["city"], call.input["traveller"]) for call in run.calls_of("hotels.book")]
    assert sorted(rooms) == sorted((city, guest) for city in TOUR["cities"] for guest in TOUR["guests"])
    assert run.output == {"text": "1. Rome: 3 rooms; 2. Bern: 3 rooms"}


def test_a_city_without_a_bus_undoes_the_whole_tour(tour: Flow) -> None:
    """However deep it fails; every booking that was made is cancelled, once."""
    sold_out = delay("3s", fail("sold_out", retryable=False))
    tour.script("tour[1]/arrange[transport]/bus", sold_out).script("bus", books()).real("summary")
    for service in ("flights", "cars", "hotels"):
        tour.script(f"{service}.cancel", cancels())

    run = tour.run(TOUR)

    assert (run.status, run.compensation) == ("failed", "completed")
    assert run.error["address"] == "tour[1]/arrange[transport]/bus"
    made = [step for step in run.path if step.endswith(("/flight", "/bus", "/room")) and step != run.error["address"]]
    assert sorted(run.undos) == sorted(made)
    assert len(made) == 2 + 1 + 2 * 3
