"""Distributions in buckets: any quantile within one per cent, however they are put together."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.sketches import ALPHA, Sketch, bucket_of, merged, value_of

DURATIONS = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e9)), min_size=1, max_size=300)
SHARES = st.floats(0, 1)


def exact(values: list[float], share: float) -> float:
    """The value at the rank that a quantile names."""
    return sorted(values)[math.floor(share * (len(values) - 1))]


@given(DURATIONS, SHARES)
def test_a_quantile_is_within_one_per_cent(values: list[float], share: float) -> None:
    """Of the value that stands at its rank; zero is zero."""
    wanted, found = exact(values, share), Sketch.of(values).quantile(share)

    assert found is not None
    assert abs(found - wanted) <= ALPHA * wanted * (1 + 1e-9)


@given(DURATIONS, DURATIONS, SHARES)
def test_merged_sketches_are_the_sketch_of_all(one: list[float], other: list[float], share: float) -> None:
    """So hours, versions and steps can be put together when they are read."""
    whole, parts = Sketch.of(one + other), merged([Sketch.of(one), Sketch.of(other)])

    assert parts.counts == whole.counts
    assert parts.quantile(share) == whole.quantile(share)
    assert math.isclose(parts.total, whole.total)


@given(st.floats(1e-3, 1e9))
def test_a_bucket_stands_for_what_it_holds(value: float) -> None:
    """Neighbouring buckets leave no gap."""
    assert abs(value_of(bucket_of(value)) - value) <= ALPHA * value * (1 + 1e-9)


def test_a_sketch_of_nothing_says_nothing() -> None:
    """Neither mean nor quantile; and nothing is below any limit."""
    empty = Sketch()

    assert (empty.count, empty.mean, empty.quantile(0.5), empty.at_most(1e9)) == (0, None, None, 0)


def test_values_are_counted_up_to_a_limit() -> None:
    """As histograms with fixed limits want them: never fewer as limits grow, and all at the last."""
    sketch = Sketch.of([0, 1, 10, 100, 1000])

    assert [sketch.at_most(limit) for limit in (0, 5, 50, 500, math.inf)] == [1, 2, 3, 4, 5]
