"""The figures of the overview: tiles with charts, what is under way, queues, and workflows side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from markupsafe import Markup

from orchestrator.client.measures import Measures, OverallStats
from orchestrator.client.search import PAUSED
from orchestrator.client.shown_fleet import Queues
from orchestrator.dashboard.drawing.hours import draw_hours
from orchestrator.dashboard.drawing.trends import draw_share, draw_times
from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.status import badge, sign
from orchestrator.dashboard.look.table import Column, static_table
from orchestrator.dashboard.look.times import in_words, lasted
from orchestrator.dashboard.pages.needs import QUEUES
from orchestrator.dashboard.pages.run_filters import Filters
from orchestrator.dashboard.pages.spans import percent
from orchestrator.dashboard.paths import queue_path, workflow_path
from orchestrator.engine.state import RunStatus

MOST: Final = 12
"""Queues and workflows: the busiest; pages of their own have all."""
WORKFLOWS: Final = "/workflows"
_FEW: Final = 10
"""Below, what is behind the point is told."""
_QUEUE_COLUMNS: Final = (
    Column("Queue", "main"),
    Column("Waiting", "number"),
    Column("Oldest", "number"),
    Column("Out /s", "number wide"),
    Column("Consumers", "number"),
)
_WORKFLOW_COLUMNS: Final = (
    Column("Workflow", "main"),
    Column("Started", "number"),
    Column("Failed", "number"),
    Column("Success", "number"),
    Column("p50", "number wide"),
    Column("p95", "number"),
    Column("p99", "number wide"),
    Column("Undone", "number wide"),
    Column("SLA met", "number wide"),
)
_LIVE: Final = (RunStatus.RUNNING.value, RunStatus.COMPENSATING.value, PAUSED, RunStatus.PENDING.value)


def figures(stats: OverallStats) -> Markup:
    """Four tiles: how many, how well, how fast, how punctual."""
    total, hours = stats.total, stats.hours
    per_hour = total.started / len(hours)
    many = f"{per_hour:,.0f}" if not 0 < per_hour < _FEW else f"{per_hour:.1f}"
    ended = f"{total.completed:,} of {total.completed + total.failed:,}"
    met = f"{total.sla_met:,} met, {total.sla_breached:,} breached"
    judged = total.sla_met + total.sla_breached
    took = total.duration
    quantiles = took and joined(
        [_key(name, in_words(ms)) for name, ms in (("p50", took.p50_ms), ("p95", took.p95_ms), ("p99", took.p99_ms))]
    )
    return joined(
        [
            _tile("Runs started", f"{total.started:,}", f"{many} an hour", draw_hours(hours)),
            _tile(
                "Success rate",
                percent(total.success_rate),
                ended if total.completed + total.failed else "no run completed or failed",
                draw_share(hours, lambda one: one.completed, lambda one: one.failed, "Success rate"),
            ),
            _tile(
                "How long runs took",
                in_words(took.p50_ms) if took else "–",
                "half of them, at most" if took else "nothing was measured",
                draw_times(hours),
                tag("p", quantiles, class_="keys") if quantiles else None,
            ),
            _tile(
                "SLA met",
                percent(total.sla_compliance),
                met if judged else "no run had one to keep",
                draw_share(hours, lambda one: one.sla_met, lambda one: one.sla_breached, "SLA met"),
            ),
        ]
    )


def live_runs(live: Mapping[str, int]) -> Markup:
    """How many are under way, by status; each leads to the list of them."""
    items = [
        tag(
            "li",
            tag(
                "a", badge(status), tag("b", f"{live[status]:,}", class_="number"), href=Filters(status=status).address
            ),
        )
        for status in _LIVE
        if status in live
    ]
    return tag("ul", *items, class_="counts")


def queues_table(found: Queues, pages: Collection[str]) -> Markup:
    """The fullest ones."""
    busiest = sorted(found.queues, key=lambda one: (-one.waiting, one.name))[:MOST]
    if not busiest:
        return tag("p", "No version in use sends to any queue, and no worker takes from one.", class_="hint")
    rows = [
        (
            tag("a", one.name, href=queue_path(one.name)) if QUEUES in pages else tag("span", one.name),
            f"{one.waiting:,}",
            lasted(one.oldest_ms if one.waiting else None),
            "–" if one.out_per_s is None else f"{one.out_per_s:,.1f}",
            _consumers(len(one.workers), one.waiting),
        )
        for one in busiest
    ]
    more = len(found.queues) - len(busiest)
    left = tag("p", f"{more} further queues wait for less.", class_="hint") if more else None
    return joined([static_table("The fullest queues", _QUEUE_COLUMNS, rows), left])


def workflows_table(stats: OverallStats, pages: Collection[str], span: str) -> Markup:
    """Those that started most."""
    busiest = sorted(stats.workflows.items(), key=lambda one: (-one[1].started, one[0]))[:MOST]
    if not busiest:
        return tag("p", "No run was started or ended in this time.", class_="hint")
    rows = [(_named(key, pages, span), *_cells(did)) for key, did in busiest]
    more = len(stats.workflows) - len(busiest)
    left = tag("p", f"{more} further workflows started less.", class_="hint") if more else None
    return joined([static_table("Figures of workflows", _WORKFLOW_COLUMNS, rows), left])


def _cells(did: Measures) -> tuple[Child, ...]:
    times = did.duration
    return (
        f"{did.started:,}",
        f"{did.failed:,}",
        percent(did.success_rate),
        *((in_words(times.p50_ms), in_words(times.p95_ms), in_words(times.p99_ms)) if times else ("–", "–", "–")),
        f"{did.compensated + did.compensation_failed:,}",
        percent(did.sla_compliance),
    )


def _named(key: str, pages: Collection[str], span: str) -> Markup:
    address = workflow_path(key) if WORKFLOWS in pages else Filters(workflow=key, since=span).address
    return tag("a", key, href=address)


def _consumers(count: int, waiting: int) -> Child:
    if count:
        return f"{count:,}"
    return joined([sign("warn"), " none"]) if waiting else "none"


def _tile(title: str, value: str, said: str, chart: Markup, keys: Markup | None = None) -> Markup:
    head = tag(
        "div",
        tag("h3", title),
        tag("p", tag("b", value, class_="nothing" if value == "–" else None), " ", tag("span", said, class_="hint")),
        class_="told",
    )
    figure = chart if chart.startswith("<figure") else tag("div", chart, keys, class_="chart-box")
    return tag("div", head, figure, class_="tile")


def _key(name: str, value: str) -> Markup:
    return tag("span", tag("i", class_=f"line-key {name}", aria_hidden="true"), f"{name} {value}", class_="key")
