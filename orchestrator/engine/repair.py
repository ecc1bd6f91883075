"""Repair: a run that goes on has an entry for each live step and one for itself. There should be nothing to do."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import NOW, Changes, Commit, Due, Stage
from orchestrator.engine.stages import event
from orchestrator.engine.state import LIVE
from orchestrator.engine.view import RunView


def repair(view: RunView, entries: Collection[str]) -> Commit | None:
    """Give a run the entries that its ledger lacks; None if it lacks none. Needs the whole run."""
    if not view.exists or view.over:
        return None
    states = {address: view.state(address) for address in view.addresses()}
    lost = [address for address, state in states.items() if state in LIVE and address not in entries]
    if RUN in entries and not lost:
        return None
    run_entry = {} if RUN in entries else {RUN: Due(at_ms=view.moment(fields.RUN_DEADLINE), cap=fields.sla_next(RUN))}
    stage = Stage(
        guards={fields.STATUS: view.status.value, **{fields.state(address): states[address] for address in lost}},
        changes=Changes(
            entries={**run_entry, **dict.fromkeys(lost, NOW)},
            events=(event("run_repaired", steps=lost),),
        ),
    )
    return Commit(view.run_id, view.incarnation, (stage,))
