"""Children as those who start and wake them see it: the version they take, their input, the messages they get."""

from __future__ import annotations

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.inputs import checked_input
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.effects import PrepareChild, PreparedChild, Wake
from orchestrator.engine.outcome import Failure
from orchestrator.errors import InvalidInput, OrchestratorError, PayloadTooLarge, UnknownWorkflow
from orchestrator.store.port import Store

log = logs.get("children")


def prepare(versions: Versions, limit: int, wanted: PrepareChild) -> PreparedChild | Failure:
    """The version that a child takes now, and its checked input; a failure of the step if it cannot be started."""
    roots = {"input": wanted.inputs, "ctx": wanted.ctx}
    try:
        _, plan = versions.resolve(wanted.key, wanted.version, run_id=wanted.run_id, roots=roots)
        given = checked_input(wanted.inputs, plan.input_schema, limit)
        ctx = checked_input(wanted.ctx or {}, plan.ctx_schema, limit, name="ctx")
    except (UnknownWorkflow, InvalidInput, PayloadTooLarge) as error:
        return Failure(error.code, f"workflow {wanted.key}@{wanted.version}: {error.message}")
    return PreparedChild(plan, given, ctx)


def wake_kin(store: Store, versions: Versions, dispatcher: Dispatcher, wake: Wake) -> None:
    """Send messages for another run of a family; what the broker misses, the ledger sends."""
    _, values = store.read(wake.run_id, (fields.WORKFLOW, fields.VERSION))
    workflow, version = values[fields.WORKFLOW], values[fields.VERSION]
    if workflow is None or version is None:
        return
    try:
        plan = versions.plan(workflow, version)
        dispatcher.send_many([(plan, wake.run_id, address) for address in wake.addresses])
    except OrchestratorError as error:
        log.warning("not_woken", run_id=wake.run_id, steps=wake.addresses, error=error.message)
