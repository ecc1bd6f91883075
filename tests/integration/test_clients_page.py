"""The code of docs/clients.md, before a real API."""

from __future__ import annotations

import pytest

from tests.integration.system import System, server_of, token
from tests.pages import block

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("api_url")]


HELLO = [f"{{'text': 'Hello, {name}'}}" for name in ("ADA", "BOB")]


@pytest.mark.parametrize(("mark", "shown"), [("blocking", HELLO[:1]), ("async", HELLO)])
def test_what_the_page_shows_works(
    system: System, capsys: pytest.CaptureFixture[str], mark: str, shown: list[str]
) -> None:
    """It prints the outputs, then the events to the last."""
    names = {"url": server_of(system), "key": token(system, "starter"), "__name__": "page"}

    exec(block("docs/clients.md", mark), names)

    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(shown)] == shown
    assert (lines[len(shown)], lines[-1]) == ("run_started", "run_completed")
