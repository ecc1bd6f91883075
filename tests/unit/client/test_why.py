"""Why a run does not move: one answer a reason, from states that the real engine has made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.broker.app import make_app
from orchestrator.client.approvals import RedisApprovals
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.reasons import Reason, Why, WhyStep
from orchestrator.engine.onward import Terms
from orchestrator.engine.stages import Timing
from orchestrator.engine.sweep import visit
from orchestrator.engine.view import RunView
from orchestrator.errors import OperationError, UnknownRun
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.store.registry import WorkerRecord
from tests.unit.surroundings import Surroundings

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""

A = {"id": "a", "operation": "do.write"}
WORKER = "celery@one"


class Died(BaseException):
    """The worker's process is gone."""


def with_worker(around: Surroundings, *queues: str, serves: bool = True, beat: bool = True) -> Surroundings:
    """A live worker of these queues, and a beat."""
    operations = tuple(info.to_json() for info in around.operations.infos()) if serves else ()
    record = WorkerRecord(WORKER, queues or ("default",), operations, pid=1, host="one", concurrency=2)
    around.registry.announce(record)
    if beat:
        around.registry.announce(replace(record, name="beat", role="beat", queues=(), operations=()))
    return around


def started(*steps: Mapping[str, Any], **more: Any) -> tuple[Surroundings, RedisRunHandle]:
    """A run of these steps, and a worker that could take them."""
    around = with_worker(Surroundings(more.pop("behaviour", {})))
    around.publish(*(steps or (A,)), **more)
    return around, around.start(run_id="run")


def only(found: Why) -> WhyStep:
    """The one live step; the run's sentence is its."""
    (step,) = found.steps
    assert step.sentence in found.sentence
    return step


def lose_worker(around: Surroundings, run: RedisRunHandle, address: str) -> None:
    """A worker dies in mid-attempt."""
    with suppress(Died):
        around.work(run, address, worker_name=WORKER)


def die(_given: Any) -> Any:
    """The process is gone."""
    raise Died


def busy() -> Any:
    """Fail, to be tried again."""
    raise OperationError("busy", "Try later.")


def sweep(around: Surroundings, run: RedisRunHandle, address: str) -> None:
    """The sweeper looks at an address that is due."""
    now_ms, values = around.store.read_all(run.run_id)
    plan = around.client.catalogue.plan("test.flow", "1.0.0")
    terms = Terms(Timing(15_000, 2_000), "sweeper", 0.0, fuses=lambda _: False)
    found = visit(plan, RunView(run.run_id, values, now_ms), address, terms)
    assert found is not None
    around.store.apply(found.move.commit)


def test_a_ready_step_waits_in_a_queue_that_a_worker_takes_from() -> None:
    """With how much waits there, and when it is sent again if nobody takes it."""
    around, run = started()
    with around.dispatcher.app.connection_for_write() as connection, connection.SimpleQueue("default") as queue:
        for _ in range(3):
            queue.put({})
        step = only(run.why())
        queue.clear()

    assert (step.address, step.reason, step.queue) == ("a", Reason.QUEUED, "default")
    assert "3 messages wait in the queue 'default'" in step.sentence
    assert step.next_look_at == run.why().next_look_at is not None


def test_a_step_that_was_sent_again_says_so() -> None:
    """By the sweeper, once what was due had come."""
    around, run = started()
    around.clock.move(2_000)
    sweep(around, run, "a")

    assert "it was sent again once" in only(run.why()).sentence


def test_without_any_worker_nothing_is_taken() -> None:
    """Nor is anything sent again without a beat; both are said, and what to do."""
    around = Surroundings()
    around.publish()
    found = around.start(run_id="run").why()

    assert (only(found).reason, found.reason) == (Reason.NO_WORKER, Reason.NO_WORKER)
    assert "celery -A workers worker -Q default" in found.advice
    assert "no beat" in found.hints[0]


def test_a_queue_that_no_worker_takes_from_is_named() -> None:
    """Workers of other queues are of no use."""
    _, run = started({**A, "queue": "gpu"})

    step = only(run.why())

    assert (step.reason, step.queue) == (Reason.QUEUE_WITHOUT_WORKER, "gpu")
    assert "-Q gpu" in step.advice


def test_a_queue_whose_worker_is_drained_says_so() -> None:
    """It is for whoever drained it to resume it."""
    around, run = started()
    drained = WorkerRecord(WORKER, (), (), pid=1, host="one", state="draining", paused_queues=("default",))
    around.registry.announce(drained)

    step = only(run.why())

    assert step.reason is Reason.QUEUE_WITHOUT_WORKER
    assert step.sentence.endswith(f"; {WORKER} did, and is drained")
    assert step.advice == f"orchestrator workers resume {WORKER}"


def test_an_operation_that_no_worker_has_is_named() -> None:
    """One that has it, but takes from other queues, is of no use either."""
    around = with_worker(Surroundings(), serves=False)
    around.publish()
    elsewhere = tuple(info.to_json() for info in around.operations.infos())
    around.registry.announce(WorkerRecord("celery@two", ("other",), elsewhere, pid=2, host="two"))

    step = only(around.start().why())

    assert step.reason is Reason.OPERATION_NOT_SERVED
    assert "'do.write@1'" in step.sentence


def test_a_broker_that_does_not_answer_is_no_error() -> None:
    """It is the answer."""
    around, run = started()
    around.dispatcher.app = make_app(around.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))

    assert only(run.why()).reason is Reason.BROKER_UNREACHABLE


def test_a_running_step_names_its_worker_and_its_lease() -> None:
    """And since when it runs."""
    around, run = started(behaviour={"do.write": die})
    lose_worker(around, run, "a")
    around.clock.move(4_000)

    step = only(run.why())

    assert (step.reason, step.worker) == (Reason.RUNNING, WORKER)
    assert f"{WORKER} executes do.write@1 for 4 s now; its lease lasts until" in step.sentence
    assert "in 11 s" in step.sentence


def test_a_look_for_an_sla_is_no_end_of_a_lease() -> None:
    """Nor when a message is sent again, though the step is looked at then."""
    around, run = started({**A, "sla": {"max_duration": "1s"}}, behaviour={"do.write": die})
    queued = only(run.why())
    lose_worker(around, run, "a")
    around.clock.move(2_000)

    step = only(run.why())

    assert "sent again" not in queued.sentence
    assert step.reason is Reason.RUNNING
    assert "in 13 s" in step.sentence
    assert step.next_look_at != step.until


def test_a_lease_that_nobody_renews_is_taken_up_by_the_sweeper() -> None:
    """Then the step is ready again, and says that a worker was lost with it."""
    around, run = started(behaviour={"do.write": die})
    lose_worker(around, run, "a")
    around.clock.move(16_000)

    silent = only(run.why())
    sweep(around, run, "a")
    with_worker(around)

    assert silent.reason is Reason.LEASE_OVER
    assert "after 1 worker was lost with it" in only(run.why()).sentence


def test_a_retry_says_what_failed_and_when_the_next_attempt_is_due() -> None:
    """By the error's code."""
    retried = {**A, "retry": {"max_attempts": 3, "delay": "3m"}}
    around, run = started(retried, behaviour={"do.write": lambda _: busy()})
    around.work(run, "a")

    step = only(run.why())

    assert (step.reason, step.until) == (Reason.RETRY, step.next_look_at)
    assert "attempt 1 failed with busy: Try later.; attempt 2 is due at" in step.sentence
    assert "in 3 m" in step.sentence


def test_a_timer_says_when_it_ends() -> None:
    """And that it has ended, if nobody has looked at it since."""
    around, run = started({"id": "w", "wait": "1h"})
    around.work(run, "w")

    waiting = only(run.why())
    around.clock.move(3_600_000)

    assert waiting.reason is Reason.TIMER
    assert "in 1 h" in waiting.sentence
    assert "it goes on at the next look" in only(run.why()).sentence


def test_a_wait_for_an_event_tells_its_filter_and_its_nearest_miss() -> None:
    """And that no listener takes any in."""
    wanted = {"type": "order.shipped", "filter": "event.data.total > 10"}
    around, run = started({"id": "e", "event": wanted})
    around.work(run, "e")
    none_yet = only(run.why())

    event = CloudEvent(id="e-1", type="order.shipped", source="/shop", data={"total": 3})
    run._operating.receive(event.root("2026-01-31T00:00:00Z"))  # as the listener does
    step = only(run.why())

    assert (step.reason, step.next_look_at) == (Reason.EVENT, None)
    assert "none of that type has come" in none_yet.sentence
    assert "event order.shipped where event.data.total > 10" in step.sentence
    assert "not event e-1: event.data.total > 10 is false" in step.sentence
    assert "orchestrator listen" in step.advice


def test_a_step_that_has_yet_to_look_back_says_so() -> None:
    """What came before it began to wait may be for it."""
    around, run = started({"id": "e", "event": {"type": "order.shipped"}})
    around.events.recall = _unreachable  # type: ignore[method-assign]
    with suppress(OSError):
        around.work(run, "e")

    assert only(run.why()).reason is Reason.LOOKING_BACK


def _unreachable(*_: Any, **__: Any) -> Any:
    raise OSError


def test_a_wait_for_a_signal_says_which_and_how_to_send_it() -> None:
    """With the time that it has."""
    around, run = started({"id": "s", "event": {"signal": ["go", "halt"]}, "timeout": "2d"})
    around.work(run, "s")

    step = only(run.why())

    assert step.reason is Reason.SIGNAL
    assert "it waits for signal go or halt, until" in step.sentence
    assert step.advice == "orchestrator signal run go"


def test_an_approval_says_who_is_asked_and_who_has_decided() -> None:
    """And what comes next if nobody does."""
    asked = {"users": ["ann", "bob"], "groups": [], "mode": "all", "remind": "1h"}
    around, run = started({"id": "ask", "approval": asked, "timeout": "2d"})
    around.work(run, "ask")
    approvals = RedisApprovals(around.settings, around.store, around.client.catalogue, around.dispatcher)
    approvals.decide("run", "ask", "approve", by="ann")

    step = only(run.why())

    assert step.reason is Reason.APPROVAL
    assert "a decision by ann or bob (all); ann has approved; ends at" in step.sentence
    assert "those are reminded at" in step.sentence


def test_a_paused_run_says_by_whom_and_why() -> None:
    """First; what its steps wait for stands below."""
    _, run = started()
    run.pause("the bank is down", by="ann")

    found = run.why()

    assert (found.status, found.reason, found.next_look_at) == ("paused", Reason.PAUSED, None)
    assert found.sentence.startswith("it is paused by ann since ")
    assert found.sentence.endswith(": the bank is down")
    assert [step.reason for step in found.steps] == [Reason.PAUSED]
    assert found.advice == "orchestrator resume run"


def test_a_timer_of_a_paused_run_does_not_fire() -> None:
    """However soon its moment comes."""
    around, run = started({"id": "w", "wait": "1h"})
    around.work(run, "w")
    run.pause()

    (step,) = run.why().steps

    assert (step.reason, step.next_look_at) == (Reason.PAUSED, None)
    assert "not before it is resumed" in step.sentence


@pytest.mark.parametrize("where", ["step", "workflow"])
def test_a_limit_says_who_holds_its_slots(where: str) -> None:
    """And when it is asked again; of the step and of the workflow alike."""
    limit = [{"key": "${input.shop}", "max": 1}]
    steps = {**A, **({"limits": limit} if where == "step" else {})}
    around = with_worker(Surroundings({"do.write": die}))
    around.publish(steps, limits=limit if where == "workflow" else [])
    first, second = (around.start(input={"shop": "eu"}, run_id=run_id) for run_id in ("first", "second"))
    lose_worker(around, first, "a")
    around.work(second, "a")

    step = only(replace(second, limits=around.limits).why())

    holder = "first (a)" if where == "step" else "first"
    assert step.reason is Reason.LIMIT
    assert f"as number 1 in line: at most 1 at once for 'eu', held by {holder}; it asks again at" in step.sentence


def test_a_wait_for_a_child_says_why_the_child_does_not_move() -> None:
    """However deep that goes, and what to do about it."""
    around = with_worker(Surroundings())
    around.publish({"id": "s", "event": {"signal": "go"}}, key="test.child")
    around.publish({"id": "c", "workflow": "test.child@1.0.0"})
    run = around.start(run_id="run")
    around.work(run, "c")
    child_id = run.describe().steps[0].child_run or ""
    around.work(around.client.handle(child_id), "s")

    step = only(run.why())

    assert (step.reason, step.child_run) == (Reason.CHILD, child_id)
    assert step.sentence == f"it waits for the end of run {child_id}: step s: it waits for signal go"
    assert step.advice == f"orchestrator signal {child_id} go"


def test_several_live_steps_are_counted_and_each_has_a_line() -> None:
    """The container's own says how far it is, and does not count."""
    branches = {"x": [{"id": "w", "wait": "1h"}], "y": [{"id": "s", "event": {"signal": "go"}}], "z": [A]}
    around, run = started({"id": "p", "parallel": {"branches": branches}})
    for address in ("p", "p[x]/w", "p[y]/s"):
        around.work(run, address)

    found = run.why()

    reasons = {step.address: step.reason for step in found.steps}
    assert reasons["p"] is Reason.INSIDE
    assert (reasons["p[x]/w"], reasons["p[y]/s"]) == (Reason.TIMER, Reason.SIGNAL)
    assert found.reason is Reason.SEVERAL
    assert found.live == len(found.steps)


def failing(**more: Any) -> tuple[Surroundings, RedisRunHandle]:
    """A run whose second step has failed for good, and whose first is to be undone."""

    def write(given: Any) -> Any:
        if given:
            return given
        raise OperationError("declined", "No money.", retryable=False)

    done = {**A, "inputs": {"n": 1}, "compensation": "undo.write"}
    behaviour = {"do.write": write, **more.pop("behaviour", {})}
    around, run = started(done, {"id": "b", "operation": "do.write"}, behaviour=behaviour, **more)
    around.work(run, "a")
    around.work(run, "b") if run.describe().steps[-1].state == "ready" else None
    return around, run


def test_a_run_that_stops_says_why_and_what_comes_next() -> None:
    """The undo of the run is to begin; then each undo is a step that can wait like others."""
    around, run = failing(behaviour={"undo.write": die})
    stopping = run.why()
    lose_worker(around, run, "~")
    undoing = run.why()

    assert stopping.reason is Reason.STOPPING
    assert "it failed at b (declined: No money.), and is stopping; step ~: the undo of the run is to begin" in (
        stopping.sentence
    )
    assert undoing.reason is Reason.UNDOING
    assert "1 of 1 undos are left; the undo a~: celery@one executes undo.write@1" in undoing.sentence


def test_what_is_in_flight_when_a_run_stops_is_waited_for() -> None:
    """Because it may have to be undone."""
    around, run = started({**A, "compensation": "undo.write"}, behaviour={"do.write": die})
    lose_worker(around, run, "a")
    run.cancel("ordered twice", by="ann")

    found = run.why()

    assert found.sentence.startswith("it was cancelled by ann (cancelled: ordered twice), and is stopping; step a:")
    assert "its end is waited for, because it may have to be undone" in only(found).sentence


def test_an_undo_that_failed_waits_for_an_operator() -> None:
    """Who tries again, or says that it was done by hand."""
    around, run = failing(behaviour={"undo.write": lambda _: busy()}, compensation={"retry": {"max_attempts": 1}})
    around.work(run, "~")

    found = run.why()

    assert (found.reason, found.steps) == (Reason.UNDO_FAILED, ())
    assert found.sentence.endswith("; the undo of a failed, and waits for an operator")
    assert found.advice == "orchestrator undo run, or orchestrator waive run STEP"


def test_an_undo_by_hand_waits_for_an_operator() -> None:
    """Until then nothing is undone."""
    around, run = failing(compensation={"trigger": "manual"})
    around.work(run, "~")

    found = run.why()

    assert found.reason is Reason.UNDO_BY_HAND
    assert found.advice == "orchestrator undo run"


def test_a_run_that_is_over_does_not_move_any_more() -> None:
    """It says how it ended, and is not looked at."""
    around, run = started()
    around.work(run, "a")

    found = run.why()

    assert (found.reason, found.steps, found.next_look_at) == (Reason.OVER, (), None)
    assert found.sentence.startswith("it is over: it completed at ")


def test_no_answer_tells_a_secret() -> None:
    """Neither in an error nor in what an event is compared with."""
    retried = {**A, "retry": {"max_attempts": 3, "delay": "10m"}, "inputs": {"pin": "${input.pin}"}}

    def refuse(given: Any) -> Any:
        raise OperationError("busy", f"no: {given['pin']}")

    around = with_worker(Surroundings({"do.write": refuse}))
    around.publish(retried, redact=["input.pin"])
    run = around.start(input={"pin": "hunter2"}, run_id="run")
    around.work(run, "a")

    assert "no: [redacted]" in only(run.why()).sentence


def test_no_limit_tells_the_secret_that_it_counts_by() -> None:
    """Which stands in no field of the step."""
    around = with_worker(Surroundings({"do.write": die}))
    around.publish({**A, "limits": [{"key": "${input.pin}", "max": 1}]}, redact=["input.pin"])
    first, second = (around.start(input={"pin": "hunter2"}, run_id=run_id) for run_id in ("first", "second"))
    lose_worker(around, first, "a")
    around.work(second, "a")

    assert "at once for '[redacted]', held by first" in only(replace(second, limits=around.limits).why()).sentence


def test_why_of_no_run_is_an_error() -> None:
    """As with every other question."""
    with pytest.raises(UnknownRun):
        Surroundings().client.handle("nobody").why()


@pytest.fixture(autouse=True)
def _no_messages_are_left() -> Iterator[None]:
    """The memory broker is the process's."""
    yield
    from kombu.transport.memory import Transport  # noqa: PLC0415

    Transport.global_state.clear()
