"""The documentation says what is true: drawn from the code, and linked to tests that exist."""

import re
from pathlib import Path

import pytest

from orchestrator.engine.diagrams import with_diagrams

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
NAMED_TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def test_the_lifecycle_page_shows_the_tables_of_the_code() -> None:
    """Changing a table without `make docs` fails here."""
    page = (ROOT / "docs/lifecycle.md").read_text()

    assert with_diagrams(page) == page


def test_every_promise_has_a_test() -> None:
    """Each row of the table of promises links to one, at least."""
    page = (ROOT / "docs/guarantees.md").read_text()
    rows = page.split("## Promises")[1].split("## What is not")[0].splitlines()
    promises = [row for row in rows if row.startswith("| ") and not row.startswith("| promise")]

    assert promises
    assert [row for row in promises if not NAMED_TEST.search(row)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_of_the_project(page: Path) -> None:
    """A page that is moved or removed takes its links with it."""
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A promise is linked to the test that breaks it on purpose."""
    named = NAMED_TEST.findall(page.read_text())

    missing = [f"{file}::{test}" for test, file in named if f"def {test}(" not in (ROOT / file).read_text()]

    assert missing == []
