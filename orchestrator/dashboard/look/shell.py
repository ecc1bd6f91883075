"""What stands around every page: the head's links, the brand, the navigation. Plain HTML, there before any script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from orchestrator.dashboard.look.markup import joined, tag
from orchestrator.dashboard.paths import ASSETS, LOGOUT, to

BUNDLES: Final[Mapping[str, Sequence[str]]] = {
    "all.js": ("dashboard.js", "forms.js"),
    "all.css": (
        "base.css",
        "tokens.css",
        "shell.css",
        "parts.css",
        "run.css",
        "forms.css",
        "workflows.css",
        "ways.css",
        "fleet.css",
        "over.css",
    ),
}
"""What browsers ask for, and the files that it is made of, in their order."""

_MARK: Final = Markup(
    '<path d="M5 12.5h4.2c3.4 0 2.4-7 5.8-7H19M9.2 12.5c3.4 0 2.4 7 5.8 7H19" fill="none" stroke="currentColor" '
    'stroke-width="2" stroke-linecap="round"/><circle cx="4" cy="12.5" r="2.4" fill="currentColor"/>'
    '<circle cx="20" cy="5.5" r="2.4" fill="currentColor"/><circle cx="20" cy="19.5" r="2.4" fill="currentColor"/>'
)


@dataclass(frozen=True, slots=True)
class NavItem:
    """One page in the navigation; `keys` are pressed one after the other."""

    title: str
    path: str
    keys: str


def head_links() -> Markup:
    """Our styles and our script, which sets the theme before anything is painted: one file each."""
    script, style = (to(f"{ASSETS}/{name}") for name in BUNDLES)
    viewport = tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    icon = tag("link", rel="icon", type="image/svg+xml", href=to(f"{ASSETS}/mark.svg"))
    return joined([viewport, icon, tag("script", "", src=script), tag("link", rel="stylesheet", href=style)])


def brand() -> Markup:
    """The mark and the name."""
    mark = tag("svg", _MARK, viewBox="0 0 24 24", aria_hidden="true", class_="mark")
    return tag("a", mark, tag("span", "Orchestrator"), href=to("/"), class_="brand")


def shell(items: Sequence[NavItem], here: str, user: str, role: str, token: str | None) -> Markup:
    """Skip link, brand, navigation, theme and log-out. Without a token nobody is logged in, so nobody can log out."""
    links = [
        tag(
            "li",
            tag(
                "a",
                item.title,
                href=to(item.path),
                aria_current="page" if item.path == here else None,
                data_keys=item.keys,
                title=f"{item.title} ({item.keys})",
            ),
        )
        for item in items
    ]
    theme = tag("button", "Theme", type="button", class_="plain", data_theme_button=True, title="Change the theme (t)")
    keys = tag("button", "Keys", type="button", class_="plain", data_keys_button=True, title="Keyboard shortcuts (?)")
    leave = token and tag(
        "form",
        tag("input", type="hidden", name="token", value=token),
        tag("button", "Log out", type="submit", class_="plain"),
        method="post",
        action=to(LOGOUT),
    )
    who = tag("p", tag("b", user or "this machine"), tag("span", role), class_="who")
    return joined(
        [
            tag("a", "Skip to the content", href="#main", class_="skip"),
            tag(
                "header",
                brand(),
                tag("nav", tag("ul", *links), aria_label="Pages"),
                tag("div", who, theme, keys, leave, class_="account"),
                class_="side",
            ),
            tag("div", role="status", aria_live="polite", class_="notices", id="notices"),
        ]
    )
