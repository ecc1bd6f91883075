"""Traffic: how the new runs of a workflow are shared out among its versions."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.errors import ExpressionError, InvalidTraffic
from orchestrator.spec.expressions import ExpressionSyntax, expression

_STICKY_ROOTS: Final = frozenset({"input", "ctx"})
_DRAWN_BITS: Final = 52
"""One fewer than a double holds, so that half a step can be added."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How runs that name no version are shared out, by the value of `by` (CEL over `input`, `ctx`), else by run id."""

    weights: Mapping[str, float]
    by: str | None = None

    def percent(self, version: str) -> float:
        """The part of new runs that a version takes."""
        return 100 * self.weights.get(version, 0) / sum(self.weights.values())

    def sticky_value(self, roots: Mapping[str, Any]) -> str | None:
        """What `by` gives for a start, as text; None if it gives nothing that JSON has, or there is no `by`."""
        if self.by is None:
            return None
        try:
            value = expression(self.by).evaluate(roots)
            return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
        except (ExpressionError, TypeError, ValueError):
            return None

    def choose(self, workflow: str, value: str) -> str:
        """The version that a value takes, always the same one while the weights stand.

        Weighted rendezvous: each version draws u = (h + 0.5) / 2^52, where h is the first 52 bits of SHA-256 of
        `workflow NUL version NUL value` in UTF-8; the least -ln(u) / weight wins. So a version whose share grows takes
        values from the others and gives up none, and the values that it does not take stay where they are.
        """
        return min(
            (version for version, weight in self.weights.items() if weight > 0),
            key=lambda version: (-math.log(_draw(workflow, version, value)) / self.weights[version], version),
        )


def check_traffic(weights: Mapping[str, Any], by: str | None = None) -> Traffic:
    """A split that can be carried out; InvalidTraffic says what is wrong with it."""
    for version, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight < 0:
            raise InvalidTraffic(f"the weight of {version} must be a number from 0 up, not {weight!r}", version=version)
    if not sum(weights.values()):
        raise InvalidTraffic("the weights must add up to more than 0; name a version that takes new runs")
    if by is not None:
        _check_sticky(by)
    return Traffic(dict(weights), by)


def _check_sticky(by: str) -> None:
    try:
        roots = expression(by).roots
    except ExpressionSyntax as error:
        raise InvalidTraffic(f"`by` is no expression: {error}", by=by) from error
    if not roots or roots - _STICKY_ROOTS:
        other = ", ".join(sorted(roots - _STICKY_ROOTS)) or "nothing"
        raise InvalidTraffic(f"`by` reads `input` and `ctx`, such as input.tenant; {by!r} reads {other}", by=by)


def _draw(workflow: str, version: str, value: str) -> float:
    """A number between 0 and 1, neither included."""
    text = f"{workflow}\0{version}\0{value}".encode("utf-8", "surrogatepass")
    drawn = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    return float(((drawn >> (64 - _DRAWN_BITS)) + 0.5) / 2**_DRAWN_BITS)
