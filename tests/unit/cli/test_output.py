import pytest

from orchestrator.cli.output import Output
from orchestrator.cli.views import kept_table
from orchestrator.engine.undoing import Kept


def test_brackets_in_an_address_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Not the terminal's markup, which would swallow the names of branches."""
    Output(as_json=False).say(kept_table([Kept("tour[0]/arrange[rooms]/room", "undone")], 80))

    assert "tour[0]/arrange[rooms]/room" in capsys.readouterr().out
