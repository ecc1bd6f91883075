"""JSON to be read: folded beyond the second level, cut where it is long, and with marks where a value was redacted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from orchestrator.client.redaction import MASK
from orchestrator.dashboard.look.markup import joined, tag

_UNFOLDED: Final = 2
_MOST: Final = 100
"""Of one list or object, so many are shown."""
_SHORT: Final = 12
"""What has more is folded up."""
_LONGEST: Final = 2_000
_DEEPEST: Final = 40


def json_view(value: Any, *, level: int = 0, unfolded: int = _UNFOLDED) -> Markup:
    """A value as nested lists; `unfolded` levels are open."""
    if level > _DEEPEST:
        return tag("span", "…", class_="none")
    if isinstance(value, Mapping):
        return _nested([*value.items()], "{}", level, unfolded)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _nested([*enumerate(value)], "[]", level, unfolded)
    return _scalar(value)


def json_box(title: str, value: Any, *, nothing: str = "") -> Markup:
    """A value with its name above it; `nothing` for null."""
    shown = tag("p", nothing, class_="hint") if value is None and nothing else json_view(value)
    return tag("section", tag("h3", title), tag("div", shown, class_="json"), class_="box")


def _nested(items: Sequence[tuple[str | int, Any]], brackets: str, level: int, unfolded: int) -> Markup:
    if not items:
        return tag("span", brackets, class_="none")
    rows = [
        tag("li", tag("span", f"{name}:", class_="key"), " ", json_view(value, level=level + 1, unfolded=unfolded))
        for name, value in items[:_MOST]
    ]
    if len(items) > _MOST:
        rows.append(tag("li", f"… {len(items) - _MOST} more", class_="none"))
    count = f"{brackets[0]} {len(items)} {brackets[1]}"
    inner = tag("ul", *rows)
    if level == 0:
        return inner
    return tag("details", tag("summary", count), inner, open=level < unfolded and len(items) <= _SHORT)


def _scalar(value: Any) -> Markup:
    if value == MASK:
        return tag("span", "redacted", class_="redacted", title="Masked by the workflow's or the settings' `redact`")
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST else value[:_LONGEST]
        more = tag("span", f"… {len(value) - _LONGEST:,} more characters", class_="none") if cut != value else None
        return joined([tag("span", cut, class_="text"), more])
    return tag("span", json.dumps(value), class_="literal")
