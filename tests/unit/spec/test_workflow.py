from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from orchestrator.errors import SpecInvalid
from orchestrator.spec.kinds import Child, Wait
from orchestrator.spec.operations import Effect, Operation
from orchestrator.spec.workflow import (
    Branch,
    Compensation,
    FailureRoute,
    Map,
    Meta,
    Parallel,
    Step,
    StepKind,
    Transition,
    WorkflowSpec,
    define_workflow,
)


class Order(BaseModel):
    """An input whose JSON has another name than its field."""

    total_cents: int = Field(alias="totalCents")


def workflow(*steps: Any, **fields: Any) -> WorkflowSpec:
    """A workflow of these steps."""
    return define_workflow(meta={"key": "order.ship", "version": "1.0.0"}, steps=steps, **fields)


def charge(value: Any) -> Any:
    """What an operation does is not looked at here."""
    return value


CHARGE = Operation(charge, "payments.charge", "1.0.0", Effect.WRITE, idempotent=True)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"operation": "x.y"}, StepKind.OPERATION),
        ({"parallel": {"branches": {"a": [{"id": "b", "operation": "x.y"}]}}}, StepKind.PARALLEL),
        ({"map": {"items": "input", "steps": [{"id": "b", "operation": "x.y"}]}}, StepKind.MAP),
        ({"wait": 0}, StepKind.WAIT),
        ({"event": {"signal": "go"}}, StepKind.EVENT),
        ({"approval": {"users": ["ann"]}}, StepKind.APPROVAL),
        ({"workflow": "a.b"}, StepKind.WORKFLOW),
        ({"transitions": [{"to": "$end"}]}, StepKind.CHOICE),
    ],
)
def test_kind_follows_from_the_kind_key(fields: dict[str, Any], kind: StepKind) -> None:
    """It may be written too, and is not stored."""
    step = Step(id="a", **fields)

    assert step.kind is kind
    assert Step.model_validate({"id": "a", "kind": str(kind), **fields}) == step


def test_written_kind_must_be_true() -> None:
    """A step that says it is something else is refused."""
    with pytest.raises(ValidationError, match="contradicts what the step is: wait"):
        Step.model_validate({"id": "a", "kind": "map", "wait": "1s"})


def test_our_names_may_be_camel_case_and_names_in_data_never_change() -> None:
    """`workflowId` is `meta.key`."""
    written = {
        "meta": {"workflowId": "a.b", "version": "1.0.0"},
        "outputSchema": {"type": "object", "properties": {"someThing": {}}},
        "steps": [{"id": "a", "operation": "x.y", "inputs": {"userId": 1, "onSuccess": 2}, "onSuccess": "$end"}],
    }

    spec = WorkflowSpec.model_validate(written)

    assert spec.meta.key == "a.b"
    assert spec.output_schema == written["outputSchema"]
    assert spec.steps[0].inputs == {"userId": 1, "onSuccess": 2}
    assert spec.steps[0].on_success == "$end"


def test_one_field_in_both_spellings_is_given_twice() -> None:
    """Neither wins."""
    with pytest.raises(ValidationError, match="`on_success` is given twice"):
        Step.model_validate({"id": "a", "operation": "x.y", "on_success": "b", "onSuccess": "c"})


def test_unknown_field_names_the_nearest_one_of_its_model() -> None:
    """All of them are reported, together with what else is wrong."""
    with pytest.raises(SpecInvalid) as raised:
        workflow({"id": "a", "operation": "x.y", "on_succes": "b", "retry": {"attempts": 3}})

    assert [(p.rule, p.path, p.step) for p in raised.value.problems] == [
        ("unknown_field", "steps[0].on_succes", "a"),
        ("unknown_field", "steps[0].retry.attempts", "a"),
        ("missing_field", "steps[0].retry.max_attempts", "a"),
    ]
    assert "the nearest is `max_attempts`" in raised.value.problems[1].message


def test_operation_is_stored_as_its_key() -> None:
    """An object or a reference, with a major version or without."""
    assert Step(id="a", operation=CHARGE).operation == "payments.charge"
    assert Step(id="a", operation="payments.charge@2").operation == "payments.charge@2"


@pytest.mark.parametrize("text", ["charge", "payments.charge@latest", "payments.", ""])
def test_what_is_no_operation_reference_is_refused(text: str) -> None:
    """It has at least one dot, and a number after `@`."""
    with pytest.raises(ValidationError, match="is not an operation reference"):
        Step(id="a", operation=text)


def test_lambdas_become_expressions_of_their_place() -> None:
    """`${…}` in data, bare where the field is an expression."""
    step = Step(
        id="each",
        map=Map(
            items=lambda input: input.lines,  # noqa: A006  # the root's name
            steps=[Step(id="pack", operation="x.y", inputs=lambda item: {"sku": item.sku, "label": f"#{item.n}"})],
            output=lambda steps: steps["pack"].output,
        ),
        transitions=[{"when": lambda ctx: ctx.level > 3, "to": "$end"}],
    )

    assert step.map is not None
    assert step.map.items == "input.lines"
    assert step.map.steps[0].inputs == {"sku": "${item.sku}", "label": "#${item.n}"}
    assert step.map.output == '${steps["pack"].output}'
    assert step.transitions[0].when == "ctx.level > 3"


def test_lambda_inside_data_is_recorded_too() -> None:
    """A mapping may mix constants and lambdas."""
    assert Step(id="a", operation="x.y", inputs={"n": 1, "of": lambda ctx: ctx.id}).inputs == {
        "n": 1,
        "of": "${ctx.id}",
    }


def test_lambda_that_decides_is_not_portable() -> None:
    """What cannot be recorded is reported with the step that it belongs to."""
    with pytest.raises(SpecInvalid) as raised:
        workflow({"id": "a", "operation": "x.y", "inputs": lambda ctx: 1 if ctx.vip else 2})

    assert [(p.rule, p.step) for p in raised.value.problems] == [("not_portable", "a")]


def test_pydantic_models_become_schemas_by_alias() -> None:
    """As they validate, not as they serialize."""
    spec = workflow(Step(id="a", operation="x.y"), input=Order, ctx=Order)

    assert spec.input is not None
    assert list(spec.input["properties"]) == ["totalCents"]
    assert spec.ctx == spec.input


@pytest.mark.parametrize("schema", [{"type": "thing"}, {"$ref": "https://example.com/a.json"}, ["object"]])
def test_schema_must_be_one_and_stand_alone(schema: Any) -> None:
    """JSON Schema 2020-12, with `$ref` inside it only."""
    with pytest.raises(SpecInvalid) as raised:
        workflow(Step(id="a", operation="x.y"), input=schema)

    assert [p.rule for p in raised.value.problems] == ["invalid_schema"]


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("2d", Wait(duration=timedelta(days=2))),
        (5000, Wait(duration=timedelta(seconds=5))),
        (timedelta(minutes=1), Wait(duration=timedelta(minutes=1))),
        ("${input.delay}", Wait(expression="${input.delay}")),
        (lambda input: input.delay, Wait(expression="${input.delay}")),  # noqa: A006  # the root's name
        ({"until": "input.due"}, Wait(until="input.due")),
    ],
)
def test_wait_is_a_duration_an_expression_or_a_moment(written: Any, wait: Wait) -> None:
    """In each of its forms."""
    assert Step(id="a", wait=written).wait == wait


@pytest.mark.parametrize(
    ("written", "child"),
    [
        ("a.b", Child(key="a.b", version="latest")),
        ("a.b@latest", Child(key="a.b")),
        ("a.b@1.2.0", Child(key="a.b", version="1.2.0")),
        ({"key": "a.b", "version": "^1.2.0", "detach": True}, Child(key="a.b", version="^1.2.0", detach=True)),
    ],
)
def test_child_is_named_by_key_and_version(written: Any, child: Child) -> None:
    """The latest, if no version is said."""
    assert Step(id="a", workflow=written).workflow == child


def test_branch_may_be_a_list_of_steps() -> None:
    """It stands for the branch with these steps and no output of its own."""
    parallel = Parallel(branches={"Left Side": [Step(id="a", operation="x.y")]})

    assert parallel.branches == {"Left Side": Branch(steps=[Step(id="a", operation="x.y")])}


def test_compensation_is_a_step_an_operation_or_an_object() -> None:
    """A dot tells an operation reference from a step id."""
    undo = Compensation(operation="payments.charge", inputs={"key": "${undo.idempotency_key}"})

    assert Step(id="a", operation="x.y", compensation="refund").compensation == "refund"
    assert Step(id="a", operation="x.y", compensation=CHARGE).compensation == "payments.charge"
    assert Step(id="a", operation="x.y", compensation={"operation": CHARGE, "inputs": undo.inputs}).compensation == undo


def test_on_failure_reads_as_routes_in_either_form() -> None:
    """A target alone takes every error."""
    route = FailureRoute(to="b", errors=["declined"], when="error.code != 'x'")

    assert Step(id="a", operation="x.y").failure_routes == ()
    assert Step(id="a", operation="x.y", on_failure="b").failure_routes == (FailureRoute(to="b", errors=("*",)),)
    assert Step(id="a", operation="x.y", on_failure=[route]).failure_routes == (route,)


def test_on_success_is_the_last_of_the_transitions_without_a_condition() -> None:
    """So that the first true one wins, and it is the default."""
    step = Step(id="a", operation="x.y", transitions=[{"when": "input.big", "to": "b", "label": "big"}], on_success="c")

    assert step.success_transitions == (Transition(when="input.big", to="b", label="big"), Transition(to="c"))


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "x.y", "priority": 10},
        {"operation": "x.y", "pivot": "yes"},
        {"operation": "x.y", "timeout": 0},
        {"operation": "x.y", "max_visits": 0},
        {"operation": "x.y", "inputs": [1]},
        {"operation": "x.y", "inputs": {"n": 2**53}},
        {"operation": "x.y", "inputs": {"n": float("inf")}},
        {"operation": "x.y", "inputs": {1: "n"}},
        {"operation": "x.y", "inputs": {"when": timedelta(1)}},
        {"operation": "x.y", "inputs": {"half": "\ud800"}},
        {"map": {"items": "input", "steps": []}},
        {"map": {"items": "input", "steps": [{"id": "b", "wait": 0}], "tolerate": "101%"}},
        {"parallel": {"branches": {}}},
        {"parallel": {"branches": {"a": [{"id": "b", "wait": 0}]}, "join": 0}},
        {"workflow": "nodot"},
        {"workflow": "a.b@newest"},
    ],
)
def test_values_outside_their_range_are_refused(fields: dict[str, Any]) -> None:
    """Numbers, flags, data that JSON cannot carry, empty containers, wrong keys."""
    with pytest.raises(ValidationError):
        Step(id="a", **fields)


@pytest.mark.parametrize("wrong", [{"key": "nodot"}, {"version": "1.0"}, {"stability": "shaky"}])
def test_meta_is_checked(wrong: dict[str, str]) -> None:
    """A dotted key, a semantic version, a known stability."""
    with pytest.raises(ValidationError):
        Meta(**{"key": "a.b", "version": "1.0.0", **wrong})


def test_models_are_immutable() -> None:
    """A spec never changes once it is made."""
    step = Step(id="a", operation="x.y")

    with pytest.raises(ValidationError, match="frozen"):
        step.id = "b"  # type: ignore[misc]
