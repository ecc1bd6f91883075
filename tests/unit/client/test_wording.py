"""How durations and errors are written."""

from __future__ import annotations

import pytest

from orchestrator.client.wording import error_text, took


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(None, ""), (63, "63 ms"), (1_240, "1.2 s"), (200_000, "3 m 20 s"), (7_500_000, "2 h 5 m")],
)
def test_a_duration_is_as_short_as_it_can_be_read(duration_ms: int | None, text: str) -> None:
    """Two units at most."""
    assert took(duration_ms) == text


def test_an_error_without_a_message_of_its_own_is_its_code() -> None:
    """The code said twice helps nobody."""
    assert error_text({"code": "declined", "message": "declined"}) == "declined"
    assert error_text({"code": "declined", "message": "No money."}) == "declined: No money."
