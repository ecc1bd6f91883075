"""A run's time as a chart: a row a step, attempts and waits as bars; text stays text, so it reads and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from orchestrator.dashboard.drawing.spans import Span
from orchestrator.dashboard.look.markup import tag
from orchestrator.dashboard.look.status import tone
from orchestrator.dashboard.look.times import in_words
from orchestrator.engine.address import is_undo, undone_by

ROWS: Final = 40
_THINNEST: Final = 0.35
"""Percent of the width: what is shorter is still to be seen."""
_TICKS: Final = 4


def draw_gantt(spans: Mapping[str, Sequence[Span]], start_ms: int, now_ms: int) -> Markup:
    """The chart from the run's start until now, or its end."""
    whole = max(1, now_ms - start_ms)
    shown = [*spans.items()][:ROWS]
    rows = [_row(step, of_step, start_ms, now_ms, whole) for step, of_step in shown]
    left = len(spans) - len(shown)
    head = tag(
        "tr",
        tag("th", "Step", scope="col"),
        tag("th", _axis(whole), scope="col", class_="chart"),
        tag("th", "Took", scope="col", class_="number"),
    )
    more = left > 0 and tag("p", f"{left} more steps are in the list below.", class_="hint")
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="gantt")
    return tag(
        "div", tag("div", table, class_="scroller", role="region", tabindex=0, aria_label="Timeline"), more or None
    )


def _row(step: str, spans: Sequence[Span], start_ms: int, now_ms: int, whole: int) -> Markup:
    bars = [_bar(one, start_ms, now_ms, whole) for one in spans]
    lasted = (spans[-1].end_ms or now_ms) - spans[0].start_ms
    name = tag("span", "undo ", tag("span", undone_by(step), class_="mono")) if is_undo(step) else None
    chart = tag("svg", *bars, class_="bars", width="100%", height=18, role="img", aria_label=_said(spans))
    return tag(
        "tr",
        tag("th", name or tag("span", step, class_="mono"), scope="row"),
        tag("td", chart, class_="chart"),
        tag("td", in_words(lasted), class_="number"),
    )


def _bar(span: Span, start_ms: int, now_ms: int, whole: int) -> Markup:
    x = 100 * (span.start_ms - start_ms) / whole
    width = max(_THINNEST, 100 * ((span.end_ms or now_ms) - span.start_ms) / whole)
    thin = span.kind in ("queue", "wait", "inside")
    undone = span.kind == "undo" and span.outcome == "completed"
    return tag(
        "rect",
        tag("title", _word(span)),
        x=f"{min(x, 100 - _THINNEST):.3f}%",
        width=f"{width:.3f}%",
        y=6 if thin else 2,
        height=6 if thin else 14,
        rx=2,
        class_=f"bar {span.kind} {tone('undone' if undone else span.outcome)}",
    )


def _word(span: Span) -> str:
    lasted = "" if span.end_ms is None else f" after {in_words(span.end_ms - span.start_ms)}"
    what = f"attempt {span.attempt}" if span.kind == "attempt" else span.kind
    return f"{what}: {span.outcome}{lasted}{f', {span.why}' if span.why else ''}"


def _said(spans: Sequence[Span]) -> str:
    return "; ".join(_word(one) for one in spans[:10])


def _axis(whole: int) -> Markup:
    ticks = [tag("span", in_words(whole * place / _TICKS) if place else "0") for place in range(_TICKS + 1)]
    return tag("span", *ticks, class_="axis")
