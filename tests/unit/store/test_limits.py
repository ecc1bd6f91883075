from __future__ import annotations

from typing import Any

import pytest

from orchestrator.spec.policies import Limit
from orchestrator.store.limits import Quota, quota


@pytest.mark.parametrize(
    ("rate", "count", "per_ms"),
    [("10/s", 10, 1_000), ("3/15m", 3, 900_000), ("500/m", 500, 60_000), ("1/250ms", 1, 250)],
)
def test_a_rate_is_so_many_in_a_time(rate: str, count: int, per_ms: int) -> None:
    """One of the unit, or as many as are written."""
    assert quota(0, Limit(key="x", rate=rate), "a") == Quota('0:"a"', count, per_ms)


def test_each_value_of_each_limit_is_a_quota() -> None:
    """Text and number are different values; the order of keys makes no difference."""
    limit = Limit(key="x", max=2)
    values: list[Any] = ["1", 1, True, None, {"a": 1, "b": 2}]

    names = {quota(index, limit, value).name for index in (0, 1) for value in values}

    assert len(names) == 2 * len(values)
    assert quota(0, limit, {"b": 2, "a": 1}) == quota(0, limit, {"a": 1, "b": 2})


def test_a_long_value_has_a_short_name() -> None:
    """Of its own, still."""
    limit = Limit(key="x", max=2)

    first, second = (quota(0, limit, "x" * 5_000 + end).name for end in "ab")

    assert first != second
    assert len(first) < 100
