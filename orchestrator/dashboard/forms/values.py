"""Between a value and the texts of a form's fields, by their names.

A name is a JSON Pointer behind the form's own name: `input/lines/0/sku`. A list's items are told apart by numbers that
need not follow each other, each with a field `input/lines#0` that says that it is there; an object that may be left
out has a field of its own name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.dashboard.forms.shape import MISSING, Kind, Shape

HERE: Final = "yes"
"""The value of a field that only says that something is there."""
_FEWEST: Final = 20
"""Items that a form begins with, at most."""

Flat = Mapping[str, str]
Problem = Mapping[str, str]


def inside(name: str, key: str | int) -> str:
    """The name of a field within another."""
    text = str(key).replace("~", "~0").replace("/", "~1").replace("#", "~2")
    return f"{name}/{text}"


def item_mark(name: str, index: int) -> str:
    """The name of the field that says that a list has this item."""
    return f"{name}#{index}"


def items_of(name: str, flat: Flat) -> list[int]:
    """The numbers of a list's items, in their order."""
    before = f"{name}#"
    return sorted(int(one.removeprefix(before)) for one in flat if one.startswith(before) and _is_index(one, before))


def can_be_left_out(shape: Shape) -> bool:
    """Whether an object has a box of its own that says whether it is given."""
    return shape.kind is Kind.OBJECT and (shape.nullable or not shape.required)


def is_box(shape: Shape) -> bool:
    """Whether a flag is ticked or not; one that may be missing has three choices instead."""
    return not shape.nullable and (shape.required or isinstance(shape.default, bool))


def spread(shape: Shape, value: Any, name: str) -> dict[str, str]:
    """The texts of the fields for a value; without one, the schema's defaults."""
    flat: dict[str, str] = {}
    _spread(shape, shape.default if value is MISSING else value, name, flat)
    return flat


def gather(shape: Shape, flat: Flat, name: str) -> tuple[Any, list[dict[str, str]]]:
    """The value that the fields say, and what of it is no JSON; MISSING if nothing was given.

    A text that is no number stays a text: whoever checks the value says so.
    """
    reading = _Reading(flat)
    return reading.value(shape, name, name), reading.problems


def can_say(shape: Shape, value: Any, name: str) -> bool:
    """Whether a form has a field for everything in the value."""
    found, problems = gather(shape, spread(shape, value, name), name)
    if found is MISSING:
        return False
    return not problems and json.dumps(found, sort_keys=True) == json.dumps(value, sort_keys=True)


def _spread(shape: Shape, value: Any, name: str, flat: dict[str, str]) -> None:
    given = value is not MISSING and value is not None
    if shape.kind is Kind.OBJECT:
        known = value if isinstance(value, Mapping) else {}
        if can_be_left_out(shape) and given:
            flat[name] = HERE
        for key, inner in shape.fields:
            _spread(inner, known.get(key, inner.default), inside(name, key), flat)
        return
    if shape.kind is Kind.LIST and shape.item is not None:
        items = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else _first_items(shape)
        for index, one in enumerate(items):
            flat[item_mark(name, index)] = HERE
            _spread(shape.item, shape.item.default if one is MISSING else one, inside(name, index), flat)
        return
    if given or (value is None and shape.kind in (Kind.CHOICE, Kind.JSON)):
        text = _text(shape, value)
        if shape.kind is not Kind.FLAG or not is_box(shape) or value:
            flat[name] = text


def _first_items(shape: Shape) -> list[Any]:
    fewest = shape.schema.get("minItems", 0) if shape.required else 0
    return [MISSING] * min(fewest if isinstance(fewest, int) else 0, _FEWEST)


def _text(shape: Shape, value: Any) -> str:
    if shape.kind is Kind.JSON:
        return json.dumps(value, indent=2, ensure_ascii=False)
    if shape.kind is Kind.TEXT:
        return value if isinstance(value, str) else json.dumps(value)
    return value if isinstance(value, str) and shape.kind is Kind.NUMBER else json.dumps(value)


@dataclass(frozen=True, slots=True)
class _Reading:
    flat: Flat
    problems: list[dict[str, str]] = field(default_factory=list)

    def value(self, shape: Shape, name: str, path: str) -> Any:
        if shape.kind is Kind.OBJECT:
            return self._object(shape, name, path)
        if shape.kind is Kind.LIST:
            return self._list(shape, name, path)
        if shape.kind is Kind.FLAG and is_box(shape):
            return self.flat.get(name) == "true"
        text = self.flat.get(name, "")
        if not text or (shape.kind is not Kind.TEXT and not text.strip()):
            return None if shape.nullable and shape.required else MISSING
        if shape.kind is Kind.TEXT:
            return text.replace("\r\n", "\n")
        return _number(text) if shape.kind is Kind.NUMBER else self._json(text, path)

    def _object(self, shape: Shape, name: str, path: str) -> Any:
        if can_be_left_out(shape) and self.flat.get(name) != HERE:
            return None if shape.required else MISSING
        found = {key: self.value(inner, inside(name, key), f"{path}.{key}") for key, inner in shape.fields}
        return {key: value for key, value in found.items() if value is not MISSING}

    def _list(self, shape: Shape, name: str, path: str) -> Any:
        indexes = items_of(name, self.flat)
        if not indexes and not shape.required and shape.default is MISSING:
            return MISSING
        item = shape.item
        found = [
            self.value(item, inside(name, index), f"{path}[{place}]") if item else None
            for place, index in enumerate(indexes)
        ]
        return [_in_list(one, item) for one in found]

    def _json(self, text: str, path: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            self.problems.append({"path": path, "message": f"this is not JSON: {error}"})
            return MISSING


def _in_list(value: Any, item: Shape | None) -> Any:
    """An item is there whatever it holds: an empty text is one, and nothing else is null."""
    if value is not MISSING:
        return value
    return "" if item is not None and item.kind is Kind.TEXT else None


def _number(text: str) -> Any:
    try:
        value = json.loads(text.strip())
    except ValueError:
        return text
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits else text


def _is_index(name: str, before: str) -> bool:
    return name.removeprefix(before).isdecimal()
