"""Parts that act: what is written as HTML stands in a page by these, and buttons, forms and dialogs by NiceGUI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from orchestrator.dashboard.look.markup import joined, tag

Act = Callable[[], Awaitable[None]]
Sent = Callable[[dict[str, str]], Awaitable[None]]

_FORM_VALUES: Final = "(e) => { e.preventDefault(); emit(Object.fromEntries(new FormData(e.target, e.submitter))); }"
"""What a form holds, sent instead of the form; with the name of the button that sent it, if that has one."""


def html(content: Markup, *, name: str = "div", class_: str = "") -> ui.html:
    """Markup as an element of the page; `set_content` changes it."""
    made = ui.html(content, sanitize=False, tag=name)
    return made.classes(class_) if class_ else made


def show_if(element: Element, wanted: object) -> None:
    """Show the element if there is anything, else take it out of sight and out of reach."""
    if wanted:
        element.classes(remove="gone")
    else:
        element.classes("gone")


def button(word: str, act: Act, *, kind: str = "", why_not: str = "") -> Element:
    """A button; with `why_not` it is off, and says why."""
    made = ui.element("button").props("type=button").classes(kind)
    with made:
        ui.html(joined([word]), sanitize=False, tag="span")
    if why_not:
        made.props["aria-disabled"] = "true"
        made.props["title"] = why_not
        return made

    async def pressed() -> None:
        await act()

    made.on("click", pressed)
    return made


def form(fields: Markup, sent: Sent, *, class_: str = "") -> Element:
    """A form of plain fields whose values are handed over by their names when it is sent; without files."""

    async def handed(event: GenericEventArguments) -> None:
        await sent(dict(event.args))

    made = ui.element("form").classes(class_).on("submit", handed, js_handler=_FORM_VALUES)
    with made:
        html(fields, class_="fields")
    return made


def field(label: str, control: Markup, *, hint: str = "", name: str = "") -> Markup:
    """A control with its label above it; `name` is the control's id."""
    said = tag("small", hint, id=f"{name}-hint") if hint else None
    return tag("div", tag("label", label, for_=name), control, said, class_="field")


def text_field(label: str, name: str, value: str = "", *, hint: str = "", **attributes: Any) -> Markup:
    """A field of one line."""
    described = f"{name}-hint" if hint else None
    control = tag("input", id=name, name=name, value=value, aria_describedby=described, **{"type": "text"} | attributes)
    return field(label, control, hint=hint, name=name)


def area_field(label: str, name: str, value: str = "", *, hint: str = "", **attributes: Any) -> Markup:
    """A field of several lines."""
    described = f"{name}-hint" if hint else None
    control = tag("textarea", value, id=name, name=name, aria_describedby=described, spellcheck="false", **attributes)
    return field(label, control, hint=hint, name=name)


def choice_field(label: str, name: str, choices: Mapping[str, str], value: str = "") -> Markup:
    """A field with one of several values: value → word."""
    options = [tag("option", word, value=key, selected=key == value) for key, word in choices.items()]
    return field(label, tag("select", *options, id=name, name=name), name=name)


def key_values(pairs: Mapping[str, Markup | str | None]) -> Markup:
    """A list of names and values; what has no value is left out."""
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs.items() if value is not None]
    return tag("dl", *rows, class_="pairs")


def heading(title: Markup | str, *beside: Markup, level: str = "h1") -> Markup:
    """A heading and what stands beside it."""
    return tag("div", tag(level, title), *beside, class_="heading")
