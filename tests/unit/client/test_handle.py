"""What a handle says of a run, and what it does to one; runs are worked off by the real engine in this process."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from orchestrator.client.description import describe
from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine.state import RunStatus
from orchestrator.engine.view import RunView
from orchestrator.errors import OperationError, RunFailed, RunOver, UnknownRun, WaitTimeout
from tests.unit.surroundings import Surroundings

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""

FIRST = {"id": "a", "operation": "do.write", "compensation": "undo.write", "on_success": "b"}


def decline(given: Any) -> Any:
    """Fail for good."""
    raise OperationError("declined", "No money.", retryable=False)


def running(*steps: dict[str, Any], **behaviour: Any) -> tuple[Surroundings, RedisRunHandle]:
    """A run of these steps that nobody has worked on."""
    around = Surroundings(behaviour)
    around.publish(*(steps or (FIRST, {"id": "b", "wait": "1h"})), output=None if steps else {"n": 7})
    return around, around.start(run_id="run")


def completed() -> tuple[Surroundings, RedisRunHandle]:
    """A run that has completed with an output."""
    around = Surroundings()
    around.publish({"id": "a", "operation": "do.write", "inputs": {"n": 7}}, output={"n": "${steps.a.output.n}"})
    run = around.start(run_id="run")
    around.work(run, "a")
    return around, run


def failed() -> tuple[Surroundings, RedisRunHandle]:
    """A run whose second step has failed, so that the first is undone."""
    around = Surroundings({"do.write": lambda given: given or decline(given)})
    around.publish({**FIRST, "inputs": {"n": 1}}, {"id": "b", "operation": "do.write"})
    run = around.start(run_id="run")
    around.work(run, "a")
    around.work(run, "~")
    return around, run


def test_a_completed_run_has_a_result() -> None:
    """The workflow's output."""
    _, run = completed()

    assert run.status() is RunStatus.COMPLETED
    assert run.result(timeout=0) == {"n": 7}


def test_a_failed_runs_result_is_its_error() -> None:
    """With its end, why, and whether it was undone."""
    _, run = failed()

    with pytest.raises(RunFailed, match=r"run run failed: declined No money\.") as raised:
        run.result()

    assert raised.value.details["status"] == "failed"
    assert raised.value.details["error"]["step"] == "b"
    assert raised.value.details["compensation"] == "completed"


def test_a_result_that_is_not_there_in_time_is_a_timeout() -> None:
    """The run itself goes on."""
    _, run = running()

    with pytest.raises(WaitTimeout) as raised:
        run.result(timeout=0.01)

    assert raised.value.details == {"run_id": "run", "status": "running"}
    assert run.status() is RunStatus.RUNNING


def test_a_result_is_there_as_soon_as_the_run_has_ended() -> None:
    """Whoever waits is woken by the end, not by an interval."""
    around, run = running({"id": "a", "operation": "do.write"})
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(run.result(timeout=20)))
    waiting.start()

    around.work(run, "a")
    waiting.join(10)

    assert not waiting.is_alive()
    assert len(found) == 1


def test_a_description_tells_steps_in_the_order_of_their_settling() -> None:
    """However a store orders fields; with undos by what they undo, and what failed with its error."""
    around, run = failed()
    now_ms, values = around.store.read_all("run")
    unordered = RunView("run", dict(reversed(values.items())), now_ms)

    shown = describe(around.client.catalogue.plan("test.flow", "1.0.0"), unordered)

    assert run.describe() == shown
    assert [(step.address, step.state, step.undoes) for step in shown.steps] == [
        ("a", "completed", None),
        ("b", "failed", None),
        ("a~", "completed", "a"),
    ]
    assert shown.steps[1].error["code"] == "declined"
    assert [step.kind for step in shown.steps] == ["operation", "operation", "undo"]
    assert (shown.status, shown.compensation) == ("failed", "completed")


def test_a_description_knows_what_waits_and_what_is_not_reached() -> None:
    """A waiting step says until when; one that is ahead is pending."""
    around, run = running(FIRST, {"id": "b", "wait": "1h", "on_success": "c"}, {"id": "c", "operation": "do.write"})
    around.work(run, "a")
    around.clock.move(500)

    done, waiting, ahead = run.describe().steps

    assert (done.state, waiting.state, ahead.state) == ("completed", "waiting", "pending")
    assert waiting.waits_until == "2023-11-14T23:13:20.000Z"
    assert run.describe().duration_ms == 500
    assert run.describe().to_json()["steps"][0]["operation"] == "do.write@1"


def test_history_goes_on_where_one_left_off() -> None:
    """Ids grow; a limit cuts the page."""
    _, run = completed()
    whole = run.history()

    page = run.history(limit=2)

    assert page == whole[:2]
    assert run.history(after=page[-1].id) == whole[2:]
    assert whole[0].event["type"] == "run_started"
    assert whole[-1].event["type"] == "run_completed"


def test_following_a_run_gives_every_event_once_and_ends_with_it() -> None:
    """Those from before, and those that come meanwhile."""
    around, run = running({"id": "a", "operation": "do.write"})
    seen = []

    for entry in run.follow(timeout=20):
        seen.append(entry)
        if len(seen) == 1:
            around.work(run, "a")

    assert seen == run.history()
    assert list(run.follow(after=seen[0].id)) == seen[1:]


def test_following_a_run_that_stands_still_is_given_up_in_time() -> None:
    """After what there is has been given."""
    _, run = running()
    events = run.follow(timeout=0.02)

    seen = [next(events) for _ in run.history()]

    assert seen == run.history()
    with pytest.raises(WaitTimeout):
        next(events)


def test_cancelling_settles_what_waits_and_sends_the_undo() -> None:
    """At once, not when the wait would have ended."""
    around, run = running()
    around.work(run, "a")

    run.cancel("enough", by="ann")

    assert run.status() is RunStatus.COMPENSATING
    assert run.describe().steps[1].state == "cancelled"
    assert around.dispatcher.sent[-1] == ("run", "~")


def test_a_cancelled_run_ends_undone_with_its_reason() -> None:
    """And with who wanted it."""
    around, run = running()
    around.work(run, "a")
    run.cancel("enough", by="ann")

    around.work(run, "~")

    shown = run.describe()
    assert (shown.status, shown.compensation) == ("cancelled", "completed")
    assert (shown.error["message"], shown.error["details"]) == ("enough", {"by": "ann"})
    with pytest.raises(RunFailed, match="cancelled"):
        run.result()


def test_the_first_cancel_stands() -> None:
    """A second one changes nothing."""
    around, run = running()
    run.cancel("first")

    run.cancel("second")
    around.work(run, "~")

    assert run.describe().error["message"] == "first"


def test_a_run_that_has_ended_cannot_be_cancelled() -> None:
    """Its result stands."""
    _, run = completed()

    with pytest.raises(RunOver, match="completed"):
        run.cancel()

    assert run.status() is RunStatus.COMPLETED


def test_a_run_that_there_is_not_is_unknown_to_every_question() -> None:
    """Whatever is asked of its handle."""
    around, run = running()
    nobody = RedisRunHandle("nobody", around.store, run.versions, around.dispatcher)

    for ask in (nobody.status, nobody.describe, nobody.result, nobody.cancel, lambda: next(nobody.follow())):
        with pytest.raises(UnknownRun, match="'nobody'"):
            ask()
