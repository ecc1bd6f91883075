"""The specs that ship, under test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.testing import Flow, Harness

SPECS = Path(__file__).parents[3] / "specs"

Shipped = Callable[[str], Flow]


@pytest.fixture
def shipped(harness: Harness) -> Shipped:
    """Makes the flow of a file of `specs/`."""
    return lambda file: harness(SPECS / file)
