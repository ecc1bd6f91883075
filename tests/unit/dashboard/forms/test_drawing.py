"""The fields of forms as HTML."""

from __future__ import annotations

from orchestrator.client.inputs import checked_input
from orchestrator.dashboard.forms.drawing import draw_fields
from orchestrator.dashboard.forms.shape import MISSING, shape_of
from orchestrator.dashboard.forms.values import gather, spread
from orchestrator.errors import InvalidInput

SCHEMA = {
    "type": "object",
    "required": ["name", "lines"],
    "properties": {
        "name": {"type": "string", "title": "<b>Name</b>"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"count": {"type": "integer"}}}},
        "meta": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
    },
}


def refused(flat: dict[str, str]) -> str:
    """The form again, with what the client's own check says of it."""
    shape = shape_of(SCHEMA)
    value, _ = gather(shape, flat, "input")
    try:
        checked_input(value, SCHEMA, 10_000)
    except InvalidInput as error:
        return str(draw_fields(shape, flat, "input", error.details["problems"]))
    raise AssertionError(value)


def test_each_problem_stands_at_its_field() -> None:
    """A missing one at the field that is empty, one of a list at the item, one within JSON at that."""
    drawn = refused({"input/lines#4": "yes", "input/lines/4/count": "two", "input/meta": '{"a": 1}'})

    for name, message in (
        ("input%2Fname", "&#39;name&#39; is a required property"),
        ("input%2Flines%2F4%2Fcount", "&#39;two&#39; is not of type &#39;integer&#39;"),
        ("input%2Fmeta", "input.meta.a: 1 is not of type &#39;string&#39;"),
    ):
        assert f'<div id="field-{name}-wrong" class="wrongs"><small class="wrong">{message}' in drawn
    assert drawn.count('class="wrong"') == 3
    assert 'value="two"' in drawn


def test_texts_of_a_schema_stay_texts() -> None:
    """Whatever a title holds, it is no markup."""
    shape = shape_of(SCHEMA)

    drawn = draw_fields(shape, spread(shape, MISSING, "input"), "input")

    assert "<b>Name</b>" not in drawn
    assert "&lt;b&gt;Name&lt;/b&gt;" in drawn
