# ruff: noqa: A006 - `input` is the name of a root
# ruff: noqa: E501 - a lambda beside its text
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.expressions import render
from orchestrator.spec.recorder import NotPortable, record_condition, record_value

ROOTS = ("ctx", "error", "input", "steps", "undo")


@pytest.mark.parametrize(
    ("fn", "recorded"),
    [
        (
            lambda ctx, input: {"userId": ctx.user_id, "paymentMethodId": input.payment_method_id},
            {"userId": "${ctx.user_id}", "paymentMethodId": "${input.payment_method_id}"},
        ),
        (
            lambda ctx, input, steps: {"amount": input.amount, "paymentMethodId": input.payment_method_id},
            {"amount": "${input.amount}", "paymentMethodId": "${input.payment_method_id}"},
        ),
        (
            lambda ctx, input, steps: {"to": ctx.user_email, "data": steps["charge-payment"].output},
            {"to": "${ctx.user_email}", "data": '${steps["charge-payment"].output}'},
        ),
        (lambda undo: {"chargeKey": undo.idempotency_key}, {"chargeKey": "${undo.idempotency_key}"}),
        (lambda ctx, error: {"to": ctx.user_id, "reason": error.code}, {"to": "${ctx.user_id}", "reason": "${error.code}"}),
        (lambda error: {"reason": error.code}, {"reason": "${error.code}"}),
    ],
)  # fmt: skip
def test_the_lambdas_of_the_payment_flow_are_recorded(fn: Callable[..., Any], recorded: object) -> None:
    """Arguments are chosen by name, in any order; what is read becomes `${…}` as one would write it by hand."""
    assert record_value(fn, ROOTS) == recorded


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (lambda input: input.amount > 10, "input.amount > 10"),
        (lambda input: 10 < input.amount, "input.amount > 10"),  # noqa: SIM300 - Python turns it round
        (lambda input: (input.a + 1) * 2 - -3, "(input.a + 1) * 2 - -3"),
        (lambda input: input.a + 1 * 2 + input.b, "input.a + 2 + input.b"),
        (lambda input: 2 - (input.a - 1), "2 - (input.a - 1)"),
        (lambda input: 10 % input.a / 2.0, "10 % input.a / 2.0"),
        (lambda input: -(input.a + 1), "-(input.a + 1)"),
        (lambda input: ~(input.a > 1) & (input.b == 'x"y') | ~input.c, '!(input.a > 1) && input.b == "x\\"y" || !input.c'),
        (lambda input: (input.a | input.b) & True, "(input.a || input.b) && true"),
        (lambda input: (input.a > 1) == (input.b > 2), "input.a > 1 == (input.b > 2)"),
        (lambda input: input.name.startswith("a"), 'input.name.startsWith("a")'),
        (lambda input: (input.a + input.b).size() > 0, "(input.a + input.b).size() > 0"),
        (lambda input: input.tags != ["x", input.y, None], 'input.tags != ["x", input.y, null]'),
        (lambda input: input.o == {"a": [True]}, 'input.o == {"a": [true]}'),
        (lambda input: input.lines[0].sku == "a" + input.b, 'input.lines[0].sku == "a" + input.b'),
        (lambda input: input.prices[input.sku] > 1, "input.prices[input.sku] > 1"),
        (lambda input: input.size, "input.size"),
        (lambda input: getattr(input, "null"), 'input["null"]'),  # noqa: B009 - no name in CEL
    ],
)  # fmt: skip
def test_a_condition_is_recorded_as_one_would_write_it(fn: Callable[..., Any], text: str) -> None:
    """Operators keep their meaning with as few parentheses as CEL's precedence allows."""
    assert record_condition(fn, ROOTS) == text


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (lambda input: "a" if input.a else "b", "write & for and"),
        (lambda input: input.a and input.b, "write & for and"),
        (lambda input: not input.a, "write & for and"),
        (lambda input: 1 < input.a < 3, "chained"),
        (lambda input: input.a in [1, 2], "`in`"),
        (lambda input: 1 in input.a, "contains"),
        (lambda input: (input.a > 1) | 5, "parentheses around comparisons"),
        (lambda input: [x for x in input.l], "iteration of input.l"),  # noqa: C416 - a loop, as authors write it
        (lambda input: len(input.a), "len"),
        (lambda input: int(input.a), "int"),
        (lambda input: float(input.a), "float"),
        (lambda input: round(input.a), "round"),
        (lambda input: input.a // 2, "//"),
        (lambda input: {input.a: 1}, "dictionary key"),
        (lambda input: {f"{input.a}": 1}, "keys are literal"),
        (lambda input: {1: 2}, "keys are texts"),
        (lambda input: input.name.upper(), "the methods are contains"),
        (lambda input: input.lines[-1], "an index from 0"),
        (lambda input: input.lines[0:1], "an index from 0"),
        (lambda input: input.a + 2**70, "no literal"),
        (lambda input: f"{input.a:.2f}", "format"),
        (lambda input: f"{input.a!r}", "joined text"),
        (lambda input: f"Hello {input.a}".lower(), "joined text"),
        (lambda input: f"{input.a}".upper(), "joined text"),
        (lambda input: f"{input.a}".replace("a", "b"), "joined text"),
        (lambda input: "x" + f"{input.a}" + input.b, "join it with"),
        (lambda input: date(2030, 1, 1), "not a JSON value"),
        (lambda input: {"a": {1}}, "not a JSON value"),
        (lambda input: "".join([input.a, input.b]), "TypeError"),  # noqa: FLY002 - joined as authors may
        (lambda payload: payload.a, "no payload to read here; the arguments can be ctx, error, input, steps, undo"),
    ],
)
def test_what_cannot_be_recorded_is_not_portable(fn: Callable[..., Any], says: str) -> None:
    """Nothing is recorded wrongly in silence: the error names what was tried, and where it belongs."""
    with pytest.raises(NotPortable) as caught:
        record_value(fn, ROOTS)

    assert says in caught.value.message
    assert "belongs in an operation" in caught.value.message
    assert caught.value.code == "not_portable"


def test_an_f_string_becomes_a_joined_template() -> None:
    """Its literal `${` is escaped, and a dollar before a value stays a dollar."""
    recorded = record_value(lambda input: f"Pay ${input.amount}, not ${{x}}, {input.name}", ROOTS)

    assert recorded == 'Pay ${"$"}${input.amount}, not $${x}, ${input.name}'
    assert render(recorded, {"input": {"amount": 5, "name": "Ada"}}) == "Pay $5, not ${x}, Ada"


@given(st.lists(st.text(alphabet="$${}a\"'\\ ", max_size=6), min_size=2, max_size=4))
def test_a_recorded_text_renders_as_the_f_string_would(literals: list[str]) -> None:
    """Whatever stands around the values, rendering gives what Python's own join gives."""
    recorded = record_value(lambda input: f"{input.a}".join(literals), ROOTS)

    assert render(recorded, {"input": {"a": "<v>"}}) == "<v>".join(literals)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_literal_text_in_an_expression_is_that_text(text: str) -> None:
    """Quotes, backslashes and control characters survive being written as CEL."""
    recorded = record_value(lambda input: input.a + text, ROOTS)

    assert render(recorded, {"input": {"a": ""}}) == text


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> Callable[[Any, Any], Any]:
    """An arithmetic function of two whole numbers."""
    if depth == 0 or draw(st.booleans()):
        leaf = draw(st.sampled_from(["a", "b", -2, 3]))
        return lambda a, b: {"a": a, "b": b}.get(leaf, leaf) if isinstance(leaf, str) else leaf
    left, right = draw(sums(depth - 1)), draw(sums(depth - 1))
    sign = draw(st.sampled_from("+-*~"))
    return {
        "+": lambda a, b: left(a, b) + right(a, b),
        "-": lambda a, b: left(a, b) - right(a, b),
        "*": lambda a, b: left(a, b) * right(a, b),
        "~": lambda a, b: -left(a, b),
    }[sign]


@given(sums(), st.integers(-9, 9), st.integers(-9, 9))
def test_recorded_arithmetic_gives_what_python_gives(fn: Callable[[Any, Any], Any], a: int, b: int) -> None:
    """Parentheses stand wherever precedence needs them."""
    recorded = record_value(lambda input: fn(input.a, input.b), ROOTS)

    assert render(recorded, {"input": {"a": a, "b": b}}) == fn(a, b)
