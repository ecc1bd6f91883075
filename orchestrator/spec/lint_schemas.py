"""What a JSON Schema cannot hold: only what is certain is said, so whatever a schema leaves open fits."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.spec.expressions import ExpressionSyntax, template_expressions
from orchestrator.spec.problems import Path, nearest

Schema = Mapping[str, Any]

_TRUTHS: Final = frozenset({"0", "0.0", "1", "1.0", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"})
_NOUNS: Final[Mapping[str, str]] = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}
_SHOWN: Final = 40
_ANYTHING: Final = object()
"""Stands for a value that is computed as a whole."""
_TEXT: Final = object()
"""Stands for a text in which something is computed."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A part of a literal value that a schema cannot hold."""

    rule: str
    message: str
    path: Path


def misfits(value: Any, schema: Any, path: Path) -> list[Misfit]:
    """Where a literal value, with `${…}` in its texts, cannot be what the schema asks for; `path` is its place."""
    return list(_Fitting(schema).misfits(value, schema, path))


def unknown_part(schema: Any, path: Sequence[str | int]) -> tuple[int, str] | None:
    """How far a path leads in what the schema describes before a closed part lacks the next key, and what is like it.

    None if it leads all the way, or if the schema does not say.
    """
    reader = _Reading(schema)
    for end in range(1, len(path) + 1):
        if not reader.allows(schema, tuple(path[:end])):
            return end - 1, nearest(str(path[end - 1]), sorted(reader.names(schema, tuple(path[: end - 1]))))
    return None


class _Schemas:
    """The parts of one schema document."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._open: set[Any] = set()

    def parts(self, schema: Any) -> Iterator[Schema]:
        """The schemas that all have to hold, `$ref` and `allOf` followed; each once."""
        waiting, seen = [schema], set[int]()
        while waiting:
            part = waiting.pop(0)
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            if "$ref" in part:
                waiting.append(self._referred(part["$ref"]))
            waiting += _list(part.get("allOf"))

    def _referred(self, reference: Any) -> Any:
        """What a `#/…` leads to; None if it leads nowhere."""
        node = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        for name in reference.removeprefix("#").split("/")[1:]:
            node = node.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return node


class _Reading(_Schemas):
    """Follows paths into what a schema describes."""

    def allows(self, schema: Any, path: Path) -> bool:
        """Whether there may be something at the path."""
        asked = (id(schema), path)
        if not path or asked in self._open:
            return True
        self._open.add(asked)
        try:
            return all(self._part_allows(part, path) for part in self.parts(schema))
        finally:
            self._open.discard(asked)

    def names(self, schema: Any, path: Path) -> set[str]:
        """The properties that are declared at the path."""
        asked = (id(schema), path, "names")
        if asked in self._open:
            return set()
        self._open.add(asked)
        found: set[str] = set()
        for part in self.parts(schema):
            properties = _mapping(part.get("properties"))
            if not path:
                found |= properties.keys()
            elif (name := str(path[0])) in properties:
                found |= self.names(properties[name], path[1:])
            for alternative in _alternatives(part):
                found |= self.names(alternative, path)
        self._open.discard(asked)
        return found

    def _part_allows(self, part: Schema, path: Path) -> bool:
        key, rest = path[0], path[1:]
        types = _types(part)
        if types and ("array" if isinstance(key, int) else "object") not in types:
            return False
        alternatives = _alternatives(part)
        if alternatives and not any(self.allows(one, path) for one in alternatives):
            return False
        if isinstance(key, int):
            return "prefixItems" in part or self.allows(part.get("items"), rest)
        properties = _mapping(part.get("properties"))
        return self.allows(properties[key], rest) if key in properties else not _is_closed(part)


class _Fitting(_Schemas):
    """Holds literal values against a schema. It is as generous as the types that read them: `"12"` may be a number."""

    def misfits(self, value: Any, schema: Any, path: Path) -> Iterator[Misfit]:
        """What cannot fit, outermost first."""
        asked = (id(schema), path)
        value = _known(value)
        if value is _ANYTHING or asked in self._open:
            return
        self._open.add(asked)
        for part in self.parts(schema):
            yield from self._part_misfits(value, part, path)
        self._open.discard(asked)

    def _part_misfits(self, value: Any, part: Schema, path: Path) -> Iterator[Misfit]:
        types = _types(part)
        if types and not any(_can_be(value, name, part) for name in types):
            wanted = " or ".join(_NOUNS.get(str(name), str(name)) for name in types)
            yield Misfit("wrong_input", f"{_shown(value)} is not {wanted}, which is what is taken here", path)
            return
        yield from self._alternative_misfits(value, _alternatives(part), path)
        if isinstance(value, dict):
            yield from self._mapping_misfits(value, part, path)
        elif isinstance(value, list) and "prefixItems" not in part:
            for index, member in enumerate(value):
                yield from self.misfits(member, part.get("items"), (*path, index))

    def _alternative_misfits(self, value: Any, alternatives: list[Any], path: Path) -> Iterator[Misfit]:
        found = [list(self.misfits(value, alternative, path)) for alternative in alternatives]
        if not found or not all(found):
            return
        closest = [
            one for one in found if not any(misfit.rule == "wrong_input" and misfit.path == path for misfit in one)
        ]
        if len(closest) == 1:
            yield from closest[0]
        else:
            message = f"{_shown(value)} fits none of the {len(found)} forms that are taken here"
            yield Misfit("wrong_input", message, path)

    def _mapping_misfits(self, value: dict[str, Any], part: Schema, path: Path) -> Iterator[Misfit]:
        properties = _mapping(part.get("properties"))
        for name in _list(part.get("required")):
            if name not in value and "default" not in _mapping(properties.get(name)):
                yield Misfit("missing_input", f"`{name}` is required here and is not given; add it", path)
        for name, member in value.items():
            if name in properties:
                yield from self.misfits(member, properties[name], (*path, name))
            elif _is_closed(part):
                near = nearest(name, set(properties) - set(value))
                yield Misfit("unknown_input", f"`{name}` is not taken here{near or '; take it away'}", (*path, name))
            elif "patternProperties" not in part:
                yield from self.misfits(member, part.get("additionalProperties"), (*path, name))


def _known(value: Any) -> Any:
    """What is known of a literal value before a run."""
    if not isinstance(value, str) or "${" not in value:
        return value
    try:
        computed = template_expressions(value)
    except ExpressionSyntax:
        return _ANYTHING
    if not computed:
        return value
    return _ANYTHING if value == f"${{{computed[0][1].text}}}" else _TEXT


def _can_be(value: Any, name: Any, part: Schema) -> bool:
    """Whether a value can pass for the JSON type of that name."""
    match name:
        case "null":
            return value is None
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str) or value is _TEXT or ("format" in part and isinstance(value, int | float))
        case "boolean":
            return value is _TEXT or str(value).lower() in _TRUTHS
        case "integer" | "number":
            return value is _TEXT or _is_number(value, whole=name == "integer")
    return True


def _is_number(value: Any, *, whole: bool) -> bool:
    if not isinstance(value, int | float | str):
        return False
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return False
    return number.is_integer() if whole and math.isfinite(number) else not whole


def _is_closed(part: Schema) -> bool:
    return part.get("additionalProperties") is False and not part.get("patternProperties")


def _types(part: Schema) -> list[Any]:
    written = part.get("type")
    return [written] if isinstance(written, str) else _list(written)


def _alternatives(part: Schema) -> list[Any]:
    return _list(part.get("anyOf")) or _list(part.get("oneOf"))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _shown(value: Any) -> str:
    if value is _TEXT:
        return "a text that is put together"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}`"
