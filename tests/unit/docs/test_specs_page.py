"""docs/specs.md shows specs that can be published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.client.publishing import examine
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS, load_operations
from workers.app import SHIPPED

PAGE = (Path(__file__).parents[3] / "docs/specs.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def whole(example: str) -> str:
    """A workflow: the example itself, or one of its steps."""
    written: Any = yaml.safe_load(example)
    return example if isinstance(written, dict) else f"meta: {{key: docs.example, version: 1.0.0}}\nsteps:\n{example}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.findall(r"id: (\w+)", example)[0])
def test_every_example_can_be_published(example: str) -> None:
    """Without errors and without warnings, with the operations that ship."""
    load_operations(SHIPPED)

    [loaded] = load_text(whole(example), "example.yaml")
    _, problems = examine(loaded.spec, OPERATIONS, None)

    assert [str(problem) for problem in (*loaded.problems, *problems)] == []


def test_the_page_names_every_spec_that_ships() -> None:
    """A pattern that is added is linked from here."""
    shipped = {file.name for file in (Path(__file__).parents[3] / "specs").iterdir() if file.suffix in (".py", ".yaml")}

    assert set(re.findall(r"\.\./specs/(\w+\.\w+)", PAGE)) == shipped
