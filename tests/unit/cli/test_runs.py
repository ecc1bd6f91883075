"""What the options of `runs` mean."""

from __future__ import annotations

import pytest

from orchestrator.cli.runs import where_arguments
from orchestrator.errors import InvalidRequest


def test_search_fields_are_names_with_values() -> None:
    """A value may be empty, or have an equals sign of its own."""
    assert where_arguments(["customer=42", "note=", "rule=a=b"]) == {"customer": "42", "note": "", "rule": "a=b"}


@pytest.mark.parametrize("text", ["customer", "=42", ""])
def test_a_search_field_without_a_name_or_a_value_is_refused(text: str) -> None:
    """With what is expected instead."""
    with pytest.raises(InvalidRequest, match="NAME=VALUE"):
        where_arguments([text])
