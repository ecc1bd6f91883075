import json
from typing import Any

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ExpressionError
from orchestrator.spec.expressions import (
    Expression,
    ExpressionSyntax,
    check_template,
    compile_template,
    expression,
    render,
    step_root,
    template_expressions,
)

ROOTS = {
    "input": {"amount": 12, "name": "Ada", "price": 1.5, "lines": [{"sku": "x"}], "none": None},
    "ctx": {"vip": True},
    "steps": step_root({"charge-payment": {"output": {"id": 7}, "status": "completed"}}),
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b-c", "é"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("input.amount", 12),
        ("input.amount > 10 && ctx.vip", True),
        ("input.lines[0].sku", "x"),
        ("input.none", None),
        ('steps["charge-payment"].output.id', 7),
        ("steps.charge_payment.output.id + 1", 8),
        ("input.lines.map(l, l.sku)", ["x"]),
        ("has(steps.later.output) ? steps.later.output : 'no'", "no"),
        ("{'a': [1, 2.0, null]}", {"a": [1, 2.0, None]}),
        ("1 > 0.5", True),
    ],
)
def test_an_expression_gives_plain_json(text: str, value: object) -> None:
    """CEL's values come back as JSON has them."""
    assert expression(text).evaluate(ROOTS) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("input.missing", "there is no 'missing'"),
        ("input.missing + 1", "there is no missing"),
        ("input.lines[5]", "there is no 5"),
        ("input.name[0]", "cannot be read of a text"),
        ("input.none.x", "cannot be read of null"),
        ("undo.outcome", "undo is not available here"),
        ("undo.outcome + ''", "undo"),
        ("steps.later.output", "there is no"),
        ("input.amount + 1.5", "converts nothing by itself"),
        ("1 / 0", "division by zero"),
        ("1.0 / 0.0", "not a JSON number"),
        ("{1: 2}", "the key 1"),
        ("timestamp('2030-01-01T00:00:00Z')", "datetime"),
        ("duration('1h')", "timedelta"),
        ("[b'x']", "bytes"),
    ],
)
def test_an_expression_that_raises_says_why_and_which(text: str, says: str) -> None:
    """The error has the cause and the text, whatever the binding raised."""
    with pytest.raises(ExpressionError) as caught:
        expression(text).evaluate(ROOTS)

    assert says in caught.value.message
    assert caught.value.message.endswith(text)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("1 +", 1, 4, "ends too early"),
        ("", 1, 1, "missing"),
        ("${input.amount}", 1, 1, "written without"),
        ("ctx.a\n  + )", 2, 5, "mismatched input ')'"),
        ("1 + now()", 1, 5, "no function now"),
        ("1 +\n 'a'.upper()", 2, 6, "no function upper"),
        (".input.a", 1, 1, "begin with a dot"),
    ],
)
def test_a_syntax_error_has_its_place(text: str, line: int, column: int, says: str) -> None:
    """Line and column count from 1 within the expression; a function that does not exist is a syntax error too."""
    with pytest.raises(ExpressionSyntax, match=says.replace(")", r"\)")) as caught:
        expression(text)

    assert (caught.value.line, caught.value.column, caught.value.text) == (line, column, text)


def test_a_condition_never_passes_by_error() -> None:
    """Only true passes, only false does not; anything else raises."""
    assert expression("ctx.vip").holds(ROOTS) is True
    assert expression("input.amount > 100").holds(ROOTS) is False
    for text in ("input.amount", "input.name", "input.none", "input.lines", "input.missing"):
        with pytest.raises(ExpressionError):
            expression(text).holds(ROOTS)


@given(JSON_VALUES)
def test_a_plain_read_gives_what_cel_gives(value: Any) -> None:
    """The short way for plain reads and CEL agree, for every JSON value."""
    roots = {"input": {"value": [value]}}

    assert expression("input.value[0]").evaluate(roots) == cel.compile("input.value[0]").execute(roots)


def test_only_what_is_read_is_given_to_cel() -> None:
    """CEL would convert all that it is given; here that would raise."""
    steps = {"a": {"status": "completed", "output": object()}, "b": object()}

    assert expression("steps.a.status == 'completed'").holds({"steps": steps, "input": object()})


def test_an_expression_is_compiled_once() -> None:
    """The same text is the same object."""
    assert expression("input.amount + 41") is expression("input.amount + 41")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${input.amount}", 12),
        ("n=${input.amount}", "n=12"),
        ("${input.name}${input.name}", "AdaAda"),
        ("${ctx.vip} ${input.none} ${input.price}", "true null 1.5"),
        ("l: ${input.lines}", 'l: [{"sku":"x"}]'),
        ("$${input.amount}", "${input.amount}"),
        ("$$${a} $ $$", "$${a} $ $$"),
        ("${input.amount}$${x}", "12${x}"),
        ("${ {'a': {'b': '}'}}['a'].b }!", "}!"),
        ("${'${'}", "${"),
        ({"a": ["${input.amount}", "x"], "${k}": 1}, {"a": [12, "x"], "${k}": 1}),
        (5, 5),
    ],
)
def test_a_template_renders(template: object, value: object) -> None:
    """One `${…}` keeps its type, several join as text, `$${` is a plain `${`, keys are literal."""
    assert render(template, ROOTS) == value


@pytest.mark.parametrize("template", ["${input.a", "${'}", "a ${ {'b': 1} "])
def test_an_expression_that_is_not_closed_is_refused(template: str) -> None:
    """The end of `${…}` is a brace of its own, outside texts and inner braces."""
    with pytest.raises(ExpressionSyntax):
        compile_template(template)


def test_parts_without_expressions_are_not_copied() -> None:
    """What renders as itself costs nothing, whole or as a part."""
    plain = {"rows": [1, 2, 3]}

    assert render(plain, {}) is plain
    assert render({"a": plain, "b": "${1}"}, {})["a"] is plain


def test_expressions_are_listed_with_their_paths() -> None:
    """A linter can say where each stands."""
    found = template_expressions({"to": "${ctx.a} ${ctx.b}", "rows": [{"x": "${input.c}"}], "n": 1}, "inputs")

    assert [(path, one.text) for path, one in found] == [
        ("inputs.to", "ctx.a"),
        ("inputs.to", "ctx.b"),
        ("inputs.rows[0].x", "input.c"),
    ]
    assert all(isinstance(one, Expression) for _, one in found)


def test_checking_a_template_finds_all_that_is_wrong_at_once() -> None:
    """One wrong text hides no other, nor the expressions that are right."""
    found, wrong = check_template({"a": "${1 +}", "b": ["${input.x}", "${"]}, "output")

    assert [path for path, _ in found] == ["output.b[0]"]
    assert [path for path, _ in wrong] == ["output.a", "output.b[1]"]


@given(JSON_VALUES)
def test_joined_values_are_written_as_json(value: Any) -> None:
    """In a longer text, anything but a text reads back as the JSON that it was."""
    joined = render("=${input}", {"input": value})

    assert joined[1:] == value if isinstance(value, str) else json.loads(joined[1:]) == value


def test_a_step_with_a_dash_is_also_given_with_an_underscore() -> None:
    """`steps.charge_payment` and `steps["charge-payment"]` are the same record."""
    assert step_root({"a-b": 1, "c": 2}) == {"a-b": 1, "a_b": 1, "c": 2}
