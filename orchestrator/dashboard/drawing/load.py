"""A queue's last hour: a small picture for the list, and charts with scales for its own page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from markupsafe import Markup

from orchestrator.client.shown_fleet import QueueSample
from orchestrator.dashboard.look.amounts import rate
from orchestrator.dashboard.look.markup import NOTHING, tag

HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
GAP_MS: Final = 45_000
"""Samples are ten seconds apart; over a longer gap nobody took any, and no line is drawn."""
_WIDTH, _HEIGHT = 600, 100
_TICKS: Final = ("1 h ago", "45 min", "30 min", "15 min", "now")
_MARGIN: Final = 4

Point = tuple[int, float]
"""Milliseconds since the epoch, and how much."""


def spark(samples: Sequence[QueueSample], now_ms: int) -> Markup:
    """What waited, as a small picture with its words; a dash while nothing is known."""
    points = _points(samples, lambda one: one.waiting)
    if not points:
        return tag("span", "–", class_="none")
    most = max(value for _, value in points)
    said = f"In the last hour {most:,.0f} waited at most, {points[-1][1]:,.0f} at last"
    return _svg([_area(points, now_ms, most or 1, every_ms=_MINUTE_MS)], "spark", said)


def load_chart(title: str, samples: Sequence[QueueSample], now_ms: int) -> Markup:
    """What waited."""
    points = _points(samples, lambda one: one.waiting)
    most = max((value for _, value in points), default=0)
    last = f"{points[-1][1]:,.0f}" if points else "–"
    said = f"{most:,.0f} waited at most, {last} at last"
    return _figure(
        title, [_area(points, now_ms, most or 1)], f"{most or 1:,.0f}", said, (("going", f"waiting: {last}"),)
    )


def rates_chart(title: str, samples: Sequence[QueueSample], now_ms: int) -> Markup:
    """What came, and what was taken, a second."""
    came = _points(samples, lambda one: one.in_per_s)
    went = _points(samples, lambda one: one.out_per_s)
    most = max((value for _, value in (*came, *went)), default=0.0)
    lines = [_line(came, now_ms, most or 1, "came"), _line(went, now_ms, most or 1, "went")]
    total = (rate(came[-1][1] if came else None), rate(went[-1][1] if went else None))
    said = f"At most {rate(most)} a second; {total[0]} came and {total[1]} were taken at last"
    keys = (("held", f"came: {total[0]} /s (dashed)"), ("good", f"taken: {total[1]} /s"))
    return _figure(title, lines, f"{rate(most or 1)} /s", said, keys)


def _points(samples: Sequence[QueueSample], value: Callable[[QueueSample], float | None]) -> list[Point]:
    found = ((one.at, value(one)) for one in samples)
    return [(_ms(at), amount) for at, amount in found if amount is not None]


def _ms(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)


def _figure(title: str, shapes: Sequence[Markup], most: str, said: str, keys: Sequence[tuple[str, str]]) -> Markup:
    scale = tag("span", tag("span", most), tag("span", "0"), class_="scale", aria_hidden="true")
    axis = tag("span", *(tag("span", word) for word in _TICKS), class_="axis", aria_hidden="true")
    legend = [
        tag("span", tag("i", class_=f"dot {tone}", aria_hidden="true"), f" {word}", class_="key") for tone, word in keys
    ]
    plot = tag("div", scale, _svg(shapes, "load", f"{title}. {said}"), class_="plot")
    return tag("figure", tag("h3", title), plot, axis, tag("figcaption", *legend), class_="chart-box")


def _svg(shapes: Sequence[Markup], class_: str, said: str) -> Markup:
    return tag(
        "svg",
        tag("title", said),
        *shapes,
        class_=class_,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=said,
    )


def _area(points: Sequence[Point], now_ms: int, most: float, every_ms: int = 1) -> Markup:
    """A line, and what is below it; of each `every_ms` the highest point."""
    shapes = []
    for part in (_highest(one, every_ms) for one in _parts(points, now_ms)):
        placed = _placed(part, now_ms, most)
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        below = f"{placed[0][0]:.1f},{_HEIGHT} {line} {placed[-1][0]:.1f},{_HEIGHT}"
        shapes += [tag("polygon", points=below, class_="area"), tag("polyline", points=line, class_="line waiting")]
    return tag("g", *shapes) if shapes else NOTHING


def _line(points: Sequence[Point], now_ms: int, most: float, class_: str) -> Markup:
    lines = [" ".join(f"{x:.1f},{y:.1f}" for x, y in _placed(part, now_ms, most)) for part in _parts(points, now_ms)]
    return tag("g", *(tag("polyline", points=line, class_=f"line {class_}") for line in lines))


def _parts(points: Sequence[Point], now_ms: int) -> list[list[Point]]:
    """The points of the last hour, parted where nobody looked."""
    parts: list[list[Point]] = []
    for point in points:
        if point[0] < now_ms - HOUR_MS:
            continue
        if parts and point[0] - parts[-1][-1][0] <= GAP_MS:
            parts[-1].append(point)
        else:
            parts.append([point])
    return parts


def _highest(points: Sequence[Point], every_ms: int) -> list[Point]:
    found: dict[int, Point] = {}
    for at_ms, value in points:
        first, most = found.get(at_ms // every_ms, (at_ms, value))
        found[at_ms // every_ms] = first, max(most, value)
    return list(found.values())


def _placed(points: Sequence[Point], now_ms: int, most: float) -> list[tuple[float, float]]:
    room = _HEIGHT - _MARGIN - 1
    placed = [
        (
            min(_WIDTH, _WIDTH * (1 - (now_ms - at_ms) / HOUR_MS)),
            _HEIGHT - 1 - room * value / most,
        )
        for at_ms, value in points
    ]
    if len(placed) == 1:  # one alone would not be seen
        ((x, y),) = placed
        return [(max(0.0, x - 2), y), (x, y)]
    return placed
