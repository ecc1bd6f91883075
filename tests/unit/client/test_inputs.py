"""What a starter gives is checked before anything is stored."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from orchestrator.client.inputs import checked_input
from orchestrator.errors import InvalidInput, PayloadTooLarge

LIMIT = 1_000
NESTED = {
    "properties": {
        "currency": {"default": "EUR"},
        "address": {"type": "object", "properties": {"country": {"default": "FR"}, "city": {"type": "string"}}},
    }
}


def checked(value: Any, schema: dict[str, Any] | None = None) -> Any:
    """The value as it would be stored."""
    return json.loads(checked_input(value, schema, LIMIT))


def test_defaults_are_filled_in_at_every_level() -> None:
    """Where the object around them is given; what is given stands."""
    assert checked({"address": {"city": "Lyon"}}, NESTED) == {
        "currency": "EUR",
        "address": {"city": "Lyon", "country": "FR"},
    }
    assert checked({"currency": "CHF"}, NESTED) == {"currency": "CHF"}


def test_a_default_is_checked_like_a_given_value() -> None:
    """A schema whose default does not fit accepts no input that lacks it."""
    with pytest.raises(InvalidInput, match=r"input\.amount"):
        checked({}, {"properties": {"amount": {"type": "integer", "default": "ten"}}})


def test_the_starters_own_value_is_not_changed() -> None:
    """Defaults go into a copy."""
    given: dict[str, Any] = {"address": {}}

    checked(given, NESTED)

    assert given == {"address": {}}


def test_all_problems_are_told_with_their_paths() -> None:
    """Not only the first."""
    schema = {
        "properties": {"lines": {"items": {"properties": {"sku": {"type": "string"}}}}, "total": {"type": "number"}},
        "required": ["currency"],
    }

    with pytest.raises(InvalidInput) as raised:
        checked({"lines": [{"sku": "a"}, {"sku": 2}], "total": "much"}, schema)

    paths = [problem["path"] for problem in raised.value.details["problems"]]
    assert sorted(paths) == ["input", "input.lines[1].sku", "input.total"]
    assert all(path in raised.value.message for path in paths)


def test_a_format_is_checked() -> None:
    """`format` is more than a remark."""
    with pytest.raises(InvalidInput, match="since"):
        checked({"since": "soon"}, {"properties": {"since": {"type": "string", "format": "date"}}})


@pytest.mark.parametrize("value", [[1], "text", 1, None])
def test_what_is_no_object_is_refused(value: Any) -> None:
    """Expressions read properties of it."""
    with pytest.raises(InvalidInput, match="must be an object"):
        checked(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, "\ud800"])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    """Neither NaN nor what has no JSON form reaches the state."""
    with pytest.raises(InvalidInput, match="not JSON"):
        checked({"value": value})


def test_a_payload_is_measured_in_bytes() -> None:
    """At the limit it is taken, one byte above it is not."""
    value = {"a": "é" * 496}

    assert checked(value) == value
    with pytest.raises(PayloadTooLarge) as raised:
        checked({"a": "é" * 496 + "x"})
    assert raised.value.details == {"size": LIMIT + 1, "limit": LIMIT}


def test_the_problem_names_what_was_checked() -> None:
    """A ctx is no input."""
    with pytest.raises(InvalidInput, match=r"ctx\.user"):
        checked_input({"user": 1}, {"properties": {"user": {"type": "string"}}}, LIMIT, name="ctx")
