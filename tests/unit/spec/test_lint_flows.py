from typing import Any

import pytest

from orchestrator.spec.lint import check
from orchestrator.spec.workflow import WorkflowSpec
from tests.unit.spec.linting import workflow


def work(name: str, **fields: Any) -> dict[str, Any]:
    """An operation step as it is written."""
    return {"id": name, "operation": "x.y", **fields}


def rules(*steps: dict[str, Any]) -> list[tuple[str, str]]:
    """Which rules are broken, and where."""
    return [(problem.rule, problem.step) for problem in check(workflow(*steps))]


def test_sequence_with_handlers_and_undo_has_no_problem() -> None:
    """Members, a handler that fails the flow, one that rejoins, a compensating step."""
    assert not rules(
        work("a", on_failure="give-up"),
        work("b", on_failure="mend", compensation="undo"),
        work("c"),
        work("give-up", on_success="$fail"),
        work("mend", on_success="c"),
        work("undo"),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"on_success": "nowhere"},
        {"on_failure": "nowhere"},
        {"on_failure": [{"errors": ["x"], "to": "nowhere"}]},
        {"transitions": [{"when": "input.x", "to": "nowhere"}]},
        {"needs": ["nowhere"]},
        {"compensation": "nowhere"},
    ],
)
def test_name_that_nothing_bears_is_an_error(fields: dict[str, Any]) -> None:
    """In each of the places where a step is named."""
    assert ("unknown_step", "a") in rules(work("a", **fields))


def test_targets_are_steps_of_the_same_flow() -> None:
    """Not of a branch, nor of the flow around."""
    inner = {"items": "input", "steps": [work("b", on_failure="c", compensation="d")]}

    found = rules({"id": "a", "map": inner, "on_failure": "b"}, work("c"), work("d"))

    assert found == [("unknown_step", "a"), ("unknown_step", "b"), ("unknown_step", "b")]


def test_target_must_be_spelled_as_the_id_is() -> None:
    """The message offers the id that is like it."""
    spec = {"meta": {"key": "a.b", "version": "1.0.0"}, "steps": [work("a", on_success="pack_all"), work("pack-all")]}

    problems = check(WorkflowSpec.model_validate(spec))

    assert "did you mean `pack-all`?" in problems[0].message


def test_step_that_nothing_reaches_is_an_error() -> None:
    """In a transition flow a step is reached through a target only."""
    assert rules(work("a", on_success="c"), work("b"), work("c")) == [("unreachable", "b")]


def test_step_with_a_target_that_no_failure_leads_to_is_unreachable_in_a_sequence() -> None:
    """It stands outside, and so it has to be led to."""
    assert rules(work("a"), work("b", on_success="c"), work("c")) == [("unreachable", "b")]
    assert rules(work("a"), work("b", on_success="$end")) == [("unreachable", "b")]


def test_chain_of_handlers_stands_outside_the_sequence_and_is_reached() -> None:
    """A handler may lead to another step that says where it goes."""
    assert not rules(work("a", on_failure="x"), work("b"), work("x", on_success="y"), work("y", on_success="$fail"))


@pytest.mark.parametrize("end", ["$end", "$fail", "b"])
def test_failure_path_ends_in_writing_or_rejoins(end: str) -> None:
    """`$end`, `$fail`, or a step of the main path."""
    assert not rules(work("a", on_success="b", on_failure="mend"), work("b"), work("mend", on_success=end))


def test_failure_path_that_just_stops_is_an_error() -> None:
    """Directly at the target, or later on."""
    assert rules(work("a", on_failure="x"), work("b"), work("x")) == [("open_failure_path", "x")]
    assert rules(work("a", on_success="b", on_failure="x"), work("b"), work("x", on_success="y"), work("y")) == [
        ("open_failure_path", "y")
    ]


def test_loop_needs_max_visits_on_the_step_it_returns_to() -> None:
    """Another step of the loop will not do."""
    again = {"id": "again", "transitions": [{"when": "input.x", "to": "poll"}], "on_success": "$end"}

    assert rules(work("poll", on_success="again"), again) == [("unbounded_loop", "poll")]
    assert rules(work("poll", on_success="again"), {**again, "max_visits": 3}) == [("unbounded_loop", "poll")]
    assert not rules(work("poll", on_success="again", max_visits=3), again)


def test_step_that_leads_to_itself_is_a_loop() -> None:
    """By success or by failure."""
    assert rules(work("a", on_failure="a")) == [("unbounded_loop", "a")]


@pytest.mark.parametrize(
    "fields", [{"on_success": "c"}, {"on_failure": "c"}, {"transitions": [{"to": "c"}]}, {"max_visits": 2}]
)
def test_needs_flow_has_no_targets(fields: dict[str, Any]) -> None:
    """Never both styles in one flow."""
    assert ("mixed_styles", "a") in rules(work("a", **fields), work("b", needs=["a"]), work("c"))


def test_needs_flow_has_no_choice() -> None:
    """Its conditions are `when` and `run_if`."""
    choice = {"id": "a", "transitions": [{"to": "$end"}]}

    assert ("mixed_styles", "a") in rules(choice, work("b", needs=["a"]))


def test_each_flow_may_have_its_own_style() -> None:
    """A needs flow within a sequence."""
    body = {"items": "input", "steps": [work("b"), work("c", needs=["b"], allow_failure=True)]}

    assert not rules(work("a"), {"id": "each", "map": body})


def test_steps_that_need_each_other_are_an_error() -> None:
    """And so is what needs them."""
    found = rules(work("a", needs=["b"]), work("b", needs=["a"]), work("c", needs=["a"]))

    assert found == [("needs_cycle", "a"), ("unreachable", "c")]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"on_success": "$end"}, "compensating_step_leads_on"),
        ({"on_failure": "$fail"}, "compensating_step_leads_on"),
        ({"needs": ["a"]}, "compensating_step_leads_on"),
        ({"compensation": "x.z"}, "compensating_step_leads_on"),
        ({"operation": None, "wait": "1s"}, "compensating_step_kind"),
    ],
)
def test_compensating_step_is_an_operation_and_leads_nowhere(fields: dict[str, Any], rule: str) -> None:
    """No targets, no `needs`, no `compensation`."""
    assert rules(work("a", compensation="undo"), {**work("undo"), **fields}) == [(rule, "undo")]


def test_compensating_step_is_reached_in_no_other_way() -> None:
    """Neither as a target nor as what is needed."""
    undo = work("undo")

    assert ("compensating_step_reached", "a") in rules(work("a", compensation="undo", on_failure="undo"), undo)
    assert ("compensating_step_reached", "b") in rules(work("a", compensation="undo"), work("b", needs=["undo"]), undo)


def test_flow_of_compensating_steps_only_has_no_entry() -> None:
    """A step cannot undo itself."""
    assert ("no_entry", "") in rules(work("a", compensation="a"))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"transitions": [{"to": "b"}, {"when": "input.x", "to": "$end"}]}, "transitions[1]"),
        ({"transitions": [{"when": "true", "to": "b"}], "on_success": "$end"}, "on_success"),
        ({"transitions": [{"when": "input.x", "to": "b"}] * 2, "on_success": "$end"}, "transitions[1]"),
        ({"on_success": "b", "on_failure": [{"to": "$end"}, {"errors": ["x"], "to": "$fail"}]}, "on_failure[1]"),
        (
            {
                "on_success": "b",
                "on_failure": [{"errors": [code], "to": "$end"} for code in "xy"] + [{"errors": ["y", "x"], "to": "b"}],
            },
            "on_failure[2]",
        ),
    ],
)
def test_transition_that_is_never_taken_is_warned_about(fields: dict[str, Any], path: str) -> None:
    """After one without a condition, after the same condition, after routes that catch all of its errors."""
    problems = check(workflow(work("a", **fields), work("b")))

    assert [(problem.rule, problem.path, problem.severity) for problem in problems] == [
        ("shadowed_transition", f"steps[0].{path}", "warning")
    ]


def test_routes_that_catch_something_of_their_own_are_not_shadowed() -> None:
    """Another code, another condition, or the rest."""
    routes = [
        {"errors": ["x"], "when": "input.y", "to": "$end"},
        {"errors": ["x"], "to": "b"},
        {"errors": ["x", "y"], "to": "$end"},
        {"errors": ["*"], "to": "$fail"},
    ]

    assert not rules(work("a", on_success="b", on_failure=routes), work("b"))


def test_conditions_without_a_default_are_warned_about() -> None:
    """A step that finds no way on fails."""
    conditional = [{"when": "input.x", "to": "b"}, {"when": "!input.x", "to": "$end"}]

    assert rules(work("a", transitions=conditional), work("b")) == [("no_default", "a")]
    assert not rules(work("a", transitions=conditional, on_success="$fail"), work("b"))
    assert not rules(work("a", transitions=[*conditional, {"to": "$fail"}]), work("b"))
