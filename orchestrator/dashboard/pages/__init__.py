"""The pages, in the order of the navigation. A page that is not whole is not listed."""

from typing import Final

from orchestrator.dashboard.pages import (
    alert,
    alert_channels,
    alerts,
    approval,
    approvals,
    audit,
    event_emit,
    events,
    overview,
    queue,
    queues,
    run,
    runs,
    schedule,
    schedules,
    worker,
    workers,
    workflow,
    workflow_diff,
    workflow_start,
    workflows,
)
from orchestrator.dashboard.pages.page import Page

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    runs.PAGE,
    run.PAGE,
    workflows.PAGE,
    workflow.PAGE,
    workflow_diff.PAGE,
    workflow_start.PAGE,
    approvals.PAGE,
    approval.PAGE,
    queues.PAGE,
    queue.PAGE,
    workers.PAGE,
    worker.PAGE,
    schedules.PAGE,
    schedule.PAGE,
    events.PAGE,
    event_emit.PAGE,
    alerts.PAGE,
    alert_channels.PAGE,
    alert.PAGE,
    audit.PAGE,
)
