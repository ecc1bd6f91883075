"""What people and programs are shown of the fleet."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli import fleet
from orchestrator.cli.output import Output
from orchestrator.client.shown import Finding, Level, QueueStats, Stats, WorkerStats

WELL = Finding(Level.OK, "beat", "beat runs: one")
ODD = Finding(Level.WARNING, "clock_skew", "the clock is off", "set it")
BAD = Finding(Level.ERROR, "no_workers", "nobody works", "start one")
WORKER = WorkerStats("one", "host", 7, ("default",), ("do.it@1",), 4, "2026-01-31T12:00:00.000Z")
QUEUES = (QueueStats("default", 2, ("one",)), QueueStats("lonely", 0, ()))
STATS = Stats({"running": 3, "paused": 0}, QUEUES, (WORKER,), ())


def answering(monkeypatch: pytest.MonkeyPatch, *, as_json: bool = False, **answers: Any) -> tuple[Output, io.StringIO]:
    """An output, and what is written to it; the client gives these answers."""
    client = SimpleNamespace(**{name: lambda answer=answer: answer for name, answer in answers.items()})
    monkeypatch.setattr(fleet, "connect", lambda: client)
    written = io.StringIO()
    return Output(as_json, console=Console(file=written, width=100)), written


@pytest.mark.parametrize(
    ("findings", "healthy", "verdict"),
    [
        ([WELL], True, "nothing stands in the way of runs"),
        ([WELL, ODD], True, "1 warning"),
        ([ODD, BAD, BAD], False, "2 errors, 1 warning"),
    ],
)
def test_only_errors_make_a_system_unhealthy(
    monkeypatch: pytest.MonkeyPatch, findings: list[Finding], healthy: bool, verdict: str
) -> None:
    """And the last line counts what is to be done."""
    output, written = answering(monkeypatch, doctor=findings)

    assert fleet.doctor(output) is healthy
    assert written.getvalue().splitlines()[-1] == verdict


def test_a_finding_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below what was found, with the code to look it up by."""
    output, written = answering(monkeypatch, doctor=[WELL, BAD])

    fleet.doctor(output)

    assert written.getvalue().splitlines()[:3] == ["✓ beat runs: one", "✗ nobody works [no_workers]", "  start one"]


def test_findings_are_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the verdict that the exit code gives."""
    output, written = answering(monkeypatch, as_json=True, doctor=[BAD])

    fleet.doctor(output)

    document = json.loads(written.getvalue())
    assert document["healthy"] is False
    assert document["findings"] == [
        {"level": "error", "code": "no_workers", "message": "nobody works", "advice": "start one"}
    ]


def test_stats_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue without a worker says so, and so does a fleet without a beat."""
    output, written = answering(monkeypatch, stats=STATS)

    fleet.stats(output)

    lines = [line.split() for line in written.getvalue().splitlines()]
    assert ["●", "running", "3"] in lines
    assert ["default", "2", "one"] in lines
    assert ["lonely", "0", "none"] in lines
    assert ["one", "7", "4", "1", "default", "2026-01-31", "12:00:00"] in lines
    assert [line for line in lines if line][-4:] == [["Beats"], ["none"], ["Listeners"], ["none"]]


def test_stats_are_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything that is known."""
    output, written = answering(monkeypatch, as_json=True, stats=STATS)

    fleet.stats(output)

    document = json.loads(written.getvalue())
    assert document["runs"] == {"running": 3, "paused": 0}
    assert document["queues"][0] == {"name": "default", "waiting": 2, "workers": ["one"]}
    assert document["workers"][0]["operations"] == ["do.it@1"]
