"""The span of time that figures are of, as it stands in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from orchestrator.dashboard.look.search import chips

SPANS: Final[Mapping[str, str]] = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}
DAY: Final = "24h"


def span_of(query: Mapping[str, str]) -> str:
    """The span that is asked for; a day, if none that is offered is."""
    asked = query.get("span", DAY)
    return asked if asked in SPANS else DAY


def span_chips(span: str, address: Mapping[str, str]) -> Markup:
    """A link for each span; `address` has them."""
    return chips(SPANS, span, address.__getitem__, "Span of the figures")


def percent(share: float | None) -> str:
    """A share as it is shown; no share is a dash."""
    if share is None:
        return "–"
    shown = f"{100 * share:.1f}".removesuffix(".0")
    return f"{'> 99.9' if shown == '100' and share < 1 else shown} %"
