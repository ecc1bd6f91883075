from typing import Any

import pytest
from hypothesis import given, settings

from orchestrator.errors import SpecInvalid
from orchestrator.spec.lint import check
from orchestrator.spec.lint_operations import operations_named
from orchestrator.spec.loader import load_text
from orchestrator.spec.workflow import WorkflowSpec
from tests.unit.spec.linting import OPERATIONS, workflow
from tests.unit.spec.random_specs import connected, specs

WORK = {"operation": "x.y"}


def rules(*steps: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """Which rules are broken, and by which step."""
    return [(problem.rule, problem.step) for problem in check(workflow(*steps, **fields))]


def nested(depth: int) -> dict[str, Any]:
    """So many maps within each other."""
    inner = nested(depth - 1) if depth else WORK
    return {"map": {"items": "input", "steps": [{"id": f"s{depth}", **inner}]}} if depth else dict(WORK)


@pytest.mark.parametrize("name", ["1a", "a.b", "", "a b", "a" * 65, "é"])
def test_id_is_a_letter_and_at_most_63_more(name: str) -> None:
    """Letters, digits, `-` and `_`."""
    assert rules({"id": name, **WORK}) == [("invalid_id", name)]


def test_id_is_unique_in_the_whole_spec_with_dash_and_underscore_the_same() -> None:
    """Nested flows included."""
    inner = {"items": "input", "steps": [{"id": "pack_all", **WORK}]}

    problems = check(workflow({"id": "pack-all", **WORK}, {"id": "each", "map": inner}))

    assert [(p.rule, p.path) for p in problems] == [("duplicate_id", "steps[1].map.steps[0].id")]
    assert "`pack-all`" in problems[0].message


def test_flows_are_not_judged_while_two_steps_share_an_id() -> None:
    """A target could mean either, and the second problem would only confuse."""
    assert rules(*({"id": name, **WORK} for name in "aba")) == [("duplicate_id", "a")]


def test_containers_stand_at_most_five_deep() -> None:
    """The sixth is one too many."""
    assert rules({"id": "top", **nested(5)}) == []
    assert [rule for rule, _ in rules({"id": "top", **nested(6)})] == ["too_deep"]


def test_workflow_has_at_most_a_thousand_steps() -> None:
    """Nested ones count."""
    body = {"items": "input", "steps": [{"id": f"s{n}", **WORK} for n in range(999)]}

    assert rules({"id": "each", "map": body}) == []
    assert ("too_many_steps", "") in rules({"id": "each", "map": body}, {"id": "more", **WORK})


def test_step_is_exactly_one_thing() -> None:
    """One kind key, or `transitions` alone."""
    assert rules({"id": "a", **WORK, "wait": "1s"}) == [("several_kinds", "a")]
    assert rules({"id": "a"}) == [("missing_kind", "a")]
    assert rules({"id": "a", "transitions": [{"to": "$end"}]}) == []


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ({"wait": "1s"}, {"timeout": "1m"}),
        ({"wait": "1s"}, {"inputs": {"a": 1}}),
        ({"transitions": [{"to": "$end"}]}, {"sla": {"max_duration": "1m"}}),
        ({"transitions": [{"to": "$end"}]}, {"timeout": "1m"}),
        ({"workflow": "c.d"}, {"queue": "fast"}),
        ({"workflow": "c.d"}, {"heartbeat_timeout": "1m"}),
        ({"event": {"signal": "go"}}, {"retry": {"max_attempts": 2}}),
        ({"approval": {"users": ["ann"]}}, {"compensation": "x.y"}),
        ({"map": {"items": "input", "steps": [{"id": "b", **WORK}]}}, {"pivot": True}),
        ({"parallel": {"branches": {"b": [{"id": "b", **WORK}]}}}, {"priority": 1}),
    ],
)
def test_field_that_means_nothing_on_the_kind_is_an_error(kind: dict[str, Any], field: dict[str, Any]) -> None:
    """The message says where it belongs."""
    (problem,) = check(workflow({"id": "a", **kind, **field}))

    assert (problem.rule, problem.path) == ("wrong_field", f"steps[0].{next(iter(field))}")
    assert "it belongs to operation" in problem.message


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ({"event": {}}, "type_or_signal"),
        ({"event": {"type": "t", "signal": "s"}}, "type_or_signal"),
        ({"event": {"signal": "s", "filter": "event.x"}}, "wrong_field"),
        ({"approval": {}}, "nobody_to_ask"),
        ({"approval": {"users": ["ann"], "escalate": [{"after": "1h"}]}}, "nobody_to_ask"),
        ({"approval": {"groups": ["all"], "mode": "majority"}}, "mode_needs_users"),
        ({"wait": {}}, "invalid_wait"),
        ({"wait": {"until": "input.x", "duration": "5s"}}, "invalid_wait"),
        ({"parallel": {"branches": {"b": [{"id": "b", **WORK}]}, "join": 2}}, "join_out_of_range"),
        ({"map": {"items": "input", "item_name": "steps", "steps": [{"id": "b", **WORK}]}}, "invalid_item_name"),
        ({"map": {"items": "input", "item_name": "string", "steps": [{"id": "b", **WORK}]}}, "invalid_item_name"),
        ({**WORK, "limits": [{"key": "k"}]}, "max_or_rate"),
        ({**WORK, "limits": [{"key": "k", "max": 1, "rate": "1/s"}]}, "max_or_rate"),
        ({**WORK, "compensation": "no. such"}, "invalid_operation"),
        ({**WORK, "on_failure": [{"errors": ["run_timeout"], "to": "$end"}]}, "error_not_handled"),
        ({**WORK, "on_failure": [{"errors": ["cancelled"], "to": "$end"}]}, "error_not_handled"),
    ],
)
def test_fields_that_contradict_each_other_are_an_error(step: dict[str, Any], rule: str) -> None:
    """One problem, which names the rule."""
    assert rules({"id": "a", **step}) == [(rule, "a")]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"search": {f"n{n}": "input.x" for n in range(17)}}, "too_many_search_fields"),
        ({"redact": ["input..x"]}, "invalid_redact_path"),
        ({"limits": [{"key": "k"}]}, "max_or_rate"),
        ({"triggers": [{}]}, "schedule_or_event"),
        ({"triggers": [{"schedule": {"name": "n"}}]}, "one_of_cron_every_at"),
        ({"triggers": [{"schedule": {"name": "n", "every": "1h", "cron": "* * * * *"}}]}, "one_of_cron_every_at"),
        (
            {"triggers": [{"event": {"name": "n", "type": "t"}}, {"event": {"name": "n", "type": "u"}}]},
            "duplicate_trigger",
        ),
    ],
)
def test_workflow_fields_that_contradict_each_other_are_an_error(fields: dict[str, Any], rule: str) -> None:
    """The same for what belongs to no step."""
    assert rules({"id": "a", **WORK}, **fields) == [(rule, "")]


def test_every_bare_integer_under_a_second_is_warned_about() -> None:
    """Wherever a duration stands."""
    problems = check(
        workflow(
            {
                "id": "a",
                **WORK,
                "retry": {"max_attempts": 2, "delay": 5},
                "compensation": {"operation": "x.z", "timeout": 30},
            },
            {"id": "b", "wait": 10},
            sla={"max_duration": 30, "escalate": [{"after": 1, "to": "ops"}]},
            timeout="500ms",
        )
    )

    assert {p.rule for p in problems} == {"bare_milliseconds"}
    assert {p.severity for p in problems} == {"warning"}
    assert sorted(p.path for p in problems) == [
        "sla.escalate[0].after",
        "sla.max_duration",
        "steps[0].compensation.timeout",
        "steps[0].retry.delay",
        "steps[1].wait.duration",
    ]


@pytest.mark.parametrize("name", ["step1", "step_2", "Task-3", "foo", "operation1", "tmp", "map-2"])
def test_id_that_says_nothing_is_warned_about(name: str) -> None:
    """Who reads a run sees ids only."""
    (problem,) = check(workflow({"id": name, **WORK}))

    assert (problem.rule, problem.severity) == ("vague_id", "warning")


@pytest.mark.parametrize("name", ["a", "s1", "step1-charge", "foo-bar-9x", "wait", "approval", "task-force"])
def test_id_that_may_say_something_is_let_be(name: str) -> None:
    """Only what can be nothing but a number is named."""
    assert rules({"id": name, **WORK}) == []


@pytest.mark.parametrize(
    ("name", "good"), [("b" * 64, True), ("0_x-", True), ("b" * 65, False), ("-b", False), ("a.b", False), ("", False)]
)
def test_branch_is_named_by_letters_digits_dashes_and_underscores(name: str, good: bool) -> None:
    """At most 64, and it may begin with a digit."""
    step = {"id": "a", "parallel": {"branches": {name: [{"id": "b", **WORK}]}}}

    assert rules(step) == ([] if good else [("invalid_branch", "a")])


def test_problems_come_in_the_order_of_the_text() -> None:
    """Whichever rule found them."""
    text = """
meta: {key: a.b, version: 1.0.0}
steps:
  - {id: a, operation: x.y, inputs: {q: "${nobody}"}, timeout: 5}
  - {id: foo, operation: x.y, on_failure: nowhere}
"""
    with pytest.raises(SpecInvalid) as raised:
        load_text(text, "a.yaml")

    assert [(p.rule, p.line) for p in raised.value.problems] == [
        ("unknown_root", 4),
        ("bare_milliseconds", 4),
        ("vague_id", 5),
        ("unknown_step", 5),
    ]


@given(specs | specs.map(connected))
@settings(max_examples=100)
def test_no_spec_that_loads_makes_the_lint_raise(written: dict[str, Any]) -> None:
    """However little sense it makes, with and without operations."""
    spec = WorkflowSpec.model_validate(written)
    known = dict.fromkeys(operations_named(spec), OPERATIONS["do.write"])

    problems = check(spec, operations=known)

    assert set(check(spec)) <= set(problems)
