from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.engine.values import value


@value
class Place:
    """A value with a default."""

    row: int
    column: int = 0


def test_values_are_compared_and_hashed_by_their_fields() -> None:
    """Two that hold the same are one in a set."""
    found = {Place(1), Place(1, 0), replace(Place(2), row=1)}

    assert found == {Place(1)}


def test_a_value_has_no_other_fields() -> None:
    """A misspelt name is an error and not a new field."""
    with pytest.raises(AttributeError):
        Place(1).colum = 2  # type: ignore[attr-defined]
