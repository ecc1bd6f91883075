"""What is shown of the steps of many items and visits."""

from __future__ import annotations

import pytest

from orchestrator.client.crowds import FEW, Crowd, is_told, kind_of, with_crowds
from orchestrator.client.shown import StepDescription
from tests.unit.cli.test_views import step


def items(number: int, **states: str) -> list[StepDescription]:
    """A step of so many items; `_3="failed"` says how it stands in the fourth."""
    return [step(f"ship[{n}]/pack", state=states.get(f"_{n}", "completed")) for n in range(number)]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("charge", "charge"),
        ("ship[3]/pack", "ship[*]/pack"),
        ("ship[3]/box[17]/poll#2~", "ship[*]/box[*]/poll~"),
        ("carrier[dhl]/book", "carrier[dhl]/book"),
    ],
)
def test_steps_are_of_a_kind_if_only_indexes_and_visits_differ(address: str, kind: str) -> None:
    """Branches have names, and stay apart."""
    assert kind_of(address) == kind


def test_a_few_of_a_kind_are_shown_one_by_one() -> None:
    """In the order in which they came."""
    few = items(FEW)

    assert list(with_crowds(few)) == few


def test_many_of_a_kind_are_one_row_with_their_numbers() -> None:
    """In the place of their first; other steps stay where they were."""
    before, after = step("first"), step("last")

    shown = list(with_crowds([before, *items(10_000), after]))

    assert [str(one) if isinstance(one, Crowd) else one.address for one in shown] == [
        "first",
        "10,000 completed",
        "last",
    ]


def test_of_many_those_that_failed_or_go_on_are_shown_too() -> None:
    """The failed ones first, and the crowd is coloured like them."""
    crowd, *notable = with_crowds(items(50, _7="running", _30="failed"))

    assert isinstance(crowd, Crowd)
    assert (str(crowd), crowd.state, crowd.kind) == ("1 failed, 1 running, 48 completed", "failed", "ship[*]/pack")
    assert [one.address for one in notable if isinstance(one, StepDescription)] == ["ship[30]/pack", "ship[7]/pack"]


def test_however_many_fail_a_few_are_shown() -> None:
    """A thousand failures are a row and a few examples."""
    shown = list(with_crowds([step(f"ship[{n}]/pack", state="failed") for n in range(1_000)]))

    assert len(shown) == 1 + FEW


def test_what_happens_over_and_over_is_told_less_and_less_often() -> None:
    """The first few times, then at 20, 50, 100 and so on."""
    told = [number for number in range(1, 10_001) if is_told(number)]

    assert told[FEW:] == [20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
