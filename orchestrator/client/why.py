"""Why is it not moving? One answer in words for any run, and one for each of its live steps. It only reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.client.around import Around
from orchestrator.client.masking import mask_of, masked_error
from orchestrator.client.reasons import Reason, Why, WhyStep
from orchestrator.client.redaction import Mask
from orchestrator.client.spans import moment_text
from orchestrator.client.why_steps import Case, live_steps, why_step
from orchestrator.engine import fields
from orchestrator.engine.address import RUN, is_undo
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.state import SETTLED, RunStatus
from orchestrator.engine.undoing import left_to_undo
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan

MOST: Final = 100
"""So many live steps are told."""
_NAMED: Final = 5

_IS: Final = {
    Reason.RUNNING: "running",
    Reason.LEASE_OVER: "of a silent worker",
    Reason.QUEUED: "in a queue",
    Reason.NO_WORKER: "without a worker",
    Reason.QUEUE_WITHOUT_WORKER: "in a queue without a worker",
    Reason.OPERATION_NOT_SERVED: "of an operation that no worker has",
    Reason.BROKER_UNREACHABLE: "in a queue that cannot be reached",
    Reason.TIMER: "waiting for a moment",
    Reason.RETRY: "waiting for the next attempt",
    Reason.LIMIT: "waiting for a limit",
    Reason.EVENT: "waiting for an event",
    Reason.LOOKING_BACK: "about to look back",
    Reason.SIGNAL: "waiting for a signal",
    Reason.APPROVAL: "waiting for people",
    Reason.CHILD: "waiting for a child",
    Reason.INSIDE: "waiting for what is inside",
    Reason.PAUSED: "paused",
    Reason.STOPPING: "stopping",
}


def why(plan: Plan, view: RunView, around: Around) -> Why:
    """Why a run is where it is; needs the whole run."""
    mask = mask_of(plan, around.settings, view)
    entries = {} if view.over else _moments(around.store.entries(view.run_id))
    live = [] if view.over else live_steps(view)

    def child(run_id: str) -> Why | None:
        found = around.whole(run_id)
        return None if found is None else why(found[0], found[1], around)

    steps = tuple(why_step(Case(plan, view, mask, one, entries.get(one), around, child)) for one in live[:MOST])
    reason, sentence, advice = _of_run(view, around, mask, steps, len(live))
    return Why(
        run_id=view.run_id,
        status="paused" if view.paused and not view.over else view.status.value,
        reason=reason,
        sentence=mask.text(sentence),
        steps=steps,
        at=rfc3339(view.now_ms),
        next_look_at=_next_look(view, entries),
        live=len(live),
        advice=mask.text(advice),
        hints=_hints(view, around),
    )


def _of_run(
    view: RunView, around: Around, mask: Mask, steps: tuple[WhyStep, ...], live: int
) -> tuple[Reason, str, str]:
    """Reason, sentence and advice for the run as a whole."""
    if view.over:
        return _of_over(view, mask)
    rest = _of_steps(steps, live)
    if view.paused:
        by, why_paused = around.paused(view)
        since = view.moment(fields.PAUSED_AT)
        told = f" by {by}" if by else ""
        told += f" since {moment_text(since, view.now_ms)}" if since is not None else ""
        told += f": {why_paused}" if why_paused else ""
        return Reason.PAUSED, f"it is paused{told}", f"orchestrator resume {view.run_id}"
    if view.stopping:
        return _of_stopping(view, mask, rest)
    return rest


def _of_over(view: RunView, mask: Mask) -> tuple[Reason, str, str]:
    ended = view.moment(fields.ENDED_AT)
    when = "" if ended is None else f" at {moment_text(ended, view.now_ms)}"
    error = _error(view, mask)
    verb = "completed" if view.status is RunStatus.COMPLETED else f"{_was(view.status)}{error}"
    over = f"it is over: it {verb}{when}"
    if view[fields.ATTENTION] is not None:
        over += f"; it needs attention ({view[fields.ATTENTION]})"
    left = left_to_undo(view)
    run = view.run_id
    if left and view[fields.COMPENSATION] == "pending":
        told = f"{over}; the undo of {_names(left)} waits for an operator"
        return Reason.UNDO_BY_HAND, told, f"orchestrator undo {run}"
    if left:
        advice = f"orchestrator undo {run}, or orchestrator waive {run} STEP"
        return Reason.UNDO_FAILED, f"{over}; the undo of {_names(left)} failed, and waits for an operator", advice
    return Reason.OVER, over, ""


def _of_stopping(view: RunView, mask: Mask, rest: tuple[Reason, str, str]) -> tuple[Reason, str, str]:
    undos: list[str] = view.json(fields.UNDO_LIST) or []
    left = [undo for undo in undos if view.state(undo) not in SETTLED]
    because = f"it {_was(RunStatus(view[fields.REASON] or RunStatus.FAILED))}{_error(view, mask)}"
    if left:
        told = f"{because}, and is being undone: {len(left)} of {len(undos)} undos are left"
        return Reason.UNDOING, f"{told}; {rest[1]}", rest[2]
    return Reason.STOPPING, f"{because}, and is stopping; {rest[1]}", rest[2]


def _of_steps(steps: tuple[WhyStep, ...], live: int) -> tuple[Reason, str, str]:
    if not steps:
        return Reason.UNWATCHED, "it has no live step; beat repairs that within a minute", "look in beat's log"
    inner = [step for step in steps if step.reason is not Reason.INSIDE] or list(steps)
    if len(inner) == 1 and live == len(steps):
        (step,) = inner
        whose = f"the undo {step.address}" if is_undo(step.address) else f"step {step.address}"
        return step.reason, f"{whose}: {step.sentence}", step.advice
    counts = Counter(step.reason for step in inner)
    told = ", ".join(f"{number} {_IS[reason]}" for reason, number in counts.most_common())
    beyond = f", and {live - len(steps)} more" if live > len(steps) else ""
    advice = next((step.advice for step in inner if step.advice), "")
    (reason, _), *others = counts.most_common()
    return Reason.SEVERAL if others else reason, f"{live} steps are live: {told}{beyond}", advice


def _hints(view: RunView, around: Around) -> tuple[str, ...]:
    if view.over or around.beats:
        return ()
    return ("no beat has been seen in 20 s: no moment falls due, and nothing that got lost is sent again",)


def _moments(entries: Mapping[str, float]) -> dict[str, int]:
    """Of a run's ledger, what the sweeper comes to by itself."""
    return {address: int(moment) for address, moment in entries.items() if math.isfinite(moment)}


def _next_look(view: RunView, entries: Mapping[str, int]) -> str | None:
    return rfc3339(min(entries.values())) if entries and not view.paused else None


def _was(status: RunStatus) -> str:
    return "was cancelled" if status is RunStatus.CANCELLED else status.value


def _error(view: RunView, mask: Mask) -> str:
    error: Any = masked_error(view.json(fields.ERROR), mask)
    if not isinstance(error, dict):
        return ""
    step = error.get("address") or error.get("step")
    where = f" at {step}" if step and step != RUN else ""
    by = (error.get("details") or {}).get("by")
    told = ": ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    return f"{f' by {by}' if by else ''}{where}" + (f" ({told})" if told else "")


def _names(undos: list[str]) -> str:
    shown = ", ".join(undo.removesuffix("~") for undo in undos[:_NAMED])
    return shown + (f" and {len(undos) - _NAMED} more" if len(undos) > _NAMED else "")
