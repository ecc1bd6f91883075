"""specs/race.yaml."""

from datetime import timedelta

from orchestrator.testing import fail, real
from tests.unit.specs.conftest import Shipped, books, cancels

TRIP = {"city": "Rome", "traveller": "Ada"}


def test_the_first_branch_wins_and_the_other_gives_back_what_it_holds(shipped: Shipped) -> None:
    """The car was confirmed after two seconds, the plane would have been after an hour."""
    flow = shipped("race.yaml").script("seat", books()).script("rental", books()).script("ticket", real())
    flow.script("flights.cancel", cancels())

    run = flow.run(TRIP | {"plane": "1h"})

    assert (run.output, run.undos) == ({"text": "Ada goes by car"}, ["travel[plane]/seat"])
    assert run.duration == timedelta(seconds=2)


def test_a_race_that_nobody_wins_is_handled(shipped: Shipped) -> None:
    """Neither a seat nor a car: the step fails with `join_failed`."""
    flow = shipped("race.yaml").script("seat", fail("sold_out")).script("rental", fail("sold_out"))

    run = flow.real("stay-at-home").run(TRIP)

    assert (run.status, run.error["code"]) == ("failed", "join_failed")
    assert run.path[-1] == "stay-at-home"
