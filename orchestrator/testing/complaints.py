"""What the harness has against a test.

AssertionError
├── UnexpectedCall    an operation was called and no script says what it does
├── UnusedScripts     a script was never played
├── NothingMoves      the run is not over, and nothing will ever move it
InvalidScript         a script that could never be played as it is written
"""

from __future__ import annotations


class UnexpectedCall(AssertionError):
    """An operation was called and no script says what it does."""


class UnusedScripts(AssertionError):
    """Scripts were never played."""


class NothingMoves(AssertionError):
    """The run does not get where the test wants it."""


class InvalidScript(ValueError):
    """The script names a step that is not there, or an output that its operation cannot give."""
