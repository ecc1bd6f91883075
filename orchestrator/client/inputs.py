"""Checking what a starter gives: JSON, not too large, and as the workflow's schema wants it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from orchestrator.errors import InvalidInput, PayloadTooLarge


def checked_input(value: Any, schema: Mapping[str, Any] | None, limit: int, *, name: str = "input") -> str:
    """The value as JSON text, defaults filled in; InvalidInput or PayloadTooLarge if it is refused."""
    if not isinstance(value, Mapping):
        raise InvalidInput(f"the {name} must be an object, not {type(value).__name__}")
    if schema:
        value = _with_defaults(schema, dict(value))
        found = _validator(json.dumps(schema, sort_keys=True)).iter_errors(value)
        problems = [
            {"path": path_of(name, one.absolute_path), "message": one.message}
            for one in sorted(found, key=lambda one: list(map(str, one.absolute_path)))
        ]
        if problems:
            raise InvalidInput("; ".join(f"{one['path']}: {one['message']}" for one in problems), problems=problems)
    return checked_json(value, limit, name=name)


def checked_json(value: Any, limit: int, *, name: str) -> str:
    """The value as JSON text; InvalidInput if it is none, PayloadTooLarge if it has more bytes than the limit."""
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the {name} is not JSON: {error}") from error
    if size > limit:
        raise PayloadTooLarge(f"the {name} has {size} bytes, the limit is {limit}", size=size, limit=limit)
    return text


@lru_cache(maxsize=512)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # a large import, and workers check no inputs

    return Draft202012Validator(json.loads(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)


def _with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """The value with the schema's `default`s where properties are missing, at every level that `properties` names."""
    properties = schema.get("properties")
    if not isinstance(value, Mapping) or not isinstance(properties, Mapping):
        return value
    filled = dict(value)
    for name, inner in properties.items():
        if not isinstance(inner, Mapping):
            continue
        if name in filled:
            filled[name] = _with_defaults(inner, filled[name])
        elif "default" in inner:
            filled[name] = deepcopy(inner["default"])
    return filled


def path_of(name: str, parts: Iterable[str | int]) -> str:
    """The path of a part of a value, as problems name it: `input.lines[0].sku`."""
    return name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
