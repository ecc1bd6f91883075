"""What a schema asks for, as a list to be read: names, types, what must be given, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from orchestrator.dashboard.forms.drawing import said_of
from orchestrator.dashboard.forms.shape import Kind, Schema, Shape, shape_of
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.dashboard.look.markup import tag
from orchestrator.dashboard.look.table import Column, static_table

_TYPES = {
    Kind.TEXT: "string",
    Kind.FLAG: "boolean",
    Kind.OBJECT: "object",
    Kind.LIST: "list",
    Kind.CHOICE: "one of",
    Kind.JSON: "JSON",
}


def outline(title: str, schema: Schema | None, *, nothing: str = "Any object.") -> Markup:
    """The schema as a table; as JSON where it is no object with named properties."""
    shape = shape_of(schema)
    head = tag("h3", title)
    if schema is None:
        return tag("section", head, tag("p", nothing, class_="hint"), class_="box")
    if shape.kind is not Kind.OBJECT:
        return tag("section", head, tag("div", json_view(dict(schema)), class_="json"), class_="box")
    rows = [
        (
            tag("span", tag("code", name), class_=f"indent-{min(depth, 3)}"),
            _type(one),
            "required" if one.required else "",
            said_of(one),
        )
        for depth, name, one in _walk(shape, 0)
    ]
    columns = (Column("Name", "main"), Column("Type"), Column(""), Column("", "wide"))
    return tag("section", head, static_table(title, columns, rows), class_="box outline")


def _walk(shape: Shape, depth: int) -> Iterator[tuple[int, str, Shape]]:
    for name, one in shape.fields:
        yield depth, name, one
        inner = one.item if one.kind is Kind.LIST else one
        if inner is not None and inner.kind is Kind.OBJECT:
            yield from _walk(inner, depth + 1)


def _type(shape: Shape) -> str:
    if shape.kind is Kind.CHOICE:
        return " | ".join(word for _, word in shape.choices)
    if shape.kind is Kind.NUMBER:
        name = shape.type_name
    elif shape.kind is Kind.LIST and shape.item is not None:
        name = f"list of {_type(shape.item)}"
    else:
        name = _TYPES[shape.kind]
    form = f" ({shape.schema['format']})" if isinstance(shape.schema.get("format"), str) else ""
    return name + form + (" or null" if shape.nullable else "")
