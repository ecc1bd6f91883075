"""Many names in a box: as many columns as fit, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.dashboard.look.markup import Child, tag
from orchestrator.dashboard.look.parts import heading
from orchestrator.dashboard.paths import workflow_path


def names_box(title: str, names: Sequence[Markup], nothing: Child) -> Markup:
    """The names below a heading with their number; what `nothing` says, if there are none."""
    inner = tag("ul", *(tag("li", one) for one in names))
    listed = tag("div", inner, class_="names", role="region", tabindex=0, aria_label=title)
    said = tag("p", nothing, class_="hint")
    count = tag("span", f"{len(names):,}", class_="count")
    return tag("section", heading(title, count, level="h2"), listed if names else said, class_="panel")


def version_link(name: str) -> Markup:
    """A link to the version that is called `payment.flow@1.0.0`."""
    key, _, version = name.partition("@")
    return tag("a", name, href=workflow_path(key, version))
