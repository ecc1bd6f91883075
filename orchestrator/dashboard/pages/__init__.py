"""The pages, in the order of the navigation. A page that is not whole is not listed."""

from typing import Final

from orchestrator.dashboard.pages import run, runs
from orchestrator.dashboard.pages.page import Page

PAGES: Final[tuple[Page, ...]] = (
    runs.PAGE,
    run.PAGE,
)
