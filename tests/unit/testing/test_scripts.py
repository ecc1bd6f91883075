"""What scripts make operations do, and which script is played."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from orchestrator import Effect, operation
from orchestrator.testing import (
    Harness,
    InvalidScript,
    UnexpectedCall,
    UnusedScripts,
    always,
    delay,
    doubled,
    effect_then_crash,
    fail,
    ok,
    raises,
    real,
    worker_lost,
)
from tests.unit.testing.conftest import FlowOf

A = {"id": "a", "operation": "do.one"}
TWICE = {"max_attempts": 2, "delay": "10s", "backoff": "constant"}


@operation("harness.double", version="1.0.0", effect=Effect.NONE)
def double(given: dict[str, int]) -> dict[str, int]:
    """Twice the number."""
    return {"number": given["number"] * 2}


def test_a_script_gives_the_output(flow_of: FlowOf) -> None:
    """`ok` is what the operation returns."""
    flow = flow_of(A).script("do.one", ok({"id": 7}))

    assert flow.run().output == {"id": 7}


def test_a_script_may_look_at_the_input(flow_of: FlowOf) -> None:
    """A function is given the step's input, as JSON."""
    flow = flow_of({**A, "inputs": {"n": "${input.n}"}}).script("a", ok(lambda given: given["n"] + 1))

    assert flow.run({"n": 1}).output == 2


def test_scripts_are_played_in_order(flow_of: FlowOf) -> None:
    """One action a call: the first attempt fails, the second does not."""
    flow = flow_of({**A, "retry": TWICE}).script("a", fail("busy"), ok())

    run = flow.run()

    assert (run.status, run.attempts("a")) == ("completed", 2)


def test_the_nearest_script_is_played_first(flow_of: FlowOf) -> None:
    """A step's own script goes before its operation's."""
    flow = flow_of(A, {"id": "b", "operation": "do.one"}).script("do.one", always(ok("any"))).script("b", ok("own"))

    run = flow.run()

    assert (run.step("a").output, run.step("b").output) == ("any", "own")


@pytest.mark.parametrize("target", ["a~", "undo.one", "undo.one@1", "put-back"])
def test_an_undo_is_named_by_address_operation_or_compensating_step(flow_of: FlowOf, target: str) -> None:
    """Whatever the author of the test thinks of it as."""
    undone = {**A, "compensation": "put-back"}
    flow = flow_of(undone, {"id": "b", "operation": "do.two"}, {"id": "put-back", "operation": "undo.one@1"})
    flow.script("a", ok()).script("b", fail("no")).script(target, ok())

    assert flow.run().undos == ["a"]


def test_an_exception_of_a_write_leaves_its_outcome_unknown(flow_of: FlowOf) -> None:
    """So the step that raised it is undone."""
    flow = flow_of({**A, "compensation": "undo.one"}).script("a", raises(ConnectionError("gone"))).script("a~", ok())

    run = flow.run()

    assert (run.error["code"], run.undos) == ("ConnectionError", ["a"])


def test_real_operations_run_their_own_code(harness: Harness, flow_of: FlowOf) -> None:
    """In turn with scripts, if need be."""
    doubling = {"operation": "harness.double", "inputs": {"number": 21}}
    flow = flow_of({"id": "a", **doubling}, {"id": "b", **doubling}).script("a", real()).real(double)

    run = flow.run()

    assert [run.step(step).output for step in "ab"] == [{"number": 42}, {"number": 42}]


def test_the_alarm_of_the_process_is_kept(flow_of: FlowOf) -> None:
    """It is the test runner's, which cuts tests that hang: its handler and the time that is left."""
    flow = flow_of({"id": "a", "operation": "harness.double", "inputs": {"number": 21}}).real()
    handler, timer = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 3600)

    try:
        flow.run()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_an_input_that_the_operation_refuses_plays_no_script(flow_of: FlowOf) -> None:
    """The step fails with `invalid_input`, as it does in a worker."""
    flow = flow_of({"id": "a", "operation": "harness.double", "inputs": {"number": "${input.n}"}})

    run = flow.run({"n": "many"})

    assert (run.status, run.error["code"]) == ("failed", "invalid_input")


def test_a_call_without_a_script_fails_the_test(flow_of: FlowOf) -> None:
    """At the call, by its name, with what it was given."""
    flow = flow_of({**A, "inputs": {"n": 1}})

    with pytest.raises(UnexpectedCall, match=r"step a calls do\.one .*attempt 1.*\{'n': 1\}"):
        flow.run()


def test_a_call_beyond_the_last_action_fails_the_test(flow_of: FlowOf) -> None:
    """A script says everything, unless its last action is for `always`."""
    flow = flow_of({**A, "retry": TWICE}).script("a", fail("busy"))

    with pytest.raises(UnexpectedCall, match=r"call 2, attempt 2"):
        flow.run()


def test_a_script_that_was_not_played_fails_the_test(flow_of: FlowOf, harness: Harness) -> None:
    """Each is named as it was written."""
    flow = flow_of(A).script("a", ok(), fail("late"))
    flow.run()

    with pytest.raises(UnusedScripts, match=r"test\.flow a: fail\('late'\)"):
        harness.check()

    flow.run()


def test_an_action_for_always_is_to_be_played_once_at_least(flow_of: FlowOf, harness: Harness) -> None:
    """It may stand for a call that the author was sure of."""
    flow = flow_of(A).script("a", always(ok()))

    with pytest.raises(UnusedScripts, match=r"a: always\(ok\(\)\)"):
        harness.check()

    flow.run()


@pytest.mark.parametrize(
    ("target", "action", "message"),
    [
        ("b", ok(), r"there is no step 'b'; did you mean"),
        ("do.two", ok(), r"no step .* calls 'do\.two'; did you mean do\.one"),
        ("pause", ok(), "is a wait"),
        ("a~", ok(), "has no compensation"),
        ("!", ok(), "neither"),
        ("a", real(), "not in any module"),
        ("bb", ok({"number": "many"}), r"harness\.double cannot give ok\(.*number: .*integer"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused(flow_of: FlowOf, target: str, action: Any, message: str) -> None:
    """Where it is written, not where it would have been played."""
    doubling = {"id": "bb", "operation": "harness.double", "inputs": {"number": 1}}
    flow = flow_of(A, {"id": "pause", "wait": "1s"}, doubling)

    with pytest.raises(InvalidScript, match=message):
        flow.script(target, action)


def test_what_a_function_gives_must_fit_too(flow_of: FlowOf) -> None:
    """It is known at the call only."""
    flow = flow_of({"id": "a", "operation": "harness.double", "inputs": {"number": 1}}).script("a", ok(lambda _: "x"))

    with pytest.raises(InvalidScript, match=r"harness\.double cannot give"):
        flow.run()


def test_nothing_is_played_after_always(flow_of: FlowOf) -> None:
    """What would stand behind it is a mistake."""
    flow = flow_of(A).script("a", always(ok()))

    with pytest.raises(InvalidScript, match=r"nothing is played after always\(ok\(\)\)"):
        flow.script("a", ok())

    flow.run()


@pytest.mark.parametrize(
    ("action", "written"),
    [
        (ok({"id": 1}), 'ok({"id": 1})'),
        (delay("5s", fail("busy")), "delay('0:00:05', fail('busy'))"),
        (always(effect_then_crash(ok(1))), "always(effect_then_crash(ok(1)))"),
        (doubled(worker_lost()), "doubled(worker_lost())"),
        (raises(KeyError("x")), "raises(KeyError('x'))"),
    ],
)
def test_an_action_is_shown_as_it_was_written(action: Any, written: str) -> None:
    """So that a complaint can be found in the test."""
    assert str(action) == written
