"""What is counted of runs, and what clients, commands and Prometheus make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator import OperationError
from orchestrator.cli import measured
from orchestrator.cli.app import app
from orchestrator.client.measures import WorkflowStats
from orchestrator.errors import InvalidRequest, UnknownWorkflow
from orchestrator.monitor.following import Following
from orchestrator.monitor.metrics import MetricsReader, Origin, fold
from orchestrator.store.metrics import EVER, HOUR_MS
from orchestrator.store.port import FeedEntry
from orchestrator.store.sketches import bucket_of
from tests.recount import check_sums
from tests.unit.surroundings import WORKFLOW, Surroundings

HOUR = 1_700_000_000_000 // HOUR_MS * HOUR_MS


def told(*events: dict[str, Any], run_id: str = "r", at_ms: int = HOUR + 5_000) -> dict[str, int]:
    """What events of a run that began four seconds before add to the hour's sums of its workflow."""
    entries = [FeedEntry(f"{at_ms}-{number}", at_ms, run_id, event) for number, event in enumerate(events)]
    sums = fold(entries, {"r": Origin("w", "1.0.0", HOUR + 1_000)})
    return dict(sums.get(("w", HOUR), {}))


def test_a_run_that_completes_is_counted_with_its_time() -> None:
    """In ms: a bucket of the distribution, and in µs what they add up to."""
    assert told({"type": "run_completed"}) == {
        "1.0.0||completed": 1,
        f"1.0.0||duration|{bucket_of(4_000)}": 1,
        "1.0.0||duration|sum": 4_000_000,
    }


def test_a_run_that_stops_is_counted_once_however_its_undo_goes() -> None:
    """It is failed when it stops; that it is undone, and undone again by hand, is counted apart."""
    sums = told(
        {"type": "run_stopping", "reason": "failed"},
        {"type": "run_failed", "compensation": "failed"},
        {"type": "run_failed", "compensation": "completed"},
    )

    assert {name: number for name, number in sums.items() if "duration" not in name} == {
        "1.0.0||failed": 1,
        "1.0.0||compensation_failed": 1,
        "1.0.0||compensated": 1,
    }


def test_a_child_that_is_undone_does_not_complete_a_second_time() -> None:
    """Its end says how the undo went."""
    assert told({"type": "run_completed", "compensation": "completed"}) == {"1.0.0||compensated": 1}


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        ({"type": "attempt_failed", "step": "a#2"}, "1.0.0|a|retries"),
        ({"type": "step_failed", "step": "m[3]/a"}, "1.0.0|a|failed"),
        ({"type": "step_failed", "step": "a~"}, "1.0.0|a|undo_failed"),
        ({"type": "attempt_lost", "step": "m~~2"}, "1.0.0|m|lost_attempts"),
        ({"type": "late_result", "step": "a", "outcome": "failed"}, "1.0.0|a|late"),
        ({"type": "sla_breached", "step": "a"}, "1.0.0|a|sla_breached"),
        ({"type": "sla_met"}, "1.0.0||sla_met"),
    ],
)
def test_what_steps_do_is_counted_by_their_ids(event: dict[str, Any], counted: str) -> None:
    """Whatever visit, item, lane or undo it was; what has no step is the run's."""
    assert told(event) == {counted: 1}


@pytest.mark.parametrize(
    "event",
    [{"type": "scope_stopping", "step": "m[3]"}, {"type": "step_completed", "step": "$end"}, {"type": "run_paused"}],
)
def test_what_is_nobodys_step_is_not_counted(event: dict[str, Any]) -> None:
    """Flows, the engine's own steps, and what says nothing of how well or fast it goes."""
    assert told(event) == {}


def test_a_wait_is_counted_from_ready_to_claimed() -> None:
    """None where both are one commit; not measured where a worker had it in hand already."""
    started = {"type": "step_started", "step": "a", "attempt": 1}

    waited = told(started | {"ready_at": HOUR + 3_000}, started, started | {"in_hand": True})

    assert waited == {
        "1.0.0|a|started": 3,
        f"1.0.0|a|wait|{bucket_of(2_000)}": 1,
        f"1.0.0|a|wait|{bucket_of(0)}": 1,
        "1.0.0|a|wait|sum": 2_000_000,
    }


def test_items_of_a_batch_are_counted_one_by_one() -> None:
    """With the time of each."""
    sums = told({"type": "items_completed", "step": "m", "items": [0, 1], "took_ms": [1.5, 3]})

    assert (sums["1.0.0|m|completed"], sums["1.0.0|m|attempt|sum"]) == (2, 4_500)


def test_an_event_of_a_run_that_is_gone_is_said_to_be_unmeasured() -> None:
    """Under no workflow, as nobody knows which."""
    entry = FeedEntry("1-0", HOUR + 1, "gone", {"type": "step_completed", "step": "a"})

    assert fold([entry], {}) == {("", HOUR): {"||unmeasured": 1}, ("", EVER): {"||unmeasured": 1}}


class Counted(Surroundings):
    """A worker, and who counts what it does."""

    def read(self) -> None:
        """Let the reader read all there is."""
        reader = Following(MetricsReader(self.store, self.sums), self.store, self.registry, self.settings.shards)
        while reader.turn():
            pass

    def run(self, times: int = 1) -> None:
        """So many runs of one step, from start to end."""
        for _ in range(times):
            self.work(self.start(), "a")


@pytest.fixture
def fails() -> list[bool]:
    """Whether the next calls fail; when none is left they succeed."""
    return []


@pytest.fixture
def around(fails: list[bool]) -> Counted:
    """Surroundings with a step that fails when it is told to."""

    def act(given: Any) -> Any:
        if fails and fails.pop(0):
            raise OperationError("declined", retryable=False)
        return given

    around = Counted({"do.write": act})
    around.publish()
    return around


def test_the_sums_are_what_the_histories_say(around: Counted, fails: list[bool]) -> None:
    """Counted one by one, of runs that completed and failed, attempts measured by the worker."""
    fails += [False, True]
    around.run(5)

    around.read()

    found = check_sums(around.store, around.settings.shards, around.sums)
    assert sum(len(values) for place, values in found.values.items() if place[-1] == "attempt") == 5


def test_stats_say_how_many_how_well_and_how_fast(around: Counted, fails: list[bool]) -> None:
    """Success is completed of completed and failed; a cancelled run is neither."""
    fails += [True]
    around.run(4)
    around.work(around.start(), "a")
    cancelled = around.start()
    cancelled.cancel()
    around.work(cancelled, "~")
    around.read()

    total = around.client.metrics(WORKFLOW).total

    assert (total.started, total.completed, total.failed, total.cancelled) == (6, 4, 1, 1)
    assert total.success_rate == 0.8
    assert total.duration is not None
    assert total.duration.count == 6


def test_versions_and_steps_stand_side_by_side(around: Counted) -> None:
    """And hours in which nothing happened are there too."""
    around.run(2)
    around.publish(version="1.1.0")
    around.clock.move(2 * HOUR_MS)
    around.run(1)
    around.read()

    found = around.client.metrics(WORKFLOW, since="4h")

    assert [(one.version, one.started) for one in found.versions] == [("1.0.0", 2), ("1.1.0", 1)]
    assert [(one.step, one.completed) for one in found.steps] == [("a", 3)]
    assert [hour.started for hour in found.hours] == [0, 0, 2, 0, 1]


def test_all_workflows_together_and_each_by_itself(around: Counted) -> None:
    """Of those that one may see, with the runs that are under way."""
    around.run(2)
    around.start()
    around.read()

    found, other = around.client.overall(), around.client.overall_seen(("other.*",))

    assert (found.total.completed, found.live["running"] + found.live["pending"]) == (2, 1)
    assert {key: one.completed for key, one in found.workflows.items()} == {WORKFLOW: 2}
    assert found.hours[-1].p99_ms is not None
    assert (other.total.started, sum(other.live.values()), dict(other.workflows)) == (0, 0, {})


def test_a_span_that_is_none_is_refused(around: Counted) -> None:
    """As is one that nobody could read, and a workflow that there is not."""
    refused: list[Callable[[], WorkflowStats]] = [
        lambda: around.client.metrics(WORKFLOW, since="1h", until="2h"),
        lambda: around.client.metrics(WORKFLOW, since="2000-01-01"),
        lambda: around.client.metrics(WORKFLOW, since="yesterday"),
    ]

    for ask in refused:
        with pytest.raises(InvalidRequest):
            ask()
    with pytest.raises(UnknownWorkflow):
        around.client.metrics("test.other")


def test_the_command_shows_what_a_workflow_did(around: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, by version, by step, and as JSON; and who counts, where nobody has."""
    monkeypatch.setattr(measured, "connect", lambda: around.client)
    for nothing in (["stats", WORKFLOW], ["stats", "--since", "24h"]):
        assert "orchestrator listen" in CliRunner().invoke(app, nothing).stdout
    around.run(3)
    around.read()

    def shown(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["stats", WORKFLOW, *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "success rate" in shown()
    assert "orchestrator listen" not in shown()
    assert "100.0 %" in shown("--by", "version")
    assert "completed" in shown("--by", "step", "--since", "24h")
    assert json.loads(shown("--json"))["total"]["completed"] == 3
    assert CliRunner().invoke(app, ["stats", WORKFLOW, "--by", "day"]).exit_code != 0
    everything = CliRunner().invoke(app, ["stats", "--since", "24h"])
    assert "all workflows" in everything.stdout
    assert WORKFLOW in everything.stdout
