"""specs/branch.yaml."""

import pytest

from orchestrator.testing import fail
from tests.unit.specs.conftest import Shipped


@pytest.mark.parametrize(
    ("language", "path", "greeting"),
    [("de", "german", "Guten Tag, Ada"), ("fr-CH", "french", "Bonjour, Ada"), ("it", "english", "Hello, Ada")],
)
def test_the_language_decides(shipped: Shipped, language: str, path: str, greeting: str) -> None:
    """The first condition that holds, or the default."""
    run = shipped("branch.yaml").real().run({"name": "Ada", "language": language})

    assert (run.path, run.output) == (["by-language", path], {"text": greeting})


def test_a_branch_that_fails_fails_the_run(shipped: Shipped) -> None:
    """No other branch is tried instead."""
    flow = shipped("branch.yaml").script("english", fail("speechless"))

    run = flow.run({"name": "Ada"})

    assert (run.status, run.path) == ("failed", ["by-language", "english"])
