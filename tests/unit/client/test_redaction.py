"""Masking: nothing that is named gets out, nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.client.redaction import MASK, Mask, Redaction

NAMES = st.sampled_from(["card", "number", "password", "user", "items"])
SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("abcdef", max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
PATHS = st.lists(st.sampled_from(["card", "number", "password", "*", "**"]), min_size=1, max_size=3)
SECRET = "4111-1111-1111"


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("input.card.number", {"card": {"number": 1, "name": "x"}}, {"card": {"number": MASK, "name": "x"}}),
        ("input.card", {"card": {"number": 1}}, {"card": MASK}),
        ("**.password", {"a": [{"password": "p"}], "password": "q"}, {"a": [{"password": MASK}], "password": MASK}),
        ("input.cards.number", {"cards": [{"number": 1}, {"number": 2}]}, {"cards": [{"number": MASK}] * 2}),
        (
            "input.cards.1.number",
            {"cards": [{"number": 1}, {"number": 2}]},
            {"cards": [{"number": 1}, {"number": MASK}]},
        ),
        ("input.*.token", {"a": {"token": 1}, "token": 2}, {"a": {"token": MASK}, "token": 2}),
        ("input", {"a": 1}, MASK),
        ("ctx.a", {"a": 1}, {"a": 1}),
    ],
)
def test_a_path_is_followed(path: str, value: Any, shown: Any) -> None:
    """Through objects and lists; what it does not name stays."""
    assert Redaction.of(path).masked(value, "input") == shown


@pytest.mark.parametrize("written", ["steps.charge-payment.output.token", "steps.charge_payment.output.token"])
def test_a_step_is_named_with_dashes_or_underscores(written: str) -> None:
    """As in expressions."""
    shown = Redaction.of(written).masked({"token": "t"}, "steps", "charge-payment", "output")

    assert shown == {"token": MASK}


@given(value=VALUES, path=PATHS)
def test_masking_again_changes_nothing_and_the_shape_stays(value: Any, path: list[str]) -> None:
    """What is masked is masked; what is not is equal to what it was."""
    redaction = Redaction.of(".".join(["input", *path]))

    once = redaction.masked(value, "input")

    assert redaction.masked(once, "input") == once
    assert once == value or MASK in json.dumps(once)


@given(value=VALUES, copies=VALUES)
def test_a_hidden_value_is_nowhere_else(value: Any, copies: Any) -> None:
    """Whatever else holds it, as a whole or as a part of a text."""
    redaction = Redaction.of("input.secret")
    given_in = {"secret": SECRET, "other": value}
    mask = Mask.of(redaction, redaction.hidden(given_in, "input"))

    shown = mask.value({"copy": [copies, SECRET], "text": f"no {SECRET!r} here", SECRET: 1}, "steps", "a", "output")

    assert SECRET not in json.dumps(shown)
    assert shown["copy"][0] == copies


def test_numbers_are_found_as_numbers_and_in_texts() -> None:
    """A short one is masked at its path only: it would be everywhere."""
    redaction = Redaction.of("input.pin", "input.day")
    mask = Mask.of(redaction, redaction.hidden({"pin": 48151, "day": 7}, "input"))

    shown = mask.value({"pin": 48151, "day": 7, "text": "pin 48151 on day 7"}, "output")

    assert shown == {"pin": MASK, "day": 7, "text": f"pin {MASK} on day 7"}


def test_without_paths_nothing_is_looked_at() -> None:
    """The value itself comes back."""
    value = {"a": [1]}

    assert Redaction.of().masked(value, "input") is value
    assert Mask().value(value, "input") is value
