"""The address without a page's name: leads to the first page."""

from __future__ import annotations

from nicegui import ui

from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import to
from orchestrator.dashboard.visit import Visit


async def show(visit: Visit) -> None:  # noqa: ARG001
    """Go to the runs."""
    ui.navigate.to(to("/runs"))


PAGE = Page("/", "Orchestrator", show)
