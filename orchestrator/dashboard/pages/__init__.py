"""The pages, in the order of the navigation. A page that is not whole is not listed."""

from typing import Final

from orchestrator.dashboard.pages import run, runs, workflow, workflow_diff, workflow_start, workflows
from orchestrator.dashboard.pages.page import Page

PAGES: Final[tuple[Page, ...]] = (
    runs.PAGE,
    run.PAGE,
    workflows.PAGE,
    workflow.PAGE,
    workflow_diff.PAGE,
    workflow_start.PAGE,
)
