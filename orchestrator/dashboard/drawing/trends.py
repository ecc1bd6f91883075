"""Shares and times over hours, as lines with steps: an hour in which nothing was measured leaves a gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from orchestrator.client.measures import Hour
from orchestrator.dashboard.drawing.hours import BARS
from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.look.times import in_words, moment

_WIDTH, _HEIGHT = 600, 88
_MARGIN: Final = 4
_POINTED_AT: Final = 200
"""Up to so many places say what they are when they are pointed at."""
_FLOORS: Final = (0.99, 0.9, 0.5)
"""Where a scale of shares may begin, if none is below: what is close to all of it can still be told apart."""
_QUANTILES: Final[tuple[tuple[str, Callable[[Hour], float | None]], ...]] = (
    ("p50", lambda hour: hour.p50_ms),
    ("p95", lambda hour: hour.p95_ms),
    ("p99", lambda hour: hour.p99_ms),
)

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the lowest and the highest place of a chart stand for."""

    low: float
    high: float
    low_word: str
    high_word: str

    def y(self, value: float) -> float:
        """Where a value is, from the top."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)


def draw_share(hours: Sequence[Hour], good: Callable[[Hour], int], bad: Callable[[Hour], int], what: str) -> Markup:
    """What share was good, of what was good or bad; several hours in one step, if there are many."""
    size = -(-len(hours) // BARS)
    groups = [hours[first : first + size] for first in range(0, len(hours), size)]
    values = [_share(sum(map(good, group)), sum(map(bad, group))) for group in groups]
    known = [value for value in values if value is not None]
    low = next((floor for floor in _FLOORS if known and min(known) >= floor), 0.0)
    scale = _Scale(low, 1.0, f"{low:.0%}".replace("%", " %"), "100 %")
    said = [f"{what} {value:.1%}".replace("%", " %") if value is not None else "none" for value in values]
    lowest = f"lowest {min(known):.1%}".replace("%", " %") if known else "nothing measured"
    return _chart([("rate", values)], scale, [group[0].at for group in groups], said, f"{what}: {lowest}")


def draw_times(hours: Sequence[Hour]) -> Markup:
    """The quantiles of how long runs took; each is a line of its own kind."""
    lines = [(name, [value(hour) for hour in hours]) for name, value in _QUANTILES]
    most = max((value for _, values in lines for value in values if value is not None), default=0.0)
    said = [
        ", ".join(f"{name} {in_words(values[place] or 0)}" for name, values in lines)
        if hour.p50_ms is not None
        else "none"
        for place, hour in enumerate(hours)
    ]
    scale = _Scale(0.0, most or 1.0, "0", in_words(most))
    return _chart(
        lines, scale, [hour.at for hour in hours], said, f"How long runs took: at most {in_words(most)} (p99)"
    )


def _chart(
    lines: Sequence[tuple[str, Values]], scale: _Scale, moments: Sequence[str], said: Sequence[str], title: str
) -> Markup:
    shapes = [tag("path", d=_path(values, scale), class_=f"trend {name}") for name, values in lines]
    if len(said) <= _POINTED_AT:
        width = _WIDTH / len(said)
        shapes += [
            tag(
                "rect",
                tag("title", f"{at.replace('T', ' ')[:16]} UTC: {words}"),
                x=f"{width * place:.2f}",
                width=f"{width:.2f}",
                y=0,
                height=_HEIGHT,
                class_="hit",
            )
            for place, (at, words) in enumerate(zip(moments, said, strict=True))
        ]
    picture = tag(
        "svg",
        *shapes,
        class_="trends",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        height=_HEIGHT,
        role="img",
        aria_label=title,
    )
    measured = any(value is not None for _, values in lines for value in values)
    words = (tag("span", scale.high_word), tag("span", scale.low_word)) if measured else ()
    marks = tag("span", *words, class_="marks", aria_hidden="true")
    axis = tag("span", moment(moments[0]), moment(moments[-1]), class_="axis")
    return joined([tag("div", picture, marks, class_="plotted"), axis])


def _path(values: Values, scale: _Scale) -> str:
    """A level stretch for each value, joined to the one before if there is one."""
    width, parts, before = _WIDTH / len(values), [], False
    for place, value in enumerate(values):
        if value is None:
            before = False
            continue
        y, x = scale.y(value), width * place
        parts.append(f"V{y:.1f}H{x + width:.1f}" if before else f"M{x:.1f} {y:.1f}H{x + width:.1f}")
        before = True
    return "".join(parts)


def _share(good: int, bad: int) -> float | None:
    return good / (good + bad) if good + bad else None
