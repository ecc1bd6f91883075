"""Narrowing a list down: a form that the browser itself sends, and links for what is asked for most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from orchestrator.dashboard.look.markup import Child, tag
from orchestrator.dashboard.look.parts import field
from orchestrator.dashboard.paths import to


def search_box(text: str, hint: str) -> Markup:
    """The field that `/` leads to."""
    search = tag(
        "input",
        id="text",
        name="text",
        type="search",
        value=text,
        placeholder=hint,
        data_search=True,
        autocomplete="off",
        spellcheck="false",
    )
    return field("Search", search, name="text")


def filter_form(
    path: str,
    inputs: Sequence[Child],
    *,
    kept: Mapping[str, str] | None = None,
    clear: str | None = None,
    button: str = "Search",
) -> Markup:
    """What narrows a list down; `kept` stays in the address, `clear` is the address where nothing is asked for."""
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in (kept or {}).items() if value]
    all_of_them = tag("a", "Clear", href=clear, class_="button plain") if clear else None
    buttons = tag("div", tag("button", button, type="submit"), all_of_them, class_="actions")
    inside = (*inputs, *hidden, buttons)
    return tag("form", *inside, method="get", action=to(path), class_="filters", data_filters=True, role="search")


def search_form(path: str, text: str, hint: str, kept: Mapping[str, str]) -> Markup:
    """A search over the page's list; `kept` are other filters that stay in the address."""
    return filter_form(path, [search_box(text, hint)], kept=kept, clear=to(path, kept) if text else None)


def choices(every: str, values: Sequence[str], chosen: str) -> dict[str, str]:
    """Value → word: everything, these, and what is chosen though it is not among them."""
    known = [*values] if not chosen or chosen in values else [chosen, *values]
    return {"": every, **{one: one for one in known}}


def chips(choices: Mapping[str, str], chosen: str, address: Callable[[str], str], label: str) -> Markup:
    """A link for each of several values: value → word."""
    links = [
        tag("li", tag("a", word, href=address(value), aria_current="true" if value == chosen else None))
        for value, word in choices.items()
    ]
    return tag("nav", tag("ul", *links, class_="chips"), aria_label=label)
