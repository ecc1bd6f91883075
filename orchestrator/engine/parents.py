"""What a child knows of its parent: whom to tell that it has ended, in the very commit that ends it (RULES 15)."""

from __future__ import annotations

import json

from orchestrator.engine import fields
from orchestrator.engine.commit import NOW, Changes, Commit, Stage
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.view import RunView


def waiter(run_id: str, address: str, incarnation: str) -> dict[str, str]:
    """Who is to be told of a run's end, as the run keeps it."""
    return {fields.WAITER: json.dumps([run_id, address, incarnation])}


def told(view: RunView) -> tuple[Commit, ...]:
    """What makes the step ready that waits for this run; nothing if none does, or if it has ceased to wait."""
    found = view.json(fields.WAITER)
    if found is None:
        return ()
    parent, address, incarnation = found
    stage = Stage(
        guards={
            fields.state(address): StepState.WAITING,
            fields.child(address): fields.child_text(view.run_id, view.pinned),
            fields.until(address): None,
        },
        changes=Changes(
            set={fields.state(address): move_step(StepState.WAITING, StepHappening.WAKE)}, entries={address: NOW}
        ),
    )
    return (Commit(parent, incarnation, (stage,)),)
