"""What a JSON Schema asks for, as a form can ask for it.

A part that a form cannot say (alternatives, free keys, tuples, what contains itself) is one field of JSON; the rest
has fields. Nothing is checked here: the API checks what is sent, by the schema itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MISSING: Final = object()
"""No value, where null would be one."""
DEEPEST: Final = 6
"""Objects and lists within each other; what is deeper is written as JSON."""

Schema = Mapping[str, Any]


class Kind(StrEnum):
    """How something is asked for."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"  # yes or no
    CHOICE = "choice"
    OBJECT = "object"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Shape:
    """One value that is asked for."""

    kind: Kind
    schema: Schema
    title: str = ""
    required: bool = False
    nullable: bool = False
    default: Any = MISSING
    choices: tuple[tuple[str, str], ...] = ()
    """JSON of a value → the word for it."""
    fields: tuple[tuple[str, Shape], ...] = ()
    item: Shape | None = None

    @property
    def hint(self) -> str:
        """What the schema says of it in words."""
        return str(self.schema.get("description") or "")

    @property
    def type_name(self) -> str:
        """The kind of value, in the schema's words."""
        if self.kind is Kind.NUMBER:
            return "integer" if self.schema.get("type") == "integer" else "number"
        return {Kind.FLAG: "boolean", Kind.CHOICE: "one of", Kind.JSON: "JSON"}.get(self.kind, "")


def shape_of(schema: Schema | None, *, required: bool = True) -> Shape:
    """The form of a whole schema; of none: any JSON object."""
    root = schema or {"type": "object"}
    return _Reader(root).shape(root, required=required)


@dataclass(frozen=True, slots=True)
class _Reader:
    root: Schema

    def shape(
        self, given: Any, *, name: str = "", required: bool = False, seen: frozenset[str] = frozenset(), depth: int = 0
    ) -> Shape:
        schema, nullable, seen = self._plain(given, seen)
        kind = _kind(schema) if depth < DEEPEST or _kind(schema) not in (Kind.OBJECT, Kind.LIST) else Kind.JSON
        fields: tuple[tuple[str, Shape], ...] = ()
        item: Shape | None = None
        if kind is Kind.OBJECT:
            wanted = frozenset(_texts(schema.get("required")))
            fields = tuple(
                (one, self.shape(inner, name=one, required=one in wanted, seen=seen, depth=depth + 1))
                for one, inner in schema["properties"].items()
            )
        if kind is Kind.LIST:
            item = self.shape(schema["items"], required=True, seen=seen, depth=depth + 1)
        return Shape(
            kind,
            schema,
            str(schema.get("title") or name),
            required,
            nullable,
            schema.get("default", MISSING),
            _choices(schema) if kind is Kind.CHOICE else (),
            fields,
            item,
        )

    def _plain(self, given: Any, seen: frozenset[str]) -> tuple[Schema, bool, frozenset[str]]:
        """The schema with references followed and null taken out of its alternatives; whether it allows null."""
        schema: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
        nullable = False
        while True:
            if isinstance(schema.get("$ref"), str):
                reference = schema.pop("$ref")
                if reference in seen:  # it contains itself
                    return {key: schema[key] for key in ("title", "description") if key in schema}, nullable, seen
                seen |= {reference}
                schema = {**self._found(reference), **schema}
                continue
            found = _only_alternative(schema)
            if found is None:
                break
            key, inner, with_null = found
            nullable = nullable or with_null
            del schema[key]
            schema = {**inner, **schema}
        if isinstance(schema.get("type"), list):
            types = [one for one in schema["type"] if one != "null"]
            nullable = nullable or len(types) < len(schema["type"])
            schema["type"] = types[0] if len(types) == 1 else types
        return schema, nullable, seen

    def _found(self, reference: str) -> dict[str, Any]:
        here: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            here = here.get(name) if isinstance(here, Mapping) and name else here
        return dict(here) if isinstance(here, Mapping) and reference.startswith("#") else {}


def _only_alternative(schema: Schema) -> tuple[str, Schema, bool] | None:
    """The one alternative that is not null, the word that it stands under, and whether null was another."""
    for key in ("allOf", "anyOf", "oneOf"):
        inner = schema.get(key)
        if not isinstance(inner, list):
            continue
        left = [one for one in inner if not (isinstance(one, Mapping) and one.get("type") == "null")]
        if len(left) == 1 and isinstance(left[0], Mapping):
            return key, left[0], len(left) < len(inner) and key != "allOf"
    return None


def _kind(schema: Schema) -> Kind:
    if _choices(schema):
        return Kind.CHOICE
    if any(key in schema for key in ("allOf", "anyOf", "oneOf", "not", "prefixItems", "patternProperties")):
        return Kind.JSON
    kind = schema.get("type")
    if kind in (None, "object") and isinstance(schema.get("properties"), Mapping) and schema["properties"]:
        return Kind.OBJECT
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return Kind.LIST
    if not isinstance(kind, str):
        return Kind.JSON
    kinds = {"string": Kind.TEXT, "integer": Kind.NUMBER, "number": Kind.NUMBER, "boolean": Kind.FLAG}
    return kinds.get(kind, Kind.JSON)


def _choices(schema: Schema) -> tuple[tuple[str, str], ...]:
    """The values that there are to choose from: of an enum, a const, or constants that have titles."""
    if isinstance(schema.get("enum"), list):
        return tuple((json.dumps(one), _word(one)) for one in schema["enum"])
    if "const" in schema:
        return ((json.dumps(schema["const"]), _word(schema["const"])),)
    for key in ("oneOf", "anyOf"):
        inner = schema.get(key)
        if isinstance(inner, list) and inner and all(isinstance(one, Mapping) and "const" in one for one in inner):
            return tuple((json.dumps(one["const"]), str(one.get("title") or _word(one["const"]))) for one in inner)
    return ()


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _texts(value: Any) -> Sequence[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
