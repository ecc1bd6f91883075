"""What stands where nothing is: why, and what to do next."""

from __future__ import annotations

from markupsafe import Markup

from orchestrator.dashboard.look.markup import Child, tag


def empty_state(
    what: Child, action: str = "", href: str = "", *, hint: Child = None, command: str = "", code: str = ""
) -> Markup:
    """Nothing here: `what`, then a link, a hint, or a command to type."""
    return tag(
        "div",
        tag("p", what, code and tag("code", code)),
        hint and tag("p", hint, class_="hint"),
        command and tag("pre", tag("code", command), tabindex=0),
        action and tag("a", action, href=href, class_="button"),
        class_="empty",
    )
