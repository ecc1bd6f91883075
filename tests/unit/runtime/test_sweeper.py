"""The sweeper moves what is due, on a clock that stands until a test moves it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine import fields
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.look import look
from orchestrator.engine.onward import Terms
from orchestrator.engine.stages import Timing
from orchestrator.engine.state import RunStatus
from orchestrator.engine.view import RunView
from orchestrator.errors import Unreachable
from orchestrator.runtime.sweeper import SHORT_QUEUE, Sweeper
from tests.unit.surroundings import Surroundings

pytestmark = pytest.mark.timeout(method="thread")

WAIT = {"id": "b", "wait": "1h"}
FIRST = {"id": "a", "operation": "do.write", "compensation": "undo.write", "on_success": "b"}


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """A step, then a wait; sweepers read the test's clock."""
    around = Surroundings()
    monkeypatch.setattr("orchestrator.runtime.sweeper.elapsed_s", around.clock.elapsed_s)
    around.publish(FIRST, WAIT)
    return around


def sweeper(around: Surroundings) -> Sweeper:
    """One that has just begun."""
    return Sweeper(around.settings, around.store, around.client.catalogue, around.dispatcher)


def unsent(around: Surroundings, **options: Any) -> RedisRunHandle:
    """A run whose first message got lost."""
    run = around.start(**options)
    around.dispatcher.sent.clear()
    around.clock.move(around.settings.resend_ms)
    return run


def claim(around: Surroundings, run: RedisRunHandle) -> None:
    """A worker claims `a` and is not heard of again."""
    now_ms, values = around.store.read_all(run.run_id)
    view = RunView(run.run_id, values, now_ms)
    timing = Timing(around.settings.lease_ms, around.settings.resend_ms)
    move = look(around.client.catalogue.plan("test.flow", "1.0.0"), view, "a", Terms(timing, "lost"))
    assert move is not None
    assert not isinstance(move, str)
    assert around.store.apply(move.commit).first.stands


def state(run: RedisRunHandle, place: int = 0) -> str:
    """Where a step is."""
    return run.describe().steps[place].state


def test_what_is_due_is_sent_again(around: Surroundings) -> None:
    """Once it is due, once each time, and at growing intervals."""
    run = around.start(run_id="run")
    around.dispatcher.sent.clear()
    sweeping = sweeper(around)

    assert sweeping.sweep() == 0
    around.clock.move(around.settings.resend_ms)
    assert (sweeping.sweep(), sweeping.sweep()) == (1, 0)
    around.clock.move(around.settings.resend_ms)
    assert sweeping.sweep() == 0

    assert around.dispatcher.sent == [(run.run_id, "a")]


def test_runs_of_all_shards_are_swept(around: Surroundings) -> None:
    """There is more than one."""
    ids = {f"run-{number}" for number in range(8)}
    for run_id in ids:
        around.start(run_id=run_id)
    around.dispatcher.sent.clear()
    around.clock.move(around.settings.resend_ms)

    assert sweeper(around).sweep() == 8
    assert {run_id for run_id, _ in around.dispatcher.sent} == ids


def test_a_long_queue_gets_no_resends(around: Surroundings) -> None:
    """What is in it is only late; the entry is put off all the same."""
    unsent(around)
    around.dispatcher.depth = SHORT_QUEUE

    assert sweeper(around).sweep() == 1
    assert around.dispatcher.sent == []


def test_a_queue_is_filled_up_to_the_limit_only(around: Surroundings) -> None:
    """Its length is asked for once a pass; what is sent meanwhile counts."""
    for number in range(5):
        unsent(around, run_id=f"run-{number}")
    around.dispatcher.depth = SHORT_QUEUE - 2

    assert sweeper(around).sweep() == 5
    assert len(around.dispatcher.sent) == 2
    assert len(around.dispatcher.asked) == 1


def test_a_lease_that_ran_out_is_ended_by_a_sweeper_that_was_awake(around: Surroundings) -> None:
    """The step is ready again, and sent."""
    run = around.start()
    claim(around, run)
    sweeping = sweeper(around)
    for _ in range(16):
        around.clock.move(1_000)
        sweeping.sweep()

    assert state(run) == "ready"
    assert around.dispatcher.sent[-1] == (run.run_id, "a")
    assert "attempt_lost" in around.types(run)


def test_after_a_pause_of_its_own_a_sweeper_ends_no_lease_for_one_heartbeat(around: Surroundings) -> None:
    """Workers may have paused with it, and get the time to renew."""
    run = around.start()
    claim(around, run)
    sweeping = sweeper(around)
    sweeping.sweep()
    around.clock.move(around.settings.lease_ms)

    assert sweeping.sweep() == 0
    assert state(run) == "running"
    for _ in range(around.settings.heartbeat_ms // 1_000):
        around.clock.move(1_000)
        sweeping.sweep()
    assert state(run) == "ready"


def test_a_pause_does_not_hold_up_what_nobody_holds(around: Surroundings) -> None:
    """Only leases are waited for."""
    unsent(around)

    assert sweeper(around).sweep() == 1


def test_a_step_that_was_put_aside_is_sent_as_it_was(around: Surroundings) -> None:
    """With the chain that it had."""
    run = around.start()
    around.work(run, "a")
    parked = around.store.read(run.run_id, (fields.parked("b"),))[1][fields.parked("b")]
    around.clock.move(3_600_000)

    sweeper(around).sweep()

    assert around.dispatcher.resumed == [parked]


def test_the_undo_of_a_stopped_run_is_begun_without_a_worker(around: Surroundings) -> None:
    """Only the first undo itself is sent."""
    run = around.start()
    around.work(run, "a")
    run.cancel()
    around.dispatcher.sent.clear()
    around.clock.move(around.settings.resend_ms)

    sweeper(around).sweep()

    assert around.dispatcher.sent == [(run.run_id, "a~")]


def test_a_run_over_its_time_ends_without_a_worker(around: Surroundings) -> None:
    """Where nothing is to be undone, in as many passes as it has entries."""
    run = around.start(timeout="1m")
    around.clock.move(60_000)
    sweeping = sweeper(around)

    for _ in range(3):
        sweeping.sweep()
        around.clock.move(around.settings.resend_ms)

    assert run.status() is RunStatus.FAILED
    assert run.describe().error["code"] == "run_timeout"


def test_a_run_without_an_entry_is_found_and_repaired(around: Surroundings) -> None:
    """It goes on with the next pass; a whole run is left alone."""
    run, whole = around.start(), around.start()
    gone = Changes(entries=dict.fromkeys(around.store.entries(run.run_id)))
    around.store.apply(Commit(run.run_id, "1", (Stage({}, gone),)))
    sweeping = sweeper(around)

    assert (sweeping.scan(), sweeping.scan()) == (1, 0)
    assert sweeping.sweep() == 1

    assert around.types(run)[-1] == "run_repaired"
    assert around.types(whole) == ["run_started"]


def test_a_run_that_cannot_be_visited_holds_up_no_other(around: Surroundings) -> None:
    """As one whose version is gone."""
    lost, run = unsent(around, run_id="a-lost"), unsent(around, run_id="run")
    unpublished = Changes(set={fields.VERSION: "9.9.9"})
    around.store.apply(Commit(lost.run_id, "1", (Stage({}, unpublished),)))

    assert sweeper(around).sweep() == 1
    assert around.dispatcher.sent == [(run.run_id, "a")]


def test_a_broker_that_is_away_ends_the_pass(around: Surroundings) -> None:
    """The caller tries again; nothing is lost."""
    run = unsent(around)
    around.dispatcher.away = True
    with pytest.raises(Unreachable):
        sweeper(around).sweep()

    around.dispatcher.away = False
    around.clock.move(2 * around.settings.resend_ms)
    sweeper(around).sweep()

    assert around.dispatcher.sent == [(run.run_id, "a")]
