"""The plan itself."""

from __future__ import annotations

from tests.property.specs import plan_of


def test_two_plans_are_the_same_only_if_they_are_one() -> None:
    """What is worked out of a plan is found by it; to compare two in full would take longer than to work it out."""
    step = {"id": "a", "operation": "do.read"}
    one, other = plan_of(step), plan_of(step)

    assert len({one, other, one}) == 2
