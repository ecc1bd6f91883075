"""specs/map_tolerate.yaml."""

from typing import Any

import pytest

from orchestrator.testing import Flow, always, fail, real
from tests.unit.specs.conftest import Shipped, books, cancels

GUESTS: dict[str, Any] = {"guests": [{"name": name, "city": "Rome"} for name in ("Ada", "Bob", "Cid", "Dan")]}


@pytest.fixture
def party(shipped: Shipped) -> Flow:
    """Four guests, each with a seat."""
    return shipped("map_tolerate.yaml").script("flight", books()).script("flights.cancel", cancels())


def test_one_guest_of_four_may_be_missing(party: Flow) -> None:
    """What was booked for them is undone there, and the others come."""
    party.script("invite[1]/car", fail("sold_out", retryable=False)).script("car", books()).script("guest-list", real())

    run = party.run(GUESTS)

    assert run.output == {"coming": "Ada, Cid, Dan", "missing": 1}
    assert run.undos == ["invite[1]/flight"]


def test_two_guests_of_four_are_too_many(party: Flow) -> None:
    """The map fails with `join_failed`, and every seat is given back."""
    party.script("car", always(fail("sold_out", retryable=False)))

    run = party.run(GUESTS)

    assert (run.status, run.error["code"]) == ("failed", "join_failed")
    assert set(run.undos) == {step for step in run.path if step.endswith("/flight")}
