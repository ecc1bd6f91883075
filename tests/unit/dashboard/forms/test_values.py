"""Between values and the texts of a form's fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dashboard.forms.shape import MISSING, Kind, Shape, shape_of
from orchestrator.dashboard.forms.values import can_say, gather, spread

ORDER = {
    "type": "object",
    "required": ["customer", "lines", "paid"],
    "properties": {
        "customer": {"type": "string", "minLength": 1},
        "priority": {"enum": ["low", "high", 3]},
        "paid": {"type": "boolean"},
        "gift": {"type": "boolean"},
        "weight": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "address": {"$ref": "#/$defs/Address"},
        "lines": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["sku"],
                "properties": {
                    "sku": {"type": "string"},
                    "count": {"type": "integer", "default": 1},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "a/b#c~d": {"type": "string"},
        "meta": {"type": "object"},
    },
    "$defs": {"Address": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}},
}

texts = st.text(min_size=1, max_size=5).filter(lambda text: "\r" not in text)
plain = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda one: st.lists(one, max_size=2))
orders = st.fixed_dictionaries(
    {
        "customer": texts,
        "paid": st.booleans(),
        "lines": st.lists(
            st.fixed_dictionaries(
                {"sku": texts, "count": st.integers()},
                optional={"tags": st.lists(texts | st.just(""), min_size=1, max_size=3)},
            ),
            max_size=3,
        ),
    },
    optional={
        "priority": st.sampled_from(["low", "high", 3]),
        "gift": st.booleans(),
        "weight": st.floats(allow_nan=False, allow_infinity=False),
        "address": st.fixed_dictionaries({"city": texts}),
        "a/b#c~d": texts,
        "meta": st.dictionaries(texts, plain, max_size=3),
    },
)


def fields(shape: Shape) -> dict[str, Shape]:
    """The fields of an object's shape."""
    return dict(shape.fields)


@given(orders)
def test_what_a_form_says_is_what_it_was_filled_in_with(order: dict[str, Any]) -> None:
    """Spread over fields and gathered again, a value is the same, whatever its texts hold."""
    shape = shape_of(ORDER)

    assert can_say(shape, order, "input")
    assert gather(shape, spread(shape, order, "input"), "input") == (order, [])


def test_what_a_form_has_no_field_for_it_cannot_say() -> None:
    """Another key, another type, null where none is expected: these stay JSON."""
    shape = shape_of(ORDER)
    order = {"customer": "ada", "paid": True, "lines": [{"sku": "x", "count": 1}]}

    assert can_say(shape, order, "input")
    for other in ({"more": 1}, {"customer": 7}, {"gift": None}, {"address": {"city": "x", "zip": 1}}):
        assert not can_say(shape, order | other, "input")


def test_a_form_begins_with_the_defaults_and_as_many_items_as_there_must_be() -> None:
    """And nothing that may be left out is given."""
    shape = shape_of(ORDER)

    found, problems = gather(shape, spread(shape, MISSING, "input"), "input")

    assert (found, problems) == ({"paid": False, "lines": [{"count": 1}]}, [])


def test_items_keep_their_order_where_others_were_taken_away() -> None:
    """The numbers in the names need not follow each other."""
    shape = shape_of({"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}})
    flat = {"in/names#2": "yes", "in/names/2": "b", "in/names#10": "yes", "in/names/10": "c"}

    assert gather(shape, flat, "in") == ({"names": ["b", "c"]}, [])


@pytest.mark.parametrize(("text", "value"), [("12", 12), ("1.5", 1.5), ("twelve", "twelve"), ("NaN", "NaN")])
def test_what_is_no_number_stays_as_it_was_typed(text: str, value: object) -> None:
    """Whoever checks the value says what is wrong with it."""
    shape = shape_of({"type": "object", "properties": {"n": {"type": "integer"}}})

    assert gather(shape, {"in/n": text}, "in") == ({"n": value}, [])


def test_what_is_no_json_is_told_with_its_path() -> None:
    """And is not given at all."""
    shape = shape_of({"type": "object", "properties": {"meta": {"type": "object"}}})

    found, (problem,) = gather(shape, {"in/meta": "{"}, "in")

    assert (found, problem["path"]) == ({}, "in.meta")


def test_what_contains_itself_is_written_as_json_where_it_does() -> None:
    """A form has an end."""
    tree = {"$defs": {"T": {"type": "object", "properties": {"left": {"$ref": "#/$defs/T"}}}}, "$ref": "#/$defs/T"}

    shape = shape_of(tree)

    assert (shape.kind, fields(shape)["left"].kind) == (Kind.OBJECT, Kind.JSON)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": ["string", "null"]}, Kind.TEXT),
        ({"type": ["string", "integer"]}, Kind.JSON),
        ({"const": 3}, Kind.CHOICE),
        ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}, Kind.CHOICE),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, Kind.JSON),
        ({"allOf": [{"type": "boolean"}]}, Kind.FLAG),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, Kind.JSON),
        ({"type": "object"}, Kind.JSON),
        ({"$ref": "https://example.com/other"}, Kind.JSON),
        (True, Kind.JSON),
    ],
)
def test_each_part_of_a_schema_has_the_field_that_can_say_it(schema: Any, kind: Kind) -> None:
    """What no field can say is JSON."""
    shape = shape_of({"type": "object", "properties": {"x": schema}})

    assert fields(shape)["x"].kind is kind


def test_a_workflow_that_asks_for_nothing_takes_any_json() -> None:
    """There is one field, for all of it."""
    shape = shape_of(None)

    assert (shape.kind, gather(shape, {"input": '{"a": 1}'}, "input")) == (Kind.JSON, ({"a": 1}, []))
