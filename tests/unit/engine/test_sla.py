"""Levels fire by what a sweeper has read; what happened since then stands in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.engine.address import RUN
from orchestrator.engine.commit import Answer, Commit
from orchestrator.engine.sla import fire
from orchestrator.engine.view import RunView
from orchestrator.testing import Run
from tests.unit.engine.conftest import FlowOf

HOUR_MS = 3_600_000
ASK = {"id": "ask", "event": {"signal": "go"}}


def late_move(run: Run) -> Commit:
    """What a sweeper would do that sees the run as it is, an hour later than it is."""
    handle = run.handle
    now_ms, values = handle.store.read_all(handle.run_id)
    view = RunView(handle.run_id, values, now_ms + HOUR_MS)
    move = fire(handle.versions.plan(*view.pinned), view, RUN)
    assert move is not None
    return move.commit


@pytest.mark.parametrize(
    "meanwhile", [lambda run: run.handle.pause("stocktaking"), lambda run: run.handle.cancel("no more")]
)
def test_a_level_does_not_fire_in_a_run_that_stands_still(flow_of: FlowOf, meanwhile: Callable[[Run], None]) -> None:
    """Though it did not when the sweeper looked."""
    run = flow_of(ASK, sla={"max_duration": "1m"}).start()
    commit = late_move(run)
    meanwhile(run)

    reply = run.handle.store.apply(commit)

    assert reply.first is Answer.REFUSED
    assert "run: breach" not in run.sla_events


def test_a_level_that_two_sweepers_see_fires_once(flow_of: FlowOf) -> None:
    """The second is refused."""
    run = flow_of(ASK, sla={"max_duration": "1m"}).start()
    commits = [late_move(run), late_move(run)]

    replies = [run.handle.store.apply(commit) for commit in commits]

    assert [reply.first for reply in replies] == [Answer.APPLIED, Answer.REFUSED]
    assert run.sla_events == ["run: breach"]
