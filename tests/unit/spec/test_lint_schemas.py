"""What a JSON Schema certainly cannot hold."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from orchestrator.spec.lint_schemas import misfits, unknown_part


class Line(BaseModel):
    """A closed part."""

    model_config = ConfigDict(extra="forbid")

    sku: str
    count: int = 1


class Order(BaseModel):
    """A closed whole, which may hold another."""

    model_config = ConfigDict(extra="forbid")

    lines: list[Line] = []
    total: float | None = None
    ready: bool = False
    tags: dict[str, str] = {}
    main: Line | None = None
    mode: Literal["fast", "slow"] | int = "fast"
    inner: "Order | None" = None


SCHEMA = TypeAdapter(Order).json_schema()
LOOP = {"anyOf": [{"$ref": "#"}, {"$ref": "#/nowhere"}], "$ref": "#"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"lines": "x"}, [("wrong_input", "lines")]),
        ({"lines": [{"sku": "s"}, {}]}, [("missing_input", "lines.1")]),
        ({"lines": [{"sku": "s", "cuont": 2}]}, [("unknown_input", "lines.0.cuont")]),
        ({"total": "much"}, [("wrong_input", "total")]),
        ({"ready": "maybe"}, [("wrong_input", "ready")]),
        ({"tags": {"a": 1, "b": "x"}}, [("wrong_input", "tags.a")]),
        ({"main": {}}, [("missing_input", "main")]),
        ({"main": 5}, [("wrong_input", "main")]),
        ({"inner": {"inner": {"lines": 1}}}, [("wrong_input", "inner.inner.lines")]),
        ({"lines": "all ${input.lines}"}, [("wrong_input", "lines")]),
        ({"ready": None, "x": 1}, [("wrong_input", "ready"), ("unknown_input", "x")]),
        ([], [("wrong_input", "")]),
    ],
)
def test_what_cannot_fit_is_told_with_its_place(value: Any, expected: list[tuple[str, str]]) -> None:
    """At any depth, and all of it."""
    found = misfits(value, SCHEMA, ())

    assert [(one.rule, ".".join(map(str, one.path))) for one in found] == expected


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"lines": "${input.lines}"},
        {"lines": ["${input.line}", {"sku": "s-${input.n}", "count": "12"}]},
        {"total": "1.5", "ready": "yes", "mode": "fast"},
        {"total": None, "main": None, "inner": {"inner": {}}},
        {"total": 1, "ready": 1, "lines": [{"sku": "$${plain}", "count": 2.0}]},
        {"main": {"sku": "${1 +}"}},
        "${input}",
    ],
)
def test_what_may_fit_is_let_pass(value: Any) -> None:
    """What is computed, and what the types that read it are generous with."""
    assert misfits(value, SCHEMA, ()) == []


@pytest.mark.parametrize(
    "schema", [None, True, {}, LOOP, {"additionalProperties": False, "patternProperties": {"^x": {}}}]
)
def test_a_schema_that_leaves_everything_open_takes_everything(schema: Any) -> None:
    """One that refers to itself without end included."""
    assert misfits({"x": [1, {"y": None}]}, schema, ()) == []
    assert unknown_part(schema, ("x", 0, "y")) is None


def test_a_required_field_with_a_default_may_be_left_out() -> None:
    """It is filled in."""
    schema = {"properties": {"a": {"default": 1}, "b": {}}, "required": ["a", "b"]}

    assert [one.message for one in misfits({}, schema, ())] == ["`b` is required here and is not given; add it"]


@pytest.mark.parametrize(
    ("path", "lacking"),
    [
        (("lines", 0, "sku"), None),
        (("tags", "anything"), None),
        (("inner", "inner", "main", "count"), None),
        (("lines", "first"), (1, "")),
        (("total", "cents"), (1, "")),
        (("line",), (0, "; did you mean `lines`?")),
        (("lines", 0, "size"), (2, "")),
        (("inner", "main", "skus"), (2, "; did you mean `sku`?")),
    ],
)
def test_a_path_leads_as_far_as_closed_parts_have_the_next_key(path: Any, lacking: tuple[int, str] | None) -> None:
    """Through references, lists and alternatives."""
    assert unknown_part(SCHEMA, path) == lacking
