"""Links to the other pages of a list: of one that is read whole because it is small, and of one read by a cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from markupsafe import Markup

from orchestrator.dashboard.look.markup import NOTHING, tag
from orchestrator.dashboard.look.status import sign

T = TypeVar("T")


def page_number(query: Mapping[str, str]) -> int:
    """The page that an address asks for, from 1."""
    asked = query.get("page", "")
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < len("1000000") else 1


def of_page(rows: Sequence[T], number: int, size: int) -> Sequence[T]:
    """The rows of that page."""
    return rows[(number - 1) * size : number * size]


def page_links(count: int, number: int, size: int, what: str, address: Callable[[str], str]) -> Markup:
    """Links to the pages before and behind; how many there are in all, as in `12 queues`."""
    if not count:
        return NOTHING
    before, after = number > 1, number * size < count
    links = [
        tag("a", "Page before", href=address(str(number - 1)), class_="button", rel="prev") if before else None,
        tag("a", "Next page", href=address(str(number + 1)), class_="button", rel="next") if after else None,
    ]
    return tag("div", *links, tag("span", f"{count:,} {what}{'' if count == 1 else 's'}", class_="hint"), class_="bar")


def cursor_links(first: str | None, more: str | None, words: tuple[str, str] = ("First page", "Next page")) -> Markup:
    """Links to the beginning and to what comes behind, by their addresses; None: one is there, or there is none."""
    links = [
        tag("a", words[0], href=first, class_="button") if first else None,
        tag("a", words[1], sign("skip"), href=more, class_="button", rel="next") if more else None,
    ]
    return tag("div", *links, class_="bar") if first or more else NOTHING
