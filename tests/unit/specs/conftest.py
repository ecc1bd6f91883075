"""The specs that ship, under test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.testing import Action, Flow, Harness, always, ok

SPECS = Path(__file__).parents[3] / "specs"

Shipped = Callable[[str], Flow]


@pytest.fixture
def shipped(harness: Harness) -> Shipped:
    """Makes the flow of a file of `specs/`."""
    return lambda file: harness(SPECS / file)


def books() -> Action:
    """Every booking is made; its key is that of its city and its traveller."""
    return always(ok(lambda given: {"bookingKey": f"{given['city']}/{given['traveller']}", "city": given["city"]}))


def cancels() -> Action:
    """Every booking is cancelled."""
    return always(ok(_cancelled))


def _cancelled(given: Any) -> Any:
    return {"bookingKey": given["bookingKey"], "existed": True}
