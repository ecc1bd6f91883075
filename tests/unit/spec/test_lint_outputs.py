"""Reading an output that is missing on some path."""

from typing import Any

import pytest

from tests.unit.spec.linting import branches, choice, each, found, read, reading, rules

MISSING = "missing_output"
GUARD = "${has(steps.a.output) ? steps.a.output : null}"

MISSED: dict[str, list[dict[str, Any]]] = {
    "one way passes it by": [choice("q", "a", default="z"), read("a", on_success="z"), reading("z", "a")],
    "it failed": [read("a", on_failure="z", on_success="$end"), reading("z", "a", on_success="$fail")],
    "its failure rejoins": [
        read("a", on_success="z", on_failure="mend"),
        read("mend", on_success="z"),
        reading("z", "a"),
    ],
    "it comes later": [reading("z", "a"), read("a")],
    "it is itself": [reading("z", "z"), read("a")],
    "the first visit has none": [
        reading("z", "a", on_success="a", max_visits=3),
        read("a", on_success="q"),
        choice("q", "z"),
    ],
    "the loop came round and failed": [
        read("a", on_success="q", on_failure="z", max_visits=3),
        choice("q", "a"),
        reading("z", "a", on_success="$fail"),
    ],
    "it runs beside": [read("a"), reading("z", "b"), read("b", needs=["a"]), read("end", needs=["z", "b"])],
    "it may fail": [read("a", allow_failure=True), reading("z", "a", needs=["a"], run_if="all_done")],
    "it may be skipped": [read("a", when="input.x"), reading("z", "a", needs=["a"], run_if="all_done")],
    "it failed, or another": [read("a"), reading("z", "a", needs=["a"], run_if="any_failed")],
    "another was enough": [read("a"), read("b"), reading("z", "a", needs=["a", "b"], run_if="any_succeeded")],
    "a container reads itself": [branches("z", [reading("y", "z")])],
    "a branch reads what runs beside it": [read("a"), branches("z", [reading("y", "b")]), read("b", needs=["a"])],
}

READ: dict[str, list[dict[str, Any]]] = {
    "in a sequence": [read("a"), reading("z", "a")],
    "every way leads through it": [
        read("a", on_success="q"),
        choice("q", "left", default="right"),
        read("left", on_success="z"),
        read("right", on_success="z"),
        reading("z", "a"),
    ],
    "on a failure path of a later step": [
        read("a", on_success="b"),
        read("b", on_failure="z"),
        reading("z", "a", on_success="$fail"),
    ],
    "around a loop": [
        read("a", on_success="poll"),
        read("poll", on_success="q", max_visits=3),
        choice("q", "poll", default="z"),
        reading("z", "a", "poll"),
    ],
    "by needs": [read("a"), read("b", needs=["a"]), reading("z", "a", "b", needs=["b"])],
    "by any of two that both need it": [
        read("a"),
        read("b", needs=["a"]),
        read("c", needs=["a"]),
        reading("z", "a", needs=["b", "c"], run_if="any_succeeded"),
    ],
    "skipped with what it needs": [read("a", when="input.x"), reading("z", "a", needs=["a"])],
    "from within a container": [read("a"), branches("p", [each("m", reading("z", "a"))])],
    "guarded": [choice("q", "a", default="z"), read("a", on_success="z"), read("z", inputs={"x": GUARD})],
    "only its status": [
        choice("q", "a", default="z"),
        read("a", on_success="z"),
        read("z", inputs="${steps.a.status}"),
    ],
}


@pytest.mark.parametrize("steps", MISSED.values(), ids=MISSED)
def test_an_output_that_is_missing_on_some_path_is_an_error(steps: list[dict[str, Any]]) -> None:
    """Whatever the flow's style, and however the path came about."""
    broken = set(rules(*steps))

    assert {rule for rule, _ in broken} - {"needs_cycle"} == {MISSING}


@pytest.mark.parametrize("steps", READ.values(), ids=READ)
def test_an_output_that_is_there_or_asked_for_may_be_read(steps: list[dict[str, Any]]) -> None:
    """The near misses."""
    assert rules(*steps) == []


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ([read("a"), read("z")], False),
        ([choice("q", "a", default="$end"), read("a")], True),
        ([read("a", on_failure="$end", on_success="$end")], True),
        ([read("a", on_failure="$fail", on_success="$end")], False),
        ([read("a"), read("z", needs=["a"], when="input.x")], False),
        ([read("b"), read("a", needs=["b"], when="input.x")], True),
        ([read("b", when="input.x"), read("a", needs=["b"])], True),
        ([read("b", when="input.x"), read("a", needs=["b"], run_if="all_done")], False),
        ([read("b"), read("a", needs=["b"], run_if="any_failed")], True),
        ([read("b"), read("a", needs=["b"], allow_failure=True)], True),
    ],
)
def test_a_flows_output_reads_what_every_way_to_its_end_has_passed(steps: list[dict[str, Any]], missing: bool) -> None:
    """For a workflow as for a branch."""
    output = "${steps.a.output}"
    inner = {"id": "p", "parallel": {"branches": {"one": {"steps": steps, "output": output}}}}

    assert (rules(*steps, output=output) == [(MISSING, "")]) is missing
    assert (rules(inner) == [(MISSING, "p")]) is missing


def test_a_transition_sees_the_output_of_its_own_step_and_a_failure_route_does_not() -> None:
    """One is judged when the step has completed, the other when it has failed."""
    condition = "steps.a.output.x"

    assert rules(read("a", transitions=[{"when": condition, "to": "$fail"}], on_success="$end")) == []
    assert rules(read("a", on_failure=[{"when": condition, "to": "$end"}])) == [(MISSING, "a")]


def test_an_undo_reads_what_completed_before_its_step() -> None:
    """Not what came later, nor what a loop may have made fail since."""
    undo = {"operation": "do.undo", "inputs": {"x": "${steps.a.output}"}}
    looping = [read("a", on_success="b", max_visits=3), read("b", on_success="q", compensation=undo), choice("q", "a")]

    assert rules(read("a"), read("b", compensation=undo)) == []
    assert rules(read("b", compensation=undo), read("a")) == [(MISSING, "b")]
    assert rules(*looping) == [(MISSING, "b")]


def test_an_undo_within_a_container_does_not_read_what_a_loop_around_may_have_made_fail() -> None:
    """The run may be undone when the loop has come round."""
    undo = {"operation": "do.undo", "inputs": {"x": "${steps.a.output}"}}
    inner = branches("p", [read("b", compensation=undo)]) | {"on_success": "q"}

    assert rules(read("a", on_success="p", max_visits=3), inner, choice("q", "$fail")) == []
    assert rules(read("a", on_success="p", max_visits=3), inner, choice("q", "a")) == [(MISSING, "b")]


def test_a_shared_undo_reads_what_completed_before_each_of_its_steps() -> None:
    """One of them alone may have been done."""
    put_back = reading("put-back", "a")

    assert rules(read("a"), read("b", compensation="put-back"), read("c", compensation="put-back"), put_back) == []
    assert rules(read("b", compensation="put-back"), read("a"), read("c", compensation="put-back"), put_back) == [
        (MISSING, "put-back")
    ]


@pytest.mark.parametrize("guarded", [False, True])
def test_the_output_of_what_is_undone_should_be_asked_for(guarded: bool) -> None:
    """Its outcome may be unknown; a warning, as the step itself has been reached."""
    text = "${has(steps.b.output) ? steps.b.output : null}" if guarded else "${steps.b.output}"

    assert rules(read("b", compensation={"operation": "do.undo", "inputs": {"x": text}})) == (
        [] if guarded else [("undo_output", "b")]
    )


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("${undo.output}", True),
        ("${undo.output.id}", True),
        ("${has(undo.output.id) ? undo.output.id : ''}", True),
        ('${undo.outcome == "done" ? undo.output.id : ""}', False),
        ('${undo.output != null ? undo.output.id : ""}', False),
        ("${undo.idempotency_key}", False),
        ("${undo}", False),
    ],
)
def test_an_unguarded_read_of_undo_output_is_warned_about(text: str, warned: bool) -> None:
    """`has` of a part of null raises, so it is no guard."""
    in_object = rules(read("a", compensation={"operation": "do.undo", "inputs": {"x": text}}))
    in_step = rules(read("a", compensation="put-back"), read("put-back", inputs={"x": text}))

    assert in_object == ([("undo_output", "a")] if warned else [])
    assert in_step == ([("undo_output", "put-back")] if warned else [])


def test_the_message_shows_the_guard_to_write() -> None:
    """With the id as an expression can read it."""
    (problem,) = found(choice("q", "get-it", default="z"), read("get-it", on_success="z"), reading("z", "get_it"))

    assert "has(steps.get_it.output) ? steps.get_it.output : null" in problem.message
    assert problem.severity == "error"
