"""How a workflow did in a span of time: hour by hour, by step, and its versions side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from markupsafe import Markup

from orchestrator.client.measures import Measures, Spread, StepMeasures, WorkflowStats
from orchestrator.dashboard.drawing.hours import draw_hours
from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.times import in_words
from orchestrator.dashboard.pages.spans import percent
from orchestrator.plan.graph import Node, Plan
from orchestrator.spec.versions import parse_version

MOST: Final = 6
"""Versions side by side; more do not fit."""
MOST_STEPS: Final = 200

_MEASURES: Final[Mapping[str, Callable[[Measures], Child]]] = {
    "Runs started": lambda one: f"{one.started:,}",
    "Completed": lambda one: f"{one.completed:,}",
    "Failed": lambda one: f"{one.failed:,}",
    "Cancelled": lambda one: f"{one.cancelled:,}",
    "Success": lambda one: percent(one.success_rate),
    "Took p50": lambda one: _at(one.duration, "p50"),
    "Took p95": lambda one: _at(one.duration, "p95"),
    "Took p99": lambda one: _at(one.duration, "p99"),
    "Waited for workers, p95": lambda one: _at(one.queue_wait, "p95"),
    "Attempts made again": lambda one: _with_share(one.retries, one.retry_rate),
    "Workers lost": lambda one: f"{one.lost_attempts:,}",
    "Late results": lambda one: f"{one.late:,}",
    "Runs undone": lambda one: _with_share(one.compensated + one.compensation_failed, one.compensation_rate),
    "Undos that failed": lambda one: f"{one.undo_failed:,}",
    "SLA met": lambda one: percent(one.sla_compliance),
}
_STEP_HEADS: Final = (
    ("Step", ""),
    ("Attempts", "number"),
    ("Failed", "number"),
    ("Success", "number"),
    ("Made again", "number wide"),
    ("p50", "number wide"),
    ("p95", "number"),
    ("Waited p95", "number wide"),
    ("SLA met", "number wide"),
    ("Undone", "number wide"),
)


def hours_chart(stats: WorkflowStats) -> Markup:
    """Runs that ended, hour by hour."""
    total = stats.total
    if not (total.started or total.completed or total.failed or total.cancelled):
        return tag("p", "No run was started or ended in this time.", class_="hint")
    return joined([tag("h3", "Runs that ended"), draw_hours(stats.hours)])


def steps_table(plan: Plan, stats: WorkflowStats) -> Markup:
    """Each step of the version that is shown, with what all versions' steps of that name did."""
    known = {one.step: one for one in stats.steps}
    nodes = [*plan.nodes.values()]
    if len(nodes) > MOST_STEPS:
        nodes.sort(key=lambda node: -(known[node.id].failed + 1 if node.id in known else 0))
    rows = [_step(node, known.get(node.id)) for node in nodes[:MOST_STEPS]]
    head = tag("tr", *(tag("th", word, scope="col", class_=class_ or None) for word, class_ in _STEP_HEADS))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="figures")
    framed = tag("div", table, class_="scroller", role="region", tabindex=0, aria_label="Steps")
    cut = f" {MOST_STEPS} of {len(nodes):,} steps, those that failed first." if len(nodes) > MOST_STEPS else ""
    said = tag("p", f"Of all versions; visits, items and attempts each by themselves.{cut}", class_="hint")
    return joined([tag("h3", "Steps"), said, framed])


def side_by_side(stats: WorkflowStats) -> Markup:
    """A column for each version that did something, the newest first, and one for all of them."""
    versions = sorted(stats.versions, key=lambda one: parse_version(one.version or "0.0.0"), reverse=True)[:MOST]
    if not versions:
        return joined([])
    columns = [*versions, *([stats.total] if len(stats.versions) > 1 else [])]
    head = tag("tr", tag("td", ""), *(tag("th", one.version or "all", scope="col", class_="number") for one in columns))
    rows = [
        tag("tr", tag("th", name, scope="row"), *(tag("td", shown(one), class_="number") for one in columns))
        for name, shown in _MEASURES.items()
    ]
    left = len(stats.versions) - len(versions)
    more = tag("p", f"{left} older versions did something, too.", class_="hint") if left else None
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="beside")
    framed = tag("div", table, class_="scroller", role="region", tabindex=0, aria_label="Versions side by side")
    return joined([tag("h3", "Versions side by side"), framed, more])


def _step(node: Node, did: StepMeasures | None) -> Markup:
    kind = node.work.operation if node.work else node.kind.value
    name = joined([tag("span", node.id, class_="mono"), tag("span", node.title or kind, class_="under")])
    cells: Sequence[Child] = ("–",) * (len(_STEP_HEADS) - 1)
    if did is not None:
        cells = (
            f"{did.started:,}",
            f"{did.failed:,}",
            percent(did.success_rate),
            _with_share(did.retries, did.retry_rate),
            _at(did.duration, "p50"),
            _at(did.duration, "p95"),
            _at(did.queue_wait, "p95"),
            percent(did.sla_compliance),
            f"{did.undone:,}",
        )
    classes = (class_ for _, class_ in _STEP_HEADS[1:])
    shown = [tag("td", cell, class_=class_) for class_, cell in zip(classes, cells, strict=True)]
    return tag("tr", tag("th", name, scope="row"), *shown, id=f"step-{node.id}")


def _at(spread: Spread | None, quantile: str) -> str:
    if spread is None:
        return "–"
    return in_words({"p50": spread.p50_ms, "p95": spread.p95_ms, "p99": spread.p99_ms}[quantile])


def _with_share(count: int, share: float | None) -> Child:
    if not count or share is None:
        return f"{count:,}"
    return joined([f"{count:,} ", tag("span", percent(share), class_="hint")])
