"""Saying what came of something: in a corner, and to screen readers."""

from __future__ import annotations

import json
from typing import Final

from nicegui import ui

from orchestrator.errors import OrchestratorError

_SHOWN: Final = 8
"""Of many things that are wrong, so many."""


def notice(text: str) -> None:
    """That something was done."""
    _say("good", text)


def problem(error: OrchestratorError, *, quiet: bool = False) -> None:
    """What went wrong, with its code; `quiet` for what nobody asked for, which is said once while it lasts."""
    places = [str(one.get("message", one)) if isinstance(one, dict) else str(one) for one in _places(error)]
    _say("quiet" if quiet else "bad", error.message, error.code, places[:_SHOWN])


def _places(error: OrchestratorError) -> list[object]:
    found = error.details.get("problems", ())
    return list(found)


def _say(tone: str, text: str, code: str = "", places: list[str] | None = None) -> None:
    what = json.dumps({"tone": tone, "text": text, "code": code, "places": places or []})
    ui.run_javascript(f"orchestrator.say({what})")
