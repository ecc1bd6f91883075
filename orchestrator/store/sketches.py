"""Distributions as counts in buckets whose widths grow: any quantile with a relative error of at most 1 %.

DDSketch: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", PVLDB 12 (2019). With GAMMA = (1 + ALPHA) / (1 - ALPHA), a value x > 0 goes into the bucket ceil(log x) of
base GAMMA, and all of bucket i stand for 2 GAMMA^i / (GAMMA + 1), which none of them differs from by more than ALPHA.
Sketches are merged by adding the counts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

ALPHA: Final = 0.01
GAMMA: Final = (1 + ALPHA) / (1 - ALPHA)
ZERO: Final = -100_000
"""The bucket of what is not above zero; below all others."""

_LOG_GAMMA: Final = math.log(GAMMA)


def bucket_of(value: float) -> int:
    """The bucket that a value goes into."""
    return math.ceil(math.log(value) / _LOG_GAMMA) if value > 0 else ZERO


def value_of(bucket: int) -> float:
    """What all values of a bucket are taken for."""
    return 0.0 if bucket == ZERO else float(2 * GAMMA**bucket / (GAMMA + 1))


@dataclass(slots=True)
class Sketch:
    """How many values each bucket holds, and what they add up to."""

    counts: Counter[int] = field(default_factory=Counter)
    total: float = 0.0

    @staticmethod
    def of(values: Iterable[float]) -> Sketch:
        """The sketch of these values."""
        sketch = Sketch()
        for value in values:
            sketch.counts[bucket_of(value)] += 1
            sketch.total += value
        return sketch

    @property
    def count(self) -> int:
        """How many values it holds."""
        return self.counts.total()

    @property
    def mean(self) -> float | None:
        """Their mean, exactly; None if there are none."""
        return self.total / self.count if self.count else None

    def merge(self, other: Sketch) -> None:
        """Take in all that another one holds."""
        self.counts.update(other.counts)
        self.total += other.total

    def quantile(self, share: float) -> float | None:
        """The value at rank floor(share * (n - 1)) of all in their order, within 1 %; None if there are none."""
        return self.quantiles(share)[0]

    def quantiles(self, *shares: float) -> list[float | None]:
        """Several at once."""
        buckets = sorted(self.counts)
        seen = list(accumulate(self.counts[bucket] for bucket in buckets))
        if not seen:
            return [None] * len(shares)
        ranks = (math.floor(share * (seen[-1] - 1)) for share in shares)
        return [value_of(buckets[bisect_right(seen, rank)]) for rank in ranks]

    def at_most(self, limit: float) -> int:
        """How many are not above a limit, as far as the buckets tell: those that stand for no more than it."""
        return sum(count for bucket, count in self.counts.items() if value_of(bucket) <= limit)


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """All of them as one."""
    whole = Sketch()
    for sketch in sketches:
        whole.merge(sketch)
    return whole
