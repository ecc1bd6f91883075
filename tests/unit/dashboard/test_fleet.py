"""What the pages of queues and workers are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.client.shown_fleet import QueueDescription, QueueSample, WorkerDescription, WorkerState
from orchestrator.dashboard.drawing.load import HOUR_MS, load_chart, rates_chart, spark
from orchestrator.dashboard.look.amounts import rate, size
from orchestrator.dashboard.look.paging import of_page, page_links, page_number
from orchestrator.dashboard.pages.queues import nobody, priorities
from orchestrator.dashboard.pages.worker_actions import offers
from orchestrator.engine.roots import rfc3339

NOW_MS = 1_700_000_000_000
QUEUE = QueueDescription("default", 3, {"9-7": 1, "6-4": 2, "3-1": 0}, 900, 0, 1.0, 0.5, ("w@h",), ("a.b@1.0.0",))
WORKER = WorkerDescription(
    name="w@h",
    state=WorkerState.ONLINE,
    host="h",
    pid=1,
    seen_at=rfc3339(NOW_MS),
    lost_since=None,
    started_at=None,
    pool="prefork",
    concurrency=2,
    queues=("default",),
    paused_queues=(),
    operations=(),
    processed=0,
    prefetched=0,
    active=(),
    leases=(),
    rss_bytes=None,
    cpu_percent=None,
    load=None,
    software="",
)


def sample(before_ms: int, waiting: int) -> QueueSample:
    """What waited so long before now."""
    return QueueSample(rfc3339(NOW_MS - before_ms), waiting, 1.0, 0.5)


def test_an_hour_is_as_wide_as_the_picture_whatever_is_known_of_it() -> None:
    """Half an hour ago stands in the middle; what is older than an hour is left out."""
    samples = [sample(HOUR_MS * 2, 9), sample(HOUR_MS // 2, 4), sample(HOUR_MS // 2 - 10_000, 0)]

    shown = load_chart("Waiting", samples, NOW_MS)

    assert '<polyline points="300.0,' in shown
    assert shown.count("<polyline") == 1


def test_no_line_is_drawn_where_nobody_took_samples() -> None:
    """A beat that was away leaves a gap, not a slope."""
    shown = spark([sample(900_000, 1), sample(890_000, 1), sample(20_000, 5), sample(10_000, 5)], NOW_MS)

    assert shown.count("<polyline") == 2


def test_small_pictures_have_a_point_a_minute() -> None:
    """The highest of it, so that no peak is lost and a list of queues stays small."""
    samples = [sample(HOUR_MS - number * 10_000, 80 if number == 100 else 1) for number in range(360)]

    shown = spark(samples, NOW_MS)

    assert ",4.0 " in shown
    assert len(shown) < 3_000
    assert len(load_chart("Waiting", samples, NOW_MS)) > 3 * len(shown)


def test_charts_say_in_words_what_they_show() -> None:
    """For whoever does not see them."""
    samples = [sample(20_000, 12), sample(10_000, 3)]

    assert "12 waited at most, 3 at last" in load_chart("Waiting", samples, NOW_MS)
    assert "1.0 came and 0.5 were taken at last" in rates_chart("Rates", samples, NOW_MS)
    assert "12 waited at most, 3 at last" in spark(samples, NOW_MS)
    assert spark([], NOW_MS) == '<span class="none">–</span>'


def test_priorities_in_which_nothing_waits_are_left_out() -> None:
    """A broker that does not tell shows a dash."""
    assert "9-7</span> 1" in str(priorities(QUEUE))
    assert "3-1" not in str(priorities(QUEUE))
    assert "does not tell" in str(priorities(replace(QUEUE, by_priority=None)))


def test_nobody_is_worse_where_somebody_sends() -> None:
    """Red and not only marked."""
    idle = replace(QUEUE, workers=(), workflows=(), waiting=0)

    assert "badge bad" in nobody(replace(QUEUE, workers=()))
    assert "badge held" in nobody(idle)


@pytest.mark.parametrize(
    ("state", "offered", "not_offered"),
    [
        (WorkerState.ONLINE, {"grow", "drain", "shutdown", "cancel"}, {"resume", "forget"}),
        (WorkerState.DRAINING, {"resume", "shutdown"}, {"drain", "add", "cancel", "forget"}),
        (WorkerState.STOPPING, {"inspect"}, {"shutdown", "drain", "forget"}),
        (WorkerState.LOST, {"forget"}, {"drain", "inspect", "shutdown"}),
    ],
)
def test_a_worker_is_told_what_its_state_allows(state: WorkerState, offered: set[str], not_offered: set[str]) -> None:
    """And nothing else is offered."""
    found = set(offers(replace(WORKER, state=state)))

    assert offered <= found
    assert not not_offered & found


@pytest.mark.parametrize("asked", ["", "0", "-1", "x", "9999999999999999999", "²"])
def test_a_page_that_is_no_page_is_the_first(asked: str) -> None:
    """Whatever stands in an address."""
    assert page_number({"page": asked}) == 1


def test_pages_have_all_rows_and_none_twice() -> None:
    """And a link each way where there is something."""
    rows = list(range(60))

    assert [*of_page(rows, 1, 25), *of_page(rows, 2, 25), *of_page(rows, 3, 25)] == rows
    assert "Page before" not in page_links(60, 1, 25, "queue", str)
    assert "Next page" not in page_links(60, 3, 25, "queue", str)
    assert "1 queue<" in page_links(1, 1, 25, "queue", str)


@pytest.mark.parametrize(
    ("count", "shown"), [(None, "–"), (500, "500 B"), (222_298_112, "212 MiB"), (3 << 30, "3.0 GiB")]
)
def test_bytes_are_told_in_units(count: int | None, shown: str) -> None:
    """Of 1,024."""
    assert size(count) == shown


@pytest.mark.parametrize(("per_s", "shown"), [(None, "–"), (0, "0"), (0.125, "0.12"), (4.26, "4.3"), (1234.5, "1,234")])
def test_rates_have_the_digits_that_matter(per_s: float | None, shown: str) -> None:
    """Few for many, two for few."""
    assert rate(per_s) == shown
