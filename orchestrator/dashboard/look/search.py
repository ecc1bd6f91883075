"""Narrowing a list down: a form that the browser itself sends, and links for what is asked for most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from markupsafe import Markup

from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.look.parts import field
from orchestrator.dashboard.paths import to


def search_form(path: str, text: str, hint: str, kept: Mapping[str, str]) -> Markup:
    """A search over the page's list; `kept` are other filters that stay in the address."""
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
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in kept.items() if value]
    clear = tag("a", "Clear", href=to(path, kept), class_="button plain") if text else None
    buttons = tag("div", tag("button", "Search", type="submit"), clear, class_="actions")
    inner = (field("Search", search, name="text"), *hidden, buttons)
    form = tag("form", *inner, method="get", action=to(path), class_="filters", data_filters=True, role="search")
    return joined([form])


def chips(choices: Mapping[str, str], chosen: str, address: Callable[[str], str], label: str) -> Markup:
    """A link for each of several values: value → word."""
    links = [
        tag("li", tag("a", word, href=address(value), aria_current="true" if value == chosen else None))
        for value, word in choices.items()
    ]
    return tag("nav", tag("ul", *links, class_="chips"), aria_label=label)
