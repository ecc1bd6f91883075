"""HTML as values: whatever is not markup already is escaped, so no text of a run can become part of a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape

Child = Markup | str | int | float | None
VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})
NOTHING: Final = Markup("")


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element. `class_` and `aria_label` are written `class` and `aria-label`; None and False leave one out."""
    shown = "".join([_attribute(key, value) for key, value in attributes.items()])
    if name in VOID:
        return Markup(f"<{name}{shown}>")  # noqa: S704  # every part is escaped
    return Markup(f"<{name}{shown}>{_inside(children)}</{name}>")  # noqa: S704


def joined(children: Iterable[Child], between: Child = None) -> Markup:
    """Several, one behind the other."""
    return Markup(_inside(children, str(escape(between or ""))))  # noqa: S704


def _inside(children: Iterable[Child], between: str = "") -> str:
    return between.join([one if isinstance(one, Markup) else str(escape(one)) for one in children if one is not None])


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
