"""Sharing new runs out among versions."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import InvalidTraffic
from orchestrator.spec.traffic import Traffic, check_traffic

KEY = "payment.flow"
VALUES = [f"tenant-{number}" for number in range(4_000)]


def chosen(weights: dict[str, float], value: str) -> str:
    """The version that a value takes."""
    return Traffic(weights).choose(KEY, value)


def test_each_version_takes_its_part() -> None:
    """Within what chance allows."""
    took = [chosen({"1.0.0": 90, "1.1.0": 10}, value) for value in VALUES]

    assert 0.08 < took.count("1.1.0") / len(took) < 0.12
    assert Traffic({"1.0.0": 9, "1.1.0": 1}).percent("1.1.0") == 10


def test_a_value_takes_the_same_version_everywhere() -> None:
    """By a formula, not by a process's own hashing: these stand for all releases and languages."""
    took = [chosen({"1.0.0": 1, "1.1.0": 1}, f"v{number}") for number in range(12)]

    assert "".join(version[2] for version in took) == "000001101110"


def test_a_growing_share_gives_up_no_value() -> None:
    """From 10 to 20 percent: the 10 stay, the others come from the other version alone."""
    before = {value: chosen({"1.0.0": 90, "1.1.0": 10}, value) for value in VALUES}
    after = {value: chosen({"1.0.0": 80, "1.1.0": 20}, value) for value in VALUES}

    assert all(after[value] == "1.1.0" for value in VALUES if before[value] == "1.1.0")
    assert list(after.values()).count("1.1.0") > list(before.values()).count("1.1.0")


def test_another_version_moves_only_what_it_takes() -> None:
    """Nothing changes hands between the versions that were there."""
    before = {value: chosen({"1.0.0": 50, "1.1.0": 50}, value) for value in VALUES}
    after = {value: chosen({"1.0.0": 50, "1.1.0": 50, "1.2.0": 25}, value) for value in VALUES}

    assert {after[value] for value in VALUES if after[value] != before[value]} == {"1.2.0"}


def test_a_version_without_weight_takes_nothing() -> None:
    """It may be named all the same."""
    assert {chosen({"1.0.0": 0, "1.1.0": 3}, value) for value in VALUES[:200]} == {"1.1.0"}


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("input.tenant", "acme"),
        ("ctx.user.id", "7"),
        ("input.lines.size() > 1", "true"),
        ("[ctx.user.id, 1]", "[7,1]"),
        ("input.missing", None),
        ("ctx.user.id + input.tenant", None),
    ],
)
def test_the_sticky_value_is_what_the_expression_gives(by: str, value: str | None) -> None:
    """As text; nothing if it raises."""
    roots = {"input": {"tenant": "acme", "lines": [1, 2]}, "ctx": {"user": {"id": 7}}}

    assert check_traffic({"1.0.0": 1}, by).sticky_value(roots) == value


@pytest.mark.parametrize(
    ("weights", "by", "says"),
    [
        ({}, None, "add up"),
        ({"1.0.0": 0}, None, "add up"),
        ({"1.0.0": -1, "1.1.0": 3}, None, "weight of 1.0.0"),
        ({"1.0.0": float("nan")}, None, "weight of 1.0.0"),
        ({"1.0.0": True}, None, "weight of 1.0.0"),
        ({"1.0.0": "90"}, None, "weight of 1.0.0"),
        ({"1.0.0": 1}, "input.", "no expression"),
        ({"1.0.0": 1}, "steps.a.output", "reads steps"),
        ({"1.0.0": 1}, "'same'", "reads nothing"),
    ],
)
def test_a_split_that_cannot_be_carried_out_is_refused(weights: dict[str, Any], by: str | None, says: str) -> None:
    """Before it is stored, with what is wrong."""
    with pytest.raises(InvalidTraffic, match=says) as raised:
        check_traffic(weights, by)

    assert raised.value.code == "invalid_traffic"
