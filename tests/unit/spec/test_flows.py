from typing import Any

from orchestrator.spec.flows import END, FAIL, FlowShape, flows_of, read_flow
from orchestrator.spec.workflow import FailureRoute, Meta, Step, Transition, WorkflowSpec


def work(name: str, **fields: Any) -> Step:
    """An operation step."""
    return Step(id=name, operation="x.y", **fields)


def goes(shape: FlowShape, step: str) -> list[str]:
    """Where the step leads on success."""
    return [transition.to for transition in shape.next[step]]


def test_first_step_without_targets_makes_a_sequence_in_the_order_listed() -> None:
    """Each member leads to the next one listed, and the last completes the flow."""
    shape = read_flow([work("a"), work("b"), work("c")])

    assert (shape.style, shape.entry, shape.order) == ("sequence", "a", ("a", "b", "c"))
    assert [goes(shape, step) for step in "abc"] == [["b"], ["c"], [END]]


def test_first_step_with_on_success_makes_every_step_say_where_it_goes() -> None:
    """In a transition flow a step without a target completes the flow, whatever is listed after it."""
    shape = read_flow([work("a", on_success="c"), work("b"), work("c")])

    assert shape.style == "transitions"
    assert [goes(shape, step) for step in "abc"] == [["c"], [END], [END]]
    assert shape.unreachable == ("b",)


def test_first_step_with_transitions_makes_a_transition_flow() -> None:
    """The entry's `transitions` decide as its `on_success` does."""
    choice = Step(id="a", transitions=[{"when": "input.x", "to": "c"}], on_success="b")

    shape = read_flow([choice, work("b"), work("c")])

    assert shape.style == "transitions"
    assert shape.next["a"] == (Transition(to="c", when="input.x"), Transition(to="b"))


def test_compensating_step_listed_first_is_not_the_entry() -> None:
    """The entry is the first step listed, compensating ones aside."""
    shape = read_flow([work("undo"), work("a", compensation="undo"), work("b")])

    assert (shape.entry, shape.order) == ("a", ("a", "b"))
    assert shape.compensating == {"undo"}


def test_on_failure_does_not_take_a_step_out_of_the_sequence() -> None:
    """Only `transitions` and `on_success` do."""
    shape = read_flow([work("a", on_failure=FAIL), work("b", on_failure=END), work("c")])

    assert shape.order == ("a", "b", "c")
    assert shape.failure["a"] == (FailureRoute(to=FAIL),)


def test_failure_target_stands_outside_the_sequence() -> None:
    """The step before it leads over it to the next member."""
    shape = read_flow([work("a", on_failure="mend"), work("mend"), work("c")])

    assert shape.order == ("a", "c")
    assert goes(shape, "a") == ["c"]
    assert shape.failure_path == {"mend"}


def test_step_with_on_success_stands_outside_the_sequence() -> None:
    """Nothing leads to it unless a failure does."""
    shape = read_flow([work("a"), work("b", on_success="c"), work("c")])

    assert shape.order == ("a", "c")
    assert shape.unreachable == ("b",)


def test_compensating_step_stands_outside_the_sequence() -> None:
    """It is no member and no step that something must lead to."""
    shape = read_flow([work("a", compensation="undo"), work("undo"), work("c")])

    assert shape.order == ("a", "c")
    assert shape.unreachable == ()
    assert "undo" not in shape.next


def test_handler_that_rejoins_a_sequence_goes_on_in_it() -> None:
    """The member it names leads on as ever, and is no failure path."""
    shape = read_flow([work("a", on_failure="mend"), work("b"), work("c"), work("mend", on_success="c")])

    assert shape.order == ("a", "b", "c")
    assert goes(shape, "mend") == ["c"]
    assert shape.failure_path == {"mend"}
    assert shape.main == {"a", "b", "c"}


def test_failure_path_that_stops_without_saying_so_is_an_open_end() -> None:
    """A written `$end` closes it; nothing written leaves it open."""
    steps = [work("a", on_failure="x"), work("x", on_failure="y", on_success=END), work("y")]

    shape = read_flow(steps)

    assert shape.failure_path == {"x", "y"}
    assert shape.failure_path & shape.open_ends == {"y"}


def test_loop_returns_to_the_step_that_it_came_through() -> None:
    """The edge that closes the loop, and all that can come round."""
    poll = Step(id="done", transitions=[{"when": "input.x", "to": "out"}], on_success="poll")

    shape = read_flow([work("in", on_success="poll"), work("poll", on_success="done"), poll, work("out")])

    assert shape.returns == (("done", "poll"),)
    assert shape.cycles == (("poll", "done"),)


def test_failure_can_close_a_loop_too() -> None:
    """A handler that goes back to the step that failed."""
    shape = read_flow([work("a", on_success="b"), work("b", on_failure="mend"), work("mend", on_success="b")])

    assert shape.cycles == (("b", "mend"),)


def test_one_step_with_needs_makes_a_needs_flow() -> None:
    """Whatever the first step says."""
    shape = read_flow([work("a"), work("b", needs=["a"]), work("c")])

    assert (shape.style, shape.entry, shape.next) == ("needs", "a", {})


def test_steps_that_need_each_other_can_never_begin() -> None:
    """Nor can what needs one of them."""
    shape = read_flow([work("a", needs=["b"]), work("b", needs=["a"]), work("c", needs=["b"]), work("d")])

    assert shape.cycles == (("a", "b"),)
    assert shape.unreachable == ("a", "b", "c")


def test_long_sequence_is_read_without_recursion() -> None:
    """A thousand steps are allowed."""
    shape = read_flow([work(f"s{number}", on_success=f"s{number + 1}") for number in range(999)] + [work("s999")])

    assert len(shape.main) == 1000


def test_flows_of_a_spec_come_outer_before_inner_with_their_places() -> None:
    """The workflow's flow, each branch, each map body; all know what stands around them."""
    body = {"items": "input.lines", "steps": [{"id": "c", "operation": "x.y"}]}
    branches = {"left": [work("a")], "right": {"steps": [{"id": "b", "map": body}]}}
    spec = WorkflowSpec(meta=Meta(key="a.b", version="1.0.0"), steps=[{"id": "p", "parallel": {"branches": branches}}])

    flows = list(flows_of(spec))

    left = ("steps", 0, "parallel", "branches", "left")
    right = ("steps", 0, "parallel", "branches", "right")
    assert [flow.path for flow in flows] == [(), left, right, (*right, "steps", 0, "map")]
    assert [flow.depth for flow in flows] == [0, 1, 1, 2]
    assert flows[3].around is flows[2]
