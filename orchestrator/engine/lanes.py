"""Lanes: a map whose body is one operation without effect is worked off in batches (RULES 16).

A lane is a step (`read~~2`) with claim, lease and entry; the items of its batch have none. What a batch did is settled
by one commit. An item that failed becomes a step of its own, with attempts of its own. What a slow batch did not come
to, and all of a batch whose worker was lost, stays with the lane, which takes it one by one from then on; an item that
is lost alone becomes a step of its own as well. No loss of a batch is anybody's attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.engine import fields
from orchestrator.engine.address import container_of_lane, lane_of, member, number_of_lane, within
from orchestrator.engine.commit import Changes, Commit, Due, Guards, Stage, merged
from orchestrator.engine.ends import joining
from orchestrator.engine.onward import Move, Onward, Terms
from orchestrator.engine.outcome import Outcome, Success
from orchestrator.engine.places import container_at, going_on
from orchestrator.engine.reads import reads_for
from orchestrator.engine.stages import claim, event, leave, queued, reach, when_drained
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import REST, Node, Plan, Work

MAX_BATCH = 64
QUICK_MS = 10.0
"""A batch that took less is followed by one twice as large."""


def body_of(plan: Plan, lane: str) -> Node:
    """The step that every item of the lane's map is; ValueError if the map is not worked off in batches."""
    body = plan.batch_body(container_at(plan, container_of_lane(lane)))
    if body is None:
        raise ValueError(f"{lane} is not a lane")
    return body


def first_lanes(plan: Plan, container: str, size: int, terms: Terms) -> Onward:
    """Begin a map in batches: one lane is ready, and others may be opened where that one takes long."""
    lane = lane_of(container, 0)
    most = min(size, container_at(plan, container).max_concurrency)
    spares = tuple(lane_of(container, number) for number in range(1, most))
    return Onward(changes=reach(plan, lane, terms.timing), to=lane, spares=spares)


def look_at_lane(plan: Plan, view: RunView, lane: str, terms: Terms) -> Move | None:
    """Take the next batch; a lane that nobody has opened yet is opened, one that has nothing left to do leaves."""
    container = container_of_lane(lane)
    state, left = view.state(lane), view.number(fields.size(container)) - view.number(fields.begun(container))
    most = container_at(plan, container).max_concurrency
    goes_on = view.state(container) is StepState.WAITING and (left > 0 or view[fields.rest(lane)] is not None)
    if state is StepState.PENDING and (not goes_on or number_of_lane(lane) >= most):
        return None
    if goes_on:
        batch = _claim_batch(plan, view, lane, terms)
        return _claimed(plan, view, lane, terms, *_made_ready(plan, view, lane, terms), batch)
    gone = _gone(plan, lane, state)
    seen = (fields.state(lane), fields.begun(container), fields.state(container))
    stage = Stage({name: view[name] for name in seen}, gone, then=when_drained(plan, lane))
    follows = container if view.state(container) is StepState.READY else REST
    return Move(Commit(view.run_id, view.incarnation, (stage,), (fields.state(REST),)), to=follows)


def batch_of(plan: Plan, view: RunView, lane: str) -> list[str]:
    """The steps of the items that a claimed lane works off, in order."""
    container, step = container_of_lane(lane), body_of(plan, lane).id
    return [within(member(container, n), step) for n in _items(view, fields.batch(lane))]


def settle_batch(plan: Plan, view: RunView, lane: str, token: str, outcomes: Sequence[Outcome], terms: Terms) -> Move:
    """Record what the items of a batch gave, give back those that failed, and take the next batch."""
    container, steps = container_of_lane(lane), batch_of(plan, view, lane)
    told = zip(steps, outcomes, strict=False)
    done = {step: outcome for step, outcome in told if isinstance(outcome, Success)}
    given_back = [step for step in steps[: len(outcomes)] if step not in done]
    kept = _kept(view, lane, len(outcomes))
    view.learn(kept, view.now_ms)
    exhausted = not kept and view.number(fields.begun(container)) >= view.number(fields.size(container))
    settled = _settled(plan, lane, token, terms, exhausted=exhausted)
    ready = (reach(plan, one, terms.timing) for one in given_back)
    changes = merged((settled, Changes(set=kept), _recorded(container, done), *ready))
    mark = {fields.settled_by(lane): token}
    stage = Stage({fields.token(lane): token}, changes | Changes(set=mark), already=mark)
    joined = joining(plan, view, container, terms.timing, lane, number=len(done))
    onward = replace(joined, forks=(*given_back, REST), reads=(*joined.reads, fields.state(REST)))
    if not exhausted:
        reads = (*joined.reads, *_batch_reads(plan, view, lane, terms))
        batch = _claim_batch(plan, view, lane, terms)
        forks = (container, *given_back)  # others may have taken what is left, so that this was the last batch
        onward = replace(onward, second=batch, to=lane, claims=lane, forks=forks, reads=reads)
    return onward.move(view, stage)


def give_back(plan: Plan, view: RunView, lane: str, token: str, terms: Terms) -> Move:
    """The lane's worker was lost: it keeps its batch, to take it one by one; a single item is a step of its own."""
    steps = batch_of(plan, view, lane)
    kept = _kept(view, lane, 0) if len(steps) > 1 else {}
    alone = () if kept else tuple(steps)
    ready = Changes(
        set={
            fields.state(lane): move_step(StepState.RUNNING, StepHappening.LAPSE),
            fields.token(lane): "",
            **kept,
        },
        delete=(fields.batch(lane),),
        remove=((fields.open_set(lane), token),),
        entries={lane: Due(within_ms=terms.timing.resend_ms)},
        events=(event("attempt_lost", lane, attempt=1),),
    )
    changes = merged((ready, *(reach(plan, one, terms.timing) for one in alone)))
    guards = {fields.state(lane): StepState.RUNNING, fields.token(lane): token}
    stage = Stage(guards, changes, due=(lane,))
    return Move(Commit(view.run_id, view.incarnation, (stage,)), to=lane, forks=alone)


def _made_ready(plan: Plan, view: RunView, lane: str, terms: Terms) -> tuple[Stage, ...]:
    """Before its claim: a lane that nobody has opened yet is reached, one that stood in line is woken."""
    match view.state(lane):
        case StepState.PENDING:
            changes = reach(plan, lane, terms.timing)
        case StepState.WAITING:
            woken = Changes(set={fields.state(lane): move_step(StepState.WAITING, StepHappening.WAKE)})
            changes = woken | queued(lane, terms.timing, None)
        case _:
            return ()
    guards = {fields.state(lane): view[fields.state(lane)], **_open(plan, view, lane)}
    taken: Guards = {fields.state(lane): StepState.RUNNING, fields.token(lane): terms.token}
    return (Stage(guards, changes, already=taken),)


def _claimed(plan: Plan, view: RunView, lane: str, terms: Terms, *stages: Stage) -> Move:
    commit = Commit(view.run_id, view.incarnation, stages, _batch_reads(plan, view, lane, terms))
    return Move(commit, to=lane, claims=lane)


def _batch_reads(plan: Plan, view: RunView, lane: str, terms: Terms) -> tuple[str, ...]:
    """The fields that the next batch takes: what every item reads, and the items."""
    container = container_of_lane(lane)
    following = _following(view, lane, terms)
    shared = reads_for(plan, view, within(member(container, following.start), body_of(plan, lane).id))
    items = [fields.item(member(container, n)) for n in following]
    return (*fields.HEAD, *fields.step_head(lane), *fields.lane_head(lane), *shared, *items)


def _items(view: RunView, field: str) -> range:
    """The items that a field of the form `first:number` names."""
    first, _, number = (view[field] or "0:0").partition(":")
    return range(int(first), int(first) + int(number))


def _following(view: RunView, lane: str, terms: Terms) -> range:
    """The items that the lane takes next: one of those that it has kept, else the next that nobody has begun."""
    rest, container = _items(view, fields.rest(lane)), container_of_lane(lane)
    if rest:
        return rest[:1]
    begun = view.number(fields.begun(container))
    left = view.number(fields.size(container)) - begun
    return range(begun, begun + max(1, min(terms.batch, MAX_BATCH, left)))


def _kept(view: RunView, lane: str, reached: int) -> dict[str, str]:
    """What the lane keeps: the items of its batch from that one on, and those that it has kept before."""
    batch, rest = _items(view, fields.batch(lane))[reached:], _items(view, fields.rest(lane))
    number = len(batch) + len(rest)
    first = batch.start if batch else rest.start
    return {fields.rest(lane): f"{first}:{number}"} if number else {}


def _claim_batch(plan: Plan, view: RunView, lane: str, terms: Terms) -> Stage:
    container, work = container_of_lane(lane), _work(plan, lane)
    following, rest = _following(view, lane, terms), _items(view, fields.rest(lane))[1:]
    whole = replace(work, timeout_ms=work.timeout_ms * len(following))
    stage = claim(plan, lane, whole, terms.token, terms.timing, attempt=1, first=False)
    kept = view[fields.rest(lane)] is not None
    taken = Changes(
        set={
            fields.batch(lane): f"{following.start}:{len(following)}",
            **({} if kept else {fields.begun(container): str(following.stop)}),
            **({fields.rest(lane): f"{rest.start}:{len(rest)}"} if rest else {}),
        },
        delete=(fields.rest(lane),) if kept and not rest else (),
    )
    quiet = replace(stage.changes, events=())
    return replace(stage, guards={**stage.guards, **_open(plan, view, lane)}, changes=quiet | taken)


def _open(plan: Plan, view: RunView, lane: str) -> dict[str, str | None]:
    """The guards of taking further items: the map goes on, and nobody else has taken them."""
    container = container_of_lane(lane)
    source = fields.begun(container) if view[fields.rest(lane)] is None else fields.rest(lane)
    return {
        **going_on(plan, container),
        fields.stopping(container): None,
        fields.state(container): StepState.WAITING,
        source: view[source],
    }


def _settled(plan: Plan, lane: str, token: str, terms: Terms, *, exhausted: bool) -> Changes:
    struck = Changes(remove=((fields.open_set(lane), token),), delete=(fields.batch(lane),))
    if exhausted:
        return _gone(plan, lane, StepState.RUNNING) | struck
    ready = move_step(StepState.RUNNING, StepHappening.LAPSE)
    return struck | Changes(
        set={fields.state(lane): ready, fields.token(lane): ""}, entries={lane: Due(within_ms=terms.timing.resend_ms)}
    )


def _gone(plan: Plan, lane: str, state: StepState) -> Changes:
    """A lane ends without a word: what it did is told of its items."""
    return replace(leave(plan, lane, move_step(state, StepHappening.COMPLETE)), events=())


def _recorded(container: str, done: dict[str, Success]) -> Changes:
    values: dict[str, str] = {}
    arrived: list[tuple[str, str]] = []
    for step, outcome in done.items():
        flow = step.rpartition("/")[0]
        key = flow[len(container) + 1 : -1]
        values[fields.state(step)] = StepState.COMPLETED
        values[fields.flow_state(flow)] = StepState.COMPLETED
        values[fields.output(flow)] = outcome.output
        arrived += [(fields.completed_set(container), key), (fields.over_set(container), key)]
    items, took = [int(key) for _, key in arrived[::2]], [outcome.took_ms for outcome in done.values()]
    measured = None if None in took else took
    told = (event("items_completed", container, items=items, took_ms=measured),) if done else ()
    return Changes(set=values, number=tuple(map(fields.sequence, done)), add=tuple(arrived), events=told)


def _work(plan: Plan, lane: str) -> Work:
    work = body_of(plan, lane).work
    if work is None:
        raise ValueError(f"{lane} executes nothing")
    return work
