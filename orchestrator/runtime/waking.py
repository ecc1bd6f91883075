"""Waking: whoever waited for a slot of a limit is to look again."""

from __future__ import annotations

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.store.port import Store


def wake(store: Store, versions: Versions, dispatcher: Dispatcher, run_id: str, address: str) -> None:
    """Send a message for a step that waits; for a run that waits, for the steps that it begins with."""
    _, values = store.read(run_id, (fields.WORKFLOW, fields.VERSION))
    workflow, version = values[fields.WORKFLOW], values[fields.VERSION]
    if workflow is None or version is None:
        return
    plan = versions.plan(workflow, version)
    for target in plan.root.entries if address == RUN else (address,):
        dispatcher.send(plan, run_id, target)
