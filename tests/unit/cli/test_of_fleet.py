"""What people and programs are shown of queues and workers, and what workers are told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestrator.cli import of_fleet
from orchestrator.cli.app import app
from orchestrator.cli.output import Output
from orchestrator.client.shown_fleet import (
    ActiveMessage,
    HeldLease,
    QueueDescription,
    Queues,
    WorkerDescription,
    WorkerState,
)
from orchestrator.errors import UnknownWorker

NOON = "2026-01-31T12:00:00.000Z"
BUSY = QueueDescription(
    "default", 7, {"9-7": 2, "6-4": 5, "3-1": 0, "0": 0}, 90_000, 3, 1.5, 0.25, ("w@h",), ("a@1.0.0",)
)
LONELY = QueueDescription("lonely", 1, None, None, 0, None, None, (), ("a@1.0.0",))
WORKER = WorkerDescription(
    name="w@h",
    state=WorkerState.ONLINE,
    host="h",
    pid=7,
    seen_at=NOON,
    lost_since=None,
    started_at=NOON,
    pool="prefork",
    concurrency=4,
    queues=("default",),
    paused_queues=(),
    operations=("do.it@1.0.0",),
    processed=12,
    prefetched=3,
    active=(ActiveMessage("a@1.0.0/one", "run-1", "one", NOON, 8),),
    leases=(HeldLease("run-1", "a", "two", NOON, NOON, 8),),
    rss_bytes=104_857_600,
    cpu_percent=12.4,
    load=0.5,
    software="celery",
    serves=("a@1.0.0",),
)
LOST = replace(WORKER, name="x@h", state=WorkerState.LOST, lost_since=NOON, rss_bytes=None, cpu_percent=None, load=None)


class Shown:
    """Stands for a client with its fleet: answers, and notes what workers are told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    @property
    def fleet(self) -> Shown:
        """Itself."""
        return self

    def queues(self) -> Queues:
        """Two, and a dead event."""
        return Queues((BUSY, LONELY), {"events": 2})

    def workers(self) -> list[WorkerDescription]:
        """One that lives, one that is lost."""
        return [WORKER, LOST]

    def worker(self, name: str) -> WorkerDescription:
        """One of them."""
        if name != WORKER.name:
            raise UnknownWorker(f"there is no worker {name!r}")
        return WORKER

    def __getattr__(self, verb: str) -> Callable[..., None]:
        return lambda *given, **options: self.told.append((verb, *given, *options.values()))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What the commands connect to."""
    shown = Shown()
    monkeypatch.setattr(of_fleet, "connect", lambda: shown)
    return shown


@pytest.fixture
def written() -> io.StringIO:
    """What is written."""
    return io.StringIO()


def lines(written: io.StringIO) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in written.getvalue().splitlines()]


def output(written: io.StringIO, *, as_json: bool = False) -> Output:
    """An output that is no terminal."""
    return Output(as_json, console=Console(file=written, width=160))


def test_a_queue_says_what_waits_and_who_takes_it(shown: Shown, written: io.StringIO) -> None:
    """Priorities where they differ; nothing where the broker tells nothing; `none` takes from the lonely."""
    of_fleet.queues(output(written), watch=False)

    found = lines(written)
    assert ["default", "7", "(2", "of", "9-7,", "5", "of", "6-4)", "1.5m", "3", "1.5", "0.2", "w@h", "a@1.0.0"] in found
    assert ["lonely", "1", "0", "none", "a@1.0.0"] in found
    assert ["2", "external", "events", "were", "given", "up:", "`orchestrator", "events", "dead`"] in found


def test_a_worker_says_how_it_is(shown: Shown, written: io.StringIO) -> None:
    """A lost one since when, and nothing of what it did then."""
    of_fleet.workers(output(written), watch=False)

    found = lines(written)
    assert ["w@h", "●", "online", "prefork", "1/4", "3", "12", "100", "MB", "12", "%", "default"] in found
    assert ["x@h", "✗", "lost", "since", "2026-01-31", "12:00:00", "prefork", "12", "default"] in found


def test_one_worker_is_shown_with_its_runs(shown: Shown, written: io.StringIO) -> None:
    """What it works off, and the steps that it holds."""
    of_fleet.worker(output(written), "w@h", watch=False)

    found = lines(written)
    assert ["a@1.0.0/one", "run-1", "2026-01-31", "12:00:00"] in found
    assert ["two", "run-1", "2026-01-31", "12:00:00", "2026-01-31", "12:00:00"] in found
    assert ["messages", "1", "at", "work,", "3", "prefetched,", "12", "processed"] in found


def test_programs_get_all_that_is_known(shown: Shown, written: io.StringIO) -> None:
    """As one document."""
    of_fleet.queues(output(written, as_json=True), watch=False)

    document = json.loads(written.getvalue())
    assert document["queues"][0]["by_priority"] == {"9-7": 2, "6-4": 5, "3-1": 0, "0": 0}
    assert document["dead"] == {"events": 2}


def test_what_is_watched_is_a_line_a_second_for_programs(
    shown: Shown, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until Ctrl-C, which is no failure."""
    looks: list[float] = []

    def rest(_: object, seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("threading.Event.wait", rest)

    of_fleet.workers(output(written, as_json=True), watch=True)

    assert looks == [1.0, 1.0]
    assert [[one["name"] for one in json.loads(line)] for line in written.getvalue().splitlines()] == [
        ["w@h", "x@h"]
    ] * 2


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("grow w@h 2 --reason more", ("grow", "w@h", 2, "more")),
        ("shrink w@h", ("shrink", "w@h", 1, "")),
        ("add-queue w@h slow", ("add_consumer", "w@h", "slow", "")),
        ("cancel-queue w@h slow", ("cancel_consumer", "w@h", "slow", "")),
        ("drain w@h", ("drain", "w@h", "")),
        ("resume w@h", ("resume", "w@h", "")),
        ("shutdown w@h", ("shutdown", "w@h", "")),
        ("time-limit w@h own.task --soft 5", ("limit_time", "w@h", "own.task", 5.0, None, "")),
        ("rate-limit w@h own.task 10/m", ("limit_rate", "w@h", "own.task", "10/m", "")),
        ("forget x@h", ("forget", "x@h", "")),
    ],
)
def test_each_verb_is_told_to_the_worker(shown: Shown, command: str, told: tuple[Any, ...]) -> None:
    """With what it needs, and why."""
    answer = CliRunner().invoke(app, ["workers", *command.split()])

    assert answer.exit_code == 0
    assert shown.told == [told]


def test_a_name_alone_shows_that_worker(shown: Shown) -> None:
    """And without a name, all; one that is not there is an error."""
    runner = CliRunner()

    one = runner.invoke(app, ["workers", "w@h", "--json"])
    every = runner.invoke(app, ["workers", "--json"])
    nobody = runner.invoke(app, ["workers", "nobody@h"])

    assert json.loads(one.stdout)["name"] == "w@h"
    assert [each["name"] for each in json.loads(every.stdout)] == ["w@h", "x@h"]
    assert nobody.exit_code == 1
