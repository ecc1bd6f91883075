"""Runs are found by what they are, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.client import search as searching
from orchestrator.client.publishing import publish
from orchestrator.client.surface_words import Moment
from orchestrator.engine import fields
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.indexes import PAUSED_RUNS
from orchestrator.errors import InvalidRequest
from orchestrator.spec.workflow import define_workflow
from tests.unit.surroundings import WORKFLOW, Surroundings

STEP_MS = 1_000


@pytest.fixture
def around() -> Surroundings:
    """A workflow whose runs can be found by customer and amount, in two versions."""
    around = Surroundings()
    for version in ("1.0.0", "1.1.0"):
        meta = {"key": WORKFLOW, "version": version, "tags": ["paid", f"v{version}"]}
        spec = define_workflow(
            meta=meta,
            steps=[{"id": "a", "operation": "do.write"}],
            search={"customer": "input.customer", "amount": "input.amount"},
        )
        publish(around.registry, spec, operations=around.operations)
    return around


def start(around: Surroundings, run_id: str, customer: str = "ada", amount: float = 1, **options: Any) -> None:
    """Start a run, a second after the one before."""
    around.clock.move(STEP_MS)
    around.start(run_id=run_id, input={"customer": customer, "amount": amount}, **options)


def found(around: Surroundings, **which: Any) -> list[str]:
    """The runs of the first page."""
    return [run.run_id for run in around.client.search(**which).runs]


def pages(around: Surroundings, **which: Any) -> Iterator[list[str]]:
    """All pages."""
    cursor = None
    while True:
        page = around.client.search(**which, cursor=cursor)
        yield [run.run_id for run in page.runs]
        cursor = page.cursor
        if cursor is None:
            return


def test_all_of_a_query_must_hold(around: Surroundings) -> None:
    """Workflow, version, status, tags and search fields, alone and together."""
    start(around, "a", "ada", 1, version="1.0.0")
    start(around, "b", "ada", 2)
    start(around, "c", "bob", 2)
    around.work(around.client.get("b"), "a")

    assert found(around) == found(around, workflow=WORKFLOW) == found(around, tags=["paid"]) == ["c", "b", "a"]
    assert found(around, version="1.1.0") == found(around, tags=["paid", "v1.1.0"]) == ["c", "b"]
    assert found(around, where={"customer": "ada"}) == ["b", "a"]
    assert found(around, where={"customer": "ada", "amount": 2}) == ["b"]
    assert found(around, where={"amount": 2}, workflow=WORKFLOW, status="running") == ["c"]
    assert found(around, workflow=WORKFLOW, status="completed") == ["b"]
    assert found(around, workflow="no.such") == found(around, where={"customer": "eve"}) == []


@pytest.mark.parametrize("amount", [5, 5.0, "5"])
def test_a_number_is_found_however_it_is_written(around: Surroundings, amount: Any) -> None:
    """As a command line gives it, and as an input may hold it."""
    start(around, "a", amount=5.0)

    assert found(around, where={"amount": amount}) == ["a"]


def test_since_and_until_bound_the_start(around: Surroundings) -> None:
    """Both bounds belong to it; a duration is how long ago."""
    for run_id in "abcd":
        start(around, run_id)
    starts = {run.run_id: run.created_at for run in around.client.search().runs}
    around.clock.move(500)

    assert found(around, since=starts["b"], until=starts["c"]) == ["c", "b"]
    assert found(around, since=timedelta(milliseconds=STEP_MS + 500)) == ["d", "c"]
    assert found(around, since="600ms", workflow=WORKFLOW) == ["d"]
    assert found(around, until="2s") == ["b", "a"]


@pytest.mark.parametrize(
    "moment", ["2023-11-14T22:13:21Z", "2023-11-14T22:13:21", datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)]
)
def test_a_moment_without_an_offset_is_in_utc(around: Surroundings, moment: Moment) -> None:
    """As moments are shown."""
    start(around, "a")
    start(around, "b")

    assert found(around, until=moment) == ["a"]


def test_pages_go_on_where_the_one_before_ended(around: Surroundings) -> None:
    """Each run once, newest first, whatever starts meanwhile; the last page has no cursor."""
    for number in range(7):
        start(around, f"run-{number}")
    pager = pages(around, limit=3, workflow=WORKFLOW)

    first = next(pager)
    start(around, "later")
    rest = list(pager)

    assert [first, *rest] == [["run-6", "run-5", "run-4"], ["run-3", "run-2", "run-1"], ["run-0"]]


def test_a_full_last_page_has_no_cursor(around: Surroundings) -> None:
    """Nobody is sent to an empty page."""
    for run_id in "ab":
        start(around, run_id)

    assert [len(page) for page in pages(around, limit=2)] == [2]


def test_runs_of_one_millisecond_are_paged_through(around: Surroundings) -> None:
    """Their ids decide."""
    runs = [around.start().run_id for _ in range(9)]

    assert [run for page in pages(around, limit=2) for run in page] == sorted(runs, reverse=True)


def test_a_page_looks_at_so_many_runs_and_no_more(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be short or empty, and its cursor goes on."""
    monkeypatch.setattr(searching, "LOOKED_AT", 4)
    monkeypatch.setattr(searching, "BATCH", 2)
    start(around, "wanted", version="1.0.0")
    for number in range(10):
        start(around, f"other-{number}")

    found_in_pages = list(pages(around, version="1.0.0", limit=5))

    assert found_in_pages == [[], [], ["wanted"]]


def test_the_smallest_index_is_read(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What few runs are in decides what a page costs."""
    for number in range(5):
        start(around, f"run-{number}", f"customer-{number}")
    names: list[str] = []
    newest = around.store.newest

    def noting(name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        names.append(name)
        return newest(name, before, limit)

    monkeypatch.setattr(around.store, "newest", noting)

    assert found(around, workflow=WORKFLOW, tags=["paid"], where={"customer": "customer-3"}) == ["run-3"]

    assert set(names) == {"value:customer=customer-3"}


def test_a_paused_run_is_found_as_paused(around: Surroundings) -> None:
    """As it is shown, and so not as running; with its flag still set it is over when it is over."""
    start(around, "goes-on")
    start(around, "rests")
    pause = Changes(set={fields.PAUSED: "1"}, index={PAUSED_RUNS: True})
    around.store.apply(Commit("rests", "1", (Stage({}, pause),)))

    assert found(around, status="paused") == found(around, status="paused", workflow=WORKFLOW) == ["rests"]
    assert found(around, status="running") == ["goes-on"]
    assert around.client.search(status="paused").runs[0].status == "paused"


def test_a_run_that_is_deleted_meanwhile_is_left_out(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index read a moment ago may name it."""
    start(around, "a")
    newest, deleted = around.store.newest, (around.clock() + 1, "deleted")
    monkeypatch.setattr(around.store, "newest", lambda _, at, size: ([] if at else [deleted]) + newest(_, at, size))

    assert found(around, limit=2) == ["a"]


@pytest.mark.parametrize(
    ("which", "named"),
    [
        ({"status": "sleeping"}, "'sleeping'"),
        ({"since": "soon"}, "since: 'soon'"),
        ({"where": {"customer": None}}, "None"),
        ({"limit": 0}, "0"),
        ({"limit": 1_001}, "1001"),
        ({"cursor": "!"}, "'!'"),
        ({"cursor": "eyJ9"}, "'eyJ9'"),
        ({"cursor": "WzFd"}, "'WzFd'"),
    ],
)
def test_what_cannot_be_asked_is_refused(around: Surroundings, which: dict[str, Any], named: str) -> None:
    """With what was wrong."""
    with pytest.raises(InvalidRequest, match=named):
        around.client.search(**which)


def test_runs_are_found_by_how_they_do_by_their_sla(around: Surroundings) -> None:
    """Those that have one; alone, and with the rest of a query."""
    meta, steps = {"key": "test.measured", "version": "1.0.0"}, [{"id": "a", "operation": "do.write"}]
    measured = define_workflow(meta=meta, steps=steps, sla={"max_duration": "1h"})
    publish(around.registry, measured, operations=around.operations)
    start(around, "without")
    done = around.client.start("test.measured", run_id="done")
    around.client.start("test.measured", run_id="going")
    around.work(done, "a")

    assert [found(around, sla=sla) for sla in ("met", "ok", "breached")] == [["done"], ["going"], []]
    assert found(around, sla="met", workflow="test.measured", status="completed") == ["done"]
    assert found(around, sla="met", workflow=WORKFLOW) == found(around, sla="ok", status="failed") == []
    assert {run.run_id: run.sla for run in around.client.search().runs} == {
        "going": "ok",
        "done": "met",
        "without": None,
    }
    with pytest.raises(InvalidRequest, match="no SLA is 'late'"):
        around.client.search(sla="late")


class Reads:
    """The store, and how many runs and fields were read of it at a time; `meanwhile` happens before the third read."""

    def __init__(self, around: Surroundings, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._store = around.client.store
        self._meanwhile = meanwhile
        self.sizes: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read_many(self, run_ids: Sequence[str], wanted: Sequence[str]) -> list[dict[str, str | None]]:
        """As the store does."""
        if len(self.sizes) == len(("whole", "apart")):
            self._meanwhile()
        self.sizes.append((len(run_ids), len(wanted)))
        return self._store.read_many(run_ids, wanted)


def test_where_little_matches_only_that_is_read_as_a_whole(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first runs everything is read at once; of those behind them what tells them apart."""
    monkeypatch.setattr(searching, "BATCH", 10)
    for name in ("needle-1", *(f"hay-{n}" for n in range(12))):
        start(around, name)
    reads = Reads(around)

    seen = searching.look(reads, searching.Query(text="needle"), around.clock.now_ms, limit=2)

    assert [run.run_id for _, run in seen.runs] == ["needle-1"]
    whole, apart = len(searching._FIELDS), len(searching._APART)
    assert reads.sizes[1:] == [(3, whole), (10, apart), (1, whole)]


def test_a_run_that_changes_between_two_reads_is_judged_by_the_second(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page never shows a run as something that was not asked for."""
    monkeypatch.setattr(searching, "BATCH", 10)
    start(around, "old", version="1.0.0")
    for number in range(3):
        start(around, f"new-{number}")
    query = searching.Query(version="1.0.0", status="running")

    reads = Reads(around, lambda: around.work(around.client.get("old"), "a"))
    seen = searching.look(reads, query, around.clock.now_ms, limit=1)

    assert len(reads.sizes) == len(("whole", "apart", "whole"))
    assert seen.runs == ()
