"""Runs that ended, as bars over time; each bar says what it is in words as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from orchestrator.client.measures import Hour
from orchestrator.dashboard.look.markup import tag

BARS: Final = 60
"""At most; of more hours, several stand in one bar."""
HEIGHT: Final = 88
_OUTCOMES: Final = (("completed", "good"), ("failed", "bad"), ("cancelled", "quiet"))


def draw_hours(hours: Sequence[Hour]) -> Markup:
    """The chart, from the first hour to the last."""
    size = -(-len(hours) // BARS)
    groups = [hours[first : first + size] for first in range(0, len(hours), size)]
    counts = [{name: sum(getattr(hour, name) for hour in group) for name, _ in _OUTCOMES} for group in groups]
    most = max((sum(one.values()) for one in counts), default=0) or 1
    step = 100 / len(groups)
    bars = [
        _bar(group[0].at, count, step * place, step * 0.8, most)
        for place, (group, count) in enumerate(zip(groups, counts, strict=True))
    ]
    total = {name: sum(one[name] for one in counts) for name, _ in _OUTCOMES}
    said = ", ".join(f"{count:,} {name}" for name, count in total.items())
    chart = tag("svg", *bars, class_="hours", width="100%", height=HEIGHT, role="img", aria_label=f"In all {said}")
    axis = tag(
        "span",
        _at(hours[0].at),
        tag("span", f"highest bar: {most:,}" if any(total.values()) else ""),
        _at(hours[-1].at),
        class_="axis",
    )
    legend = [
        tag("span", tag("i", class_=f"dot {tone}", aria_hidden="true"), f" {total[name]:,} {name}", class_="key")
        for name, tone in _OUTCOMES
    ]
    return tag("figure", chart, axis, tag("figcaption", *legend), class_="chart-box")


def _bar(at: str, counts: dict[str, int], x: float, width: float, most: int) -> Markup:
    rects, y = [], float(HEIGHT)
    for name, tone in _OUTCOMES:
        height = counts[name] / most * (HEIGHT - 4)
        if not height:
            continue
        height = max(height, 2.0)
        y -= height
        rects.append(
            tag(
                "rect", x=f"{x:.2f}%", y=f"{y:.1f}", width=f"{width:.2f}%", height=f"{height:.1f}", class_=f"bar {tone}"
            )
        )
    said = ", ".join(f"{counts[name]:,} {name}" for name, _ in _OUTCOMES if counts[name]) or "none"
    return tag("g", tag("title", f"{at.replace('T', ' ')[:16]} UTC: {said}"), *rects)


def _at(moment: str) -> Markup:
    return tag("local-time", tag("time", moment.replace("T", " ").replace("Z", " UTC"), datetime=moment), at=moment)
