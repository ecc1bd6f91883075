"""Words that stand on more than one page: what can be decided and done, and what is said once it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DECISIONS: Final[Mapping[str, str]] = {
    "approve": "Approve",
    "request_changes": "Request changes",
    "reject": "Reject",
}
DECIDED: Final[Mapping[str, str]] = {
    "approve": "Approved",
    "request_changes": "Changes requested",
    "reject": "Rejected",
}
ACTIONS: Final[Mapping[str, str]] = {
    "pause": "Pause",
    "resume": "Resume",
    "cancel": "Cancel",
    "retry": "Retry",
    "undo": "Undo",
    "signal": "Signal",
    "skip": "Skip",
    "decide": "Decide",
    "waive": "Waive",
}
ACTED: Final[Mapping[str, str]] = {
    "pause": "The run is paused.",
    "resume": "The run goes on.",
    "cancel": "The run is being cancelled.",
    "retry": "The run goes on where it failed.",
    "undo": "What is left is being undone.",
    "signal": "The signal is sent.",
    "skip": "The step is skipped.",
    "decide": "The decision is noted.",
    "waive": "The undo is waived.",
}
