"""States as badges: a colour, a sign and the word, so that nobody needs the colour to tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from orchestrator.dashboard.look.markup import tag

_CIRCLE: Final = '<circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.6"/>'
_SIGNS: Final[Mapping[str, str]] = {
    "dots": f'{_CIRCLE}<circle cx="8" cy="8" r="1.5" fill="currentColor"/>',
    "play": f'{_CIRCLE}<path d="M6.5 5.2v5.6L11 8z" fill="currentColor"/>',
    "tick": f'{_CIRCLE}<path d="M5.2 8.2l2 2 3.7-4.2" fill="none" stroke="currentColor" stroke-width="1.6"/>',
    "cross": f'{_CIRCLE}<path d="M5.7 5.7l4.6 4.6m0-4.6l-4.6 4.6" stroke="currentColor" stroke-width="1.6"/>',
    "slash": f'{_CIRCLE}<path d="M4 12L12 4" stroke="currentColor" stroke-width="1.6"/>',
    "back": '<path d="M3 6h7a3.4 3.4 0 0 1 0 6.8H6M6 3L3 6l3 3" fill="none" stroke="currentColor" stroke-width="1.6"/>',
    "pause": f'{_CIRCLE}<path d="M6.3 5.6v4.8m3.4-4.8v4.8" stroke="currentColor" stroke-width="1.7"/>',
    "clock": f'{_CIRCLE}<path d="M8 4.6V8l2.3 1.7" fill="none" stroke="currentColor" stroke-width="1.5"/>',
    "skip": '<path d="M3 4.5L8 8l-5 3.5zM8.5 4.5l5 3.5-5 3.5z" fill="currentColor"/>',
    "warn": '<path d="M8 1.8l6.4 11.6H1.6z" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-linejoin="round"/><path d="M8 6v3.6m0 1.3v1.1" stroke="currentColor" stroke-width="1.6"/>',
    "plus": f'{_CIRCLE}<path d="M8 4.8v6.4M4.8 8h6.4" stroke="currentColor" stroke-width="1.6"/>',
    "minus": f'{_CIRCLE}<path d="M4.8 8h6.4" stroke="currentColor" stroke-width="1.6"/>',
    "delta": f'{_CIRCLE}<path d="M8 5l3.2 5.6H4.8z" fill="none" stroke="currentColor" stroke-width="1.4"/>',
    "question": f'{_CIRCLE}<path d="M6.2 6.3a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2m0 1.1v1" fill="none" '
    'stroke="currentColor" stroke-width="1.4"/>',
}

_LOOKS: Final[Mapping[str, tuple[str, str]]] = {
    "pending": ("quiet", "dots"),
    "ready": ("quiet", "dots"),
    "running": ("going", "play"),
    "waiting": ("held", "clock"),
    "paused": ("held", "pause"),
    "compensating": ("undoing", "back"),
    "completed": ("good", "tick"),
    "failed": ("bad", "cross"),
    "lost": ("bad", "question"),
    "cancelled": ("quiet", "slash"),
    "skipped": ("quiet", "skip"),
    "undone": ("undoing", "back"),
    "online": ("good", "tick"),
    "draining": ("held", "clock"),
    "stopping": ("held", "slash"),
    "live": ("good", "play"),
    "idle": ("quiet", "dots"),
    "added": ("good", "plus"),
    "removed": ("bad", "minus"),
    "changed": ("held", "delta"),
    "same": ("quiet", "dots"),
    "open": ("held", "clock"),
    "error": ("bad", "warn"),
    "critical": ("bad", "cross"),
    "acknowledged": ("going", "tick"),
    "resolved": ("good", "tick"),
    "sending": ("going", "play"),
    "sent": ("good", "tick"),
    "dead": ("bad", "cross"),
    "denied": ("bad", "slash"),
    "ok": ("good", "tick"),
    "met": ("good", "tick"),
    "warned": ("held", "warn"),
    "breached": ("bad", "warn"),
    "warning": ("held", "warn"),
    "done": ("good", "tick"),
    "active": ("good", "play"),
    "retired": ("quiet", "slash"),
    "started": ("good", "tick"),
    "existed": ("quiet", "tick"),
    "buffered": ("held", "clock"),
    "missed": ("bad", "question"),
    "stable": ("good", "tick"),
    "archived": ("quiet", "skip"),
    "deprecated": ("quiet", "slash"),
}
"""State → tone and sign; a state that is not here is quiet, with a dot."""


def badge(state: str, word: str | None = None, *, title: str | None = None) -> Markup:
    """A state as it is shown everywhere; `word` instead of the state's own name."""
    tone, name = _LOOKS.get(state, ("quiet", "dots"))
    return tag("span", sign(name), word or state.replace("_", " "), class_=f"badge {tone}", title=title)


def tone(state: str) -> str:
    """The tone of a state: the class that colours it."""
    return _LOOKS.get(state, ("quiet", "dots"))[0]


def sign(name: str) -> Markup:
    """One of the signs, as large as the text around it; hidden from screen readers, which have the word."""
    return tag("svg", Markup(_SIGNS[name]), class_="sign", viewBox="0 0 16 16", aria_hidden="true")  # noqa: S704


def sign_in(name: str, size: int) -> Markup:
    """A sign, or that of a state, inside of another picture."""
    drawn = _SIGNS[name if name in _SIGNS else _LOOKS.get(name, ("quiet", "dots"))[1]]
    return tag("svg", Markup(drawn), viewBox="0 0 16 16", width=size, height=size)  # noqa: S704
