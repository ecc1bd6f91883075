"""How a handle carries out what operators want: what is sent, what is decided again, what a lost reply changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine import fields
from orchestrator.engine.commit import Commit, Reply
from orchestrator.engine.state import RunStatus
from orchestrator.errors import Conflict, OperationError, RunOver, StepNotWaiting, UnknownRun
from orchestrator.store.memory import MemoryStore
from tests.unit.surroundings import Surroundings

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""

FIRST = {"id": "a", "operation": "do.write", "compensation": "undo.write"}
Before = Callable[[], object]


def decline(_given: Any) -> Any:
    """Fail for good."""
    raise OperationError("declined", "No money.", retryable=False)


class Border:
    """A store in which something happens before a commit, or whose replies get lost so that it is sent again."""

    def __init__(self, inner: MemoryStore, *before: Before, twice: bool = False) -> None:
        self.inner = inner
        self.before = list(before)
        self.twice = twice

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def apply(self, commit: Commit) -> Reply:
        """Apply it, after what happens before it."""
        if self.before:
            self.before.pop(0)()
        if self.twice:
            self.inner.apply(commit)
        return self.inner.apply(commit)


def failed(**workflow: Any) -> tuple[Surroundings, RedisRunHandle]:
    """A run whose second step has failed, so that the first was undone if the workflow says no other."""
    around = Surroundings({"do.write": lambda given: given or decline(given)})
    around.publish({**FIRST, "inputs": {"n": 1}}, {"id": "b", "operation": "do.write"}, **workflow)
    run = around.start(run_id="run")
    around.work(run, "a")
    around.work(run, "~")
    around.dispatcher.sent.clear()
    return around, run


def waiting() -> tuple[Surroundings, RedisRunHandle]:
    """A run of two branches that wait."""
    around = Surroundings()
    branches = {"x": [{"id": "x1", "wait": "1h"}], "y": [{"id": "y1", "wait": "1h"}]}
    around.publish({"id": "both", "parallel": {"branches": branches}})
    run = around.start(run_id="run")
    for address in ("both", "both[x]/x1", "both[y]/y1"):
        around.work(run, address)
    return around, run


def test_resuming_sends_every_step_that_is_ready() -> None:
    """Their messages were dropped in the pause."""
    around = Surroundings()
    around.publish({"id": "a", "operation": "do.write"})
    run = around.start(run_id="run")
    run.pause()
    around.work(run, "a")
    around.dispatcher.sent.clear()

    run.resume()

    assert around.dispatcher.sent == [("run", "a")]
    assert run.describe().steps[0].state == "ready"


def test_the_time_in_which_a_step_must_be_taken_moves_by_the_pause() -> None:
    """Nobody was allowed to take it."""
    around = Surroundings()
    around.publish({"id": "a", "operation": "do.write", "queue_timeout": "5s"})
    run = around.start(run_id="run")
    run.pause()
    around.clock.move(3_600_000)

    run.resume()

    _, values = around.store.read("run", (fields.queue_deadline("a"),))
    assert values[fields.queue_deadline("a")] == str(around.clock.now_ms + 5_000)


def test_a_retry_sends_where_the_run_goes_on() -> None:
    """What was undone first."""
    around, run = failed()

    run.retry()

    assert around.dispatcher.sent == [("run", "a")]
    assert run.status() is RunStatus.RUNNING


@pytest.mark.parametrize("verb", ["retry", "undo"])
def test_a_broker_that_is_away_loses_nothing(verb: str) -> None:
    """What was wanted stands; the sweeper sends what is in the ledger."""
    around, run = failed(compensation={"trigger": "manual"} if verb == "undo" else {})
    around.dispatcher.away = True

    getattr(run, verb)()

    assert not run.describe().ended_at
    live = {"retry": "a", "undo": "a~"}[verb]
    assert around.store.entries("run").keys() == {"$", live}


@pytest.mark.parametrize(("verb", "live"), [("retry", "a"), ("undo", "a~")])
def test_a_lost_reply_begins_one_incarnation(verb: str, live: str) -> None:
    """The commit that is sent again finds itself, and what follows is sent."""
    around, run = failed(compensation={"trigger": "manual"} if verb == "undo" else {})
    unlucky = replace(run, store=Border(around.store, twice=True))

    getattr(unlucky, verb)()

    assert run.describe().incarnation == 2
    assert around.dispatcher.sent == [("run", live)]


@pytest.mark.parametrize("verb", ["retry", "undo"])
def test_of_two_that_want_the_same_one_has_it(verb: str) -> None:
    """The other hears that the run goes on by now."""
    around, run = failed(compensation={"trigger": "manual"} if verb == "undo" else {})
    late = replace(run, store=Border(around.store, getattr(run, verb)))

    with pytest.raises(Conflict, match="run run is"):
        getattr(late, verb)()

    assert run.describe().incarnation == 2


def test_a_pause_that_comes_too_late_is_refused() -> None:
    """The run has ended between the look at it and the commit."""
    around = Surroundings()
    around.publish({"id": "a", "operation": "do.write"})
    run = around.start(run_id="run")
    late = replace(run, store=Border(around.store, lambda: around.work(run, "a")))

    with pytest.raises(RunOver):
        late.pause()


def test_a_skip_that_comes_too_late_is_refused() -> None:
    """The step has been taken meanwhile, and its result stands."""
    around = Surroundings()
    around.publish({"id": "a", "operation": "do.write", "inputs": {"n": 7}}, {"id": "b", "wait": "1h"})
    run = around.start(run_id="run")
    late = replace(run, store=Border(around.store, lambda: around.work(run, "a")))

    with pytest.raises(StepNotWaiting, match="completed"):
        late.skip("a")

    assert run.describe().steps[0].output == {"n": 7}


def test_a_limit_that_moved_in_a_pause_is_decided_again() -> None:
    """A step that ended while it was decided has no limit any more; the run goes on nevertheless."""
    around, run = waiting()
    run.pause()
    once_more = replace(run, store=Border(around.store, lambda: run.skip("both[x]/x1")))

    once_more.resume()

    assert run.describe().status == "running"


def test_a_run_that_there_is_not_is_unknown_to_every_verb() -> None:
    """Whatever is wanted of it."""
    _, run = failed()
    nobody = replace(run, run_id="nobody")

    for ask in (nobody.pause, nobody.resume, nobody.retry, nobody.undo, nobody.undo_preview):
        with pytest.raises(UnknownRun, match="'nobody'"):
            ask()
    for ask_of_step in (nobody.skip, nobody.waive):
        with pytest.raises(UnknownRun):
            ask_of_step("a")
