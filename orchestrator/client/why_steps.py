"""Why a live step is where it is: one teller a reason, asked in turn; the first that knows answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.client.around import Around, Taken, operations_of
from orchestrator.client.awaited import missed, people, waited_for
from orchestrator.client.description import describe_step, is_own
from orchestrator.client.masking import masked_step
from orchestrator.client.reasons import Reason, Why, WhyStep
from orchestrator.client.redaction import Mask
from orchestrator.client.shown import StepDescription
from orchestrator.client.spans import moment_text, span
from orchestrator.engine import fields
from orchestrator.engine.address import (
    RUN,
    container_of_lane,
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    parse_address,
    scope_of,
    undone_by,
)
from orchestrator.engine.approvals import is_approval
from orchestrator.engine.arrivals import is_awaiting
from orchestrator.engine.awaiting import owes_look_back
from orchestrator.engine.children import awaited
from orchestrator.engine.look import is_halted
from orchestrator.engine.places import is_container, is_waited_for, node_at, work_at
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.state import LIVE, StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.canvas import queue_of
from orchestrator.plan.graph import REST, SINK, Plan, Work
from orchestrator.plan.plan import DEFAULT_QUEUE

_HOLDERS: Final = 3
"""So many holders of a limit's slots are named of more."""


@dataclass(frozen=True, slots=True)
class Case:
    """A live step, and what is known of it and around it."""

    plan: Plan
    view: RunView
    mask: Mask
    address: str
    look_ms: int | None
    """When the sweeper looks at it if nothing else happens; None if it never does."""
    around: Around
    ask_child: Callable[[str], Why | None]
    """Why a child does not move; None if it is gone."""

    @property
    def state(self) -> StepState:
        """Where the step is."""
        return self.view.state(self.address)

    @property
    def work(self) -> Work | None:
        """Its operation, if it has one."""
        return work_at(self.plan, self.address)

    @property
    def until_ms(self) -> int | None:
        """The moment that it waits for."""
        return self.view.moment(fields.until(self.address))

    @property
    def lease_ms(self) -> int | None:
        """Until when its attempt holds its lease; an SLA may have it looked at before that."""
        return self.view.moment(fields.lease(self.address)) or self.look_ms

    @property
    def resent_ms(self) -> int | None:
        """When it is sent again if nobody takes it; None if it is looked at for its SLA before that."""
        return None if self.look_ms == self.view.moment(fields.sla_next(self.address)) else self.look_ms

    @property
    def halted(self) -> bool:
        """Whether something around it is stopping."""
        return not is_undo(self.address) and is_halted(self.plan, self.view, self.address)

    @property
    def shown(self) -> StepDescription:
        """As it may be shown."""
        return masked_step(describe_step(self.plan, self.view, self.address), self.mask)

    def when(self, at_ms: int) -> str:
        """A moment in words."""
        return moment_text(at_ms, self.view.now_ms)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    reason: Reason
    sentence: str
    advice: str = ""
    more: Mapping[str, Any] | None = None


def why_step(case: Case) -> WhyStep:
    """Why a live step is where it is."""
    told = next(filter(None, (teller(case) for teller in _TELLERS)))
    started = case.view.moment(fields.started(case.address)) if case.state is not StepState.READY else None
    return WhyStep(
        address=case.address,
        state=case.state.value,
        reason=told.reason,
        sentence=case.mask.text(told.sentence),
        advice=case.mask.text(told.advice),
        since=None if started is None else rfc3339(started),
        next_look_at=None if case.view.paused else _shown(case.look_ms),
        **(told.more or {}),
    )


# The tellers.


def _of_drain(case: Case) -> Told | None:
    if not is_drain(case.address):
        return None
    scope = scope_of(case.address)
    what = f"what lies inside {scope}" if scope else "the run"
    if case.state is StepState.WAITING:
        return Told(Reason.STOPPING, f"{what} is stopping: what is in flight there ends first, then it is undone")
    if case.view.paused:
        return Told(Reason.PAUSED, f"the undo of {what} begins when the run is resumed")
    return _in_queue(case, f"the undo of {what} is to begin")


def _of_running(case: Case) -> Told | None:
    if case.state is not StepState.RUNNING:
        return None
    view, token = case.view, case.view[fields.token(case.address)]
    worker = case.around.holder(token)
    who = worker or "a worker"
    what = f"{who} executes {_doing(case)}"
    end = view.moment(fields.deadline(case.address))
    more = {"worker": worker, "until": None if end is None else rfc3339(end)}
    if case.lease_ms is not None and case.lease_ms < view.now_ms and not view.paused:
        since = case.when(case.lease_ms)
        sentence = f"{who} has been silent: its lease ran out at {since}; the sweeper takes the step up again"
        return Told(Reason.LEASE_OVER, sentence, more=more)
    lease = "" if case.lease_ms is None else f"; its lease lasts until {case.when(case.lease_ms)}"
    if case.halted:
        waits = is_waited_for(case.plan, case.address)
        then = "its end is waited for, because it may have to be undone" if waits else "it is dropped at the next look"
        return Told(Reason.STOPPING, f"nothing goes on behind it; {what}, and {then}{lease}", more=more)
    return Told(Reason.RUNNING, what + lease, more=more)


def _of_child(case: Case) -> Told | None:
    child = awaited(case.plan, case.view, case.address)
    if child is None:
        return None
    found = case.ask_child(child.run_id)
    told = "it is gone" if found is None else found.sentence
    waits = "the undo of run" if is_undo(case.address) else "the end of run"
    if case.view[fields.stops(case.address)] is not None:
        waits = "the end, now that it is stopped, of run"
    more = {"child_run": child.run_id, "until": _limit(case)}
    if case.state is StepState.READY:
        return _in_queue(case, f"run {child.run_id} has ended; the step is to take its end", more)
    return Told(Reason.CHILD, f"it waits for {waits} {child.run_id}: {told}", found.advice if found else "", more)


def _of_inside(case: Case) -> Told | None:
    if case.state is not StepState.WAITING or not is_container(case.plan, case.address):
        return None
    view, address = case.view, case.address
    size = view.number(fields.size(address))
    completed, failed, _ = (view.number(name) for name in fields.counts(address))
    kind = "branches" if node_at(case.plan, address).container is not None and _branches(case) else "items"
    done = f"{completed} of {size} {kind} have completed" + (f", {failed} failed" if failed else "")
    then = "; it is stopping: what is in flight inside ends first" if case.halted or _stops(case) else ""
    reason = Reason.STOPPING if then else Reason.INSIDE
    return Told(reason, f"it waits for what goes on inside: {done}{then}", more={"until": _limit(case)})


def _of_stopping(case: Case) -> Told | None:
    if not case.halted:
        return None
    return Told(Reason.STOPPING, "nothing goes on here any more: it is cancelled at the next look")


def _of_event(case: Case) -> Told | None:
    if case.state is not StepState.WAITING or not is_awaiting(case.plan, case.address):
        return None
    shown, more = case.shown, {"until": _limit(case)}
    terms = shown.waits_for or {}
    ends = f", until {case.when(end)}" if (end := case.view.moment(fields.deadline(case.address))) is not None else ""
    if "signals" in terms:
        names = terms["signals"]
        advice = f"orchestrator signal {case.view.run_id} {names[0]}"
        return Told(Reason.SIGNAL, f"it waits for {waited_for(terms)}{ends}", advice, more)
    near = f"; {missed(shown.near_miss)}" if shown.near_miss else "; none of that type has come since"
    if owes_look_back(case.plan, case.view, case.address) is not None:
        waits = f"it waits for {waited_for(terms)}{ends}, and has yet to look at what came before it began to wait"
        return Told(Reason.LOOKING_BACK, waits, more=more | {"queue": queue_of(case.plan, case.address)})
    advice = (
        "" if case.around.listeners else "no listener runs, so no event is taken in: start one: `orchestrator listen`"
    )
    return Told(Reason.EVENT, f"it waits for {waited_for(terms)}{ends}{near}", advice, more)


def _of_approval(case: Case) -> Told | None:
    if case.state is not StepState.WAITING or not is_approval(case.plan, case.address):
        return None
    view, address = case.view, case.address
    asked = case.shown.waits_for or {}
    made = view.json(fields.decisions(address)) or []
    said = "; ".join(f"{one['by']} has {str(one['decision']).replace('_', ' ')}" for one in made)
    mode = "" if asked["mode"] == "any" else f" ({asked['mode']})"
    moments = (
        ("ends", fields.deadline(address)),
        ("others are asked", fields.escalate_at(address)),
        ("those are reminded", fields.remind_at(address)),
    )
    later = "".join(f"; {what} at {case.when(at)}" for what, name in moments if (at := view.moment(name)) is not None)
    sentence = f"it waits for a decision by {people(asked)}{mode}; {said or 'nobody has decided'}{later}"
    return Told(
        Reason.APPROVAL, sentence, f"orchestrator approvals approve {view.run_id} {address}", {"until": _limit(case)}
    )


def _of_limit(case: Case) -> Told | None:
    if case.state is not StepState.WAITING or case.view[fields.in_line(case.address)] is None:
        return None
    around = case.around
    taken = around.taken(case.plan, case.view, case.address)
    place = around.place(case.plan, case.view, case.address)
    line = f", as number {place} in line" if place else ""
    again = "" if case.until_ms is None else f"; it asks again at {case.when(case.until_ms)} at the latest"
    held = "; ".join(map(_held, taken)) or "its slots are being freed"
    return Told(Reason.LIMIT, f"it waits for a slot{line}: {held}{again}", more={"until": _shown(case.until_ms)})


def _held(taken: Taken) -> str:
    names = [run if address == RUN else f"{run} ({address})" for run, address in taken.holders]
    more = f" and {len(names) - _HOLDERS} more" if len(names) > _HOLDERS else ""
    return f"{taken.name}, held by {', '.join(names[:_HOLDERS])}{more}"


def _of_moment(case: Case) -> Told | None:
    if case.state is not StepState.WAITING or case.until_ms is None:
        return None
    at = case.when(case.until_ms)
    passed = case.until_ms <= case.view.now_ms
    more = {"until": _shown(case.until_ms)}
    if node_at(case.plan, case.address).delay is not None and not is_undo(case.address):
        reason, waits = Reason.TIMER, f"it waits until {at}"
    else:
        error = case.shown.error or {}
        attempt = case.view.attempt(case.address)
        failed = f"attempt {attempt - 1} failed with {error.get('code', '')}: {error.get('message', '')}".rstrip(": ")
        reason, waits = Reason.RETRY, f"{failed}; attempt {attempt} is due at {at}"
    if case.view.paused:
        return Told(Reason.PAUSED, f"{waits}, but the run is paused: not before it is resumed", more=more)
    return Told(reason, waits + ("; that is over, and it goes on at the next look" if passed else ""), more=more)


def _of_ready(case: Case) -> Told:
    if case.view.paused:
        return Told(Reason.PAUSED, f"{_named(case)} begins when the run is resumed")
    return _in_queue(case, f"{_named(case)} is ready{_again(case)}")


_TELLERS: Final[tuple[Callable[[Case], Told | None], ...]] = (
    _of_drain,
    _of_running,
    _of_child,
    _of_inside,
    _of_stopping,
    _of_event,
    _of_approval,
    _of_limit,
    _of_moment,
    _of_ready,
)


# Queues.


def _in_queue(case: Case, what: str, more: Mapping[str, Any] | None = None) -> Told:
    """Why a step that is ready is not taken."""
    around, work = case.around, case.work
    queue = _queue(case)
    told = {**(more or {}), "queue": queue}
    if not around.workers:
        advice = f"start one: `celery -A workers worker -Q {queue}`"
        return Told(Reason.NO_WORKER, f"{what}, but no worker has been seen in 20 s", advice, told)
    takers = around.takers(queue)
    if not takers:
        waiting = around.depth(queue)
        many = "" if not waiting else f", in which {waiting} messages wait"
        drained = around.drained(queue)
        advice = f"start one for it: `celery -A workers worker -Q {queue}`"
        sentence = f"{what}, but no worker takes from the queue {queue!r}{many}"
        if drained is not None:
            advice = f"orchestrator workers resume {drained.name}"
            sentence += f"; {drained.name} did, and is drained"
        return Told(Reason.QUEUE_WITHOUT_WORKER, sentence, advice, told)
    if work is not None and not any(work.operation in operations_of(one) for one in takers):
        advice = "start a worker whose setting `operations` names the module that defines it"
        sentence = f"{what}, but no worker of the queue {queue!r} has the operation {work.operation!r}"
        return Told(Reason.OPERATION_NOT_SERVED, sentence, advice, told)
    waiting = around.depth(queue)
    if waiting is None:
        return Told(Reason.BROKER_UNREACHABLE, f"{what}, but the broker does not answer", "start it", told)
    many = f"{waiting} messages wait" if waiting != 1 else "1 message waits"
    sent = case.view.number(fields.resends(case.address))
    resent = f"; it was sent again {sent} times" if sent > 1 else "; it was sent again once" if sent else ""
    later = ""
    if case.resent_ms is not None:
        later = f"; if nobody takes it, it is sent again at {case.when(case.resent_ms)}"
    return Told(Reason.QUEUED, f"{what}: {many} in the queue {queue!r}{resent}{later}", more=told)


def _queue(case: Case) -> str:
    """Where the step's message is."""
    if case.work is not None:
        return case.work.queue
    if is_drain(case.address) or is_lane(case.address) or parse_address(case.address).step in (SINK, REST):
        works = (node.work for node in case.plan.nodes.values())
        return next((work.queue for work in works if work is not None), DEFAULT_QUEUE)
    return queue_of(case.plan, case.address)


# Words.


def _named(case: Case) -> str:
    """What the step is to those who read of it."""
    address = case.address
    if is_lane(address):
        return f"a lane of {container_of_lane(address)}"
    if is_own(address):
        return f"the end of {flow_of(address) or 'the run'}"
    return f"the undo of {undone_by(address)}" if is_undo(address) else "it"


def _doing(case: Case) -> str:
    work, attempt = case.work, case.view.attempt(case.address)
    what = "it" if work is None else work.operation
    if is_lane(case.address):
        first, _, number = (case.view[fields.batch(case.address)] or "0:0").partition(":")
        what += f" for {number} items from {first} on"
    since = case.view.moment(fields.started(case.address))
    took = "" if since is None else f" for {span(max(case.view.now_ms - since, 0))} now"
    return what + (f", attempt {attempt}," if attempt > 1 else "") + took


def _again(case: Case) -> str:
    """What has become of it before."""
    losses, attempt = case.view.number(fields.losses(case.address)), case.view.attempt(case.address)
    lost = f", after {losses} worker{'s were' if losses > 1 else ' was'} lost with it" if losses else ""
    return (f" for attempt {attempt}" if attempt > 1 else "") + lost


def _branches(case: Case) -> bool:
    container = node_at(case.plan, case.address).container
    return container is not None and bool(container.branches)


def _stops(case: Case) -> bool:
    return case.view[fields.stopping(case.address)] == "1"


def _limit(case: Case) -> str | None:
    return _shown(case.view.moment(fields.deadline(case.address)))


def _shown(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else rfc3339(moment_ms)


def live_steps(view: RunView) -> list[str]:
    """The live steps of a run; those that have begun first before others."""
    live = [address for address in view.addresses() if view.state(address) in LIVE]
    return sorted(live, key=lambda one: (view.number(fields.started(one), view.now_ms), one))
