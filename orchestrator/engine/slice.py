"""One message, from look to end: a generator of effects, so that whoever runs it does the doing.

It reads, commits, executes and goes on with what follows until the slice is over; the runtime interprets the effects
with Redis and Celery, the tests with the memory store and a crash between any two of them.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_drain, is_lane, scope_of, undo_of
from orchestrator.engine.awaiting import first_fitting, look_back_reads, owes_look_back, wait_for_more
from orchestrator.engine.child_steps import look_at_child
from orchestrator.engine.children import is_of_child, to_wake
from orchestrator.engine.commit import Answer, Changes, Commit, Reply
from orchestrator.engine.effects import (
    Acquire,
    Apply,
    Attempt,
    Done,
    Effect,
    Ending,
    Fork,
    HandOver,
    LoadPlan,
    Parked,
    Read,
    Recall,
    Release,
    SetAside,
    SliceTerms,
    Steps,
    Stopped,
    Take,
    Wake,
)
from orchestrator.engine.ends import has_begun
from orchestrator.engine.lanes import MAX_BATCH, QUICK_MS, batch_of, settle_batch
from orchestrator.engine.late import record_late
from orchestrator.engine.look import asks_with, claim_unseen, evaluate_inputs, is_halted, look, reads_to_look
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.outcome import Failure, Outcome
from orchestrator.engine.places import is_container, work_at
from orchestrator.engine.quotas import (
    Slots,
    needs_slots,
    quota_reads,
    run_slots,
    stand_in_line,
    step_slots,
    with_slots,
)
from orchestrator.engine.reads import head_fields, keeps_inputs, reads_for
from orchestrator.engine.roots import idempotency_key
from orchestrator.engine.settle import fail_waiting, settle
from orchestrator.engine.sharing import KeptBack, own_reply, with_kept_back
from orchestrator.engine.sla import measured
from orchestrator.engine.start import leftovers
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Plan, Work

SLOW_MS = 50.0
"""A batch that takes longer gives back what it has not come to."""
_UNCLAIMED = frozenset({StepState.PENDING, StepState.READY})
MAX_LOOKS = 8
"""How often a refused decision is taken again before the message is left to the ledger."""


def run_slice(run_id: str, address: str, terms: SliceTerms) -> Steps:
    """Look at the address, and do what there is to do from there on."""
    now_ms, values = yield Read(run_id, head_fields(address))
    view = RunView(run_id, values, now_ms)
    if not view.exists or view.over:
        return Done()
    workflow, version, digest = (view[name] or "" for name in (fields.WORKFLOW, fields.VERSION, fields.DIGEST))
    plan = yield LoadPlan(workflow, version, digest)
    message = _Slice(plan, view, terms)
    ending = yield from message.work(address, fresh=not is_drain(address))
    while isinstance(ending, Done):
        following = yield from message.take()
        if following is None:
            break
        ending = yield from message.work(following)
    if message.taken is not None:
        yield Fork(plan, (message.taken,))
    return ending


class _Slice:
    def __init__(self, plan: Plan, view: RunView, terms: SliceTerms) -> None:
        self.plan = plan
        self.view = view
        self.terms = terms
        self.slots: Slots | None = None
        """What this message holds, or waits for, because of a limit."""
        self.taken: str | None = None
        """What waited in this message, and is its next once it is claimed or looked at."""
        self.batch = 1
        self.kept_back = KeptBack(terms)

    def work(self, address: str, *, fresh: bool = False) -> Steps:
        """Look at addresses, one after the other, until there is nothing more to do here. `fresh`: it was just read."""
        for _ in range(MAX_LOOKS):
            if not fresh:
                yield from self.read(address)
            fresh = False
            while missing := reads_to_look(self.plan, self.view, address):
                yield from self.learn(missing)
            here = self.draw(address)
            move = yield from self.decide(address, here)
            if isinstance(move, str):
                address = move
                continue
            if move is None:
                return Done()
            reply = yield from self.commit(move, address, here)
            if not move.granted(reply) and (move.claims is not None or not reply.first.stands):
                yield from self.give_slots_back()
            if reply.first is Answer.GONE:
                return Done()
            if not reply.first.stands:
                continue
            if move.granted(reply):
                yield from self.fork(move, str(move.claims))
                return (yield from self.execute(str(move.claims), here.token))
            following = yield from self.following(move, reply)
            if following is None or not self.terms.goes_on(self.next_work(following)):
                return self.ending(move, address, following)
            address, fresh = following, self.has_read(following, move)
        return Done()

    def decide(self, address: str, here: Terms) -> Generator[Effect, Any, Move | str | None]:
        """What there is to do at an address, with the slots that it takes; None if it is nothing for this worker."""
        if is_drain(address):
            yield from self.clear(address, here)
        log = owes_look_back(self.plan, self.view, address)
        if log is not None and not self.view.paused and not is_halted(self.plan, self.view, address):
            return (yield from self.look_back(log, address, here))
        if is_of_child(self.plan, address):
            move = yield from look_at_child(self.plan, self.view, address, here)
        else:
            move = look(self.plan, self.view, address, here)
        if not isinstance(move, Move):
            return move
        if not self.serves(move):
            return None
        if move.claims is not None and needs_slots(self.plan, self.view, address):
            return (yield from self.get_slots(move, address, here))
        return move

    def look_back(self, log: str, address: str, here: Terms) -> Generator[Effect, Any, Move]:
        """What a step that waits for an event makes of those that came before: it takes one, or none fits."""
        after, missed = "", None
        yield from self.learn(self.view.missing(look_back_reads(address)))
        while page := (yield Recall(log, self.view.number(fields.CREATED_AT), after)):
            events = [event for _, event in page]
            yield from self.learn(self.view.missing(look_back_reads(address, events)))
            found = first_fitting(self.plan, self.view, address, events, here)
            if isinstance(found, Move):
                return found
            after, missed = page[-1][0], found or missed
        return wait_for_more(self.plan, self.view, address, missed)

    def execute(self, address: str, token: str) -> Steps:
        """Execute claimed steps one after the other, each settled and the next one claimed by one commit."""
        lease = token
        self.kept_back.begin()
        while True:
            if is_lane(address):
                move, here = yield from self.work_off(address, token)
                outcome = None
            else:
                outcome = yield from self.attempt(address, lease)
                if outcome is None:
                    yield from self.give_slots_back()
                    return Done()
                here = self.draw(address)
                settled = settle(self.plan, self.view, address, token, outcome, here)
                move = yield from self.and_next(settled, here)
                if self.slots is None and self.kept_back.keep(self.plan, self.view, address, move, here.token):
                    address, token = str(move.claims), here.token
                    self.taken = None if address == self.taken else self.taken
                    continue
            alone = not self.kept_back.stages
            reply = yield from self.commit(move, address, here)
            yield from self.give_slots_back()
            if not reply.first.stands:
                if outcome is not None and alone:
                    yield from self.report_late(address, token, outcome)
                return Done()
            if move.granted(reply):
                address, token = str(move.claims), here.token
                lease = token
                self.kept_back.begin()
                self.taken = None if address == self.taken else self.taken
                yield from self.fork(move, address)
                continue
            following = yield from self.following(move, reply)
            if following is None or not self.terms.goes_on(self.next_work(following)):
                return self.ending(move, address, following)
            return (yield from self.work(following, fresh=self.has_read(following, move)))

    def work_off(self, lane: str, token: str) -> Generator[Effect, Any, tuple[Move, Terms]]:
        """Execute a lane's batch, as far as that goes quickly; the next one is larger if this one was quick."""
        began_ms, steps, outcomes = self.terms.elapsed_ms(), batch_of(self.plan, self.view, lane), list[Outcome]()
        for step in steps:
            if outcomes and self.terms.elapsed_ms() - began_ms > SLOW_MS:
                break
            outcome = yield from self.attempt(step, token)
            if outcome is None:
                break
            outcomes.append(outcome)
        quick = self.terms.elapsed_ms() - began_ms < QUICK_MS and len(outcomes) == len(steps)
        self.batch = min(self.batch * 2, MAX_BATCH) if quick else 1
        here = self.draw(lane)
        return settle_batch(self.plan, self.view, lane, token, outcomes, here), here

    def take(self) -> Generator[Effect, Any, str | None]:
        """What waits in this message."""
        taken, self.taken = self.taken, None
        return taken or (yield Take())

    def and_next(self, move: Move, here: Terms) -> Generator[Effect, Any, Move]:
        """The end of a branch or item, with the claim of what waits in this message: one commit for both."""
        if move.to is None or not is_container(self.plan, move.to) or move.forks or len(move.commit.stages) > 1:
            return move
        if self.taken is None:
            self.taken = yield Take()
        if self.taken is None or is_drain(self.taken) or self.view.state(self.taken) not in _UNCLAIMED:
            return move  # a second message for what this one has seen to, as far as it knows
        stage = claim_unseen(self.plan, self.taken, here)
        if stage is None:
            return move
        reads = dict.fromkeys((*move.commit.reads, *reads_for(self.plan, self.view, str(self.taken))))
        commit = move.commit.with_stages((*move.commit.stages, stage), tuple(reads))
        return Move(commit, to=move.to, spares=move.spares, begins=move.begins, claims=self.taken, stops=move.stops)

    def get_slots(self, move: Move, address: str, here: Terms) -> Generator[Effect, Any, Move]:
        """The claim, once the slots that it needs are held; or the move that waits for them."""
        yield from self.learn(quota_reads(self.plan, self.view, address))
        try:
            of_run = run_slots(self.plan, self.view) if self.view[fields.SLOT] is None else None
            of_step = step_slots(self.plan, self.view, address, here.token)
        except ExpressionError as error:
            yield from self.learn(reads_for(self.plan, self.view, address))
            failure = Failure(error.code, error.message, retryable=False)
            return fail_waiting(self.plan, self.view, address, failure, here)
        self.slots = of_step
        for slots in (of_run, of_step):
            if slots is not None:
                granted, wait_ms = yield Acquire(slots)
                if not granted:
                    self.slots = slots
                    return stand_in_line(self.view, address, here, wait_ms)
        return with_slots(move, address, of_run=of_run is not None)

    def give_slots_back(self) -> Generator[Effect, Any, None]:
        """The attempt is over, or did not come about."""
        if self.slots is not None:
            yield Release(self.slots)
            self.slots = None

    def clear(self, drain: str, here: Terms) -> Generator[Effect, Any, None]:
        """Of a scope that is stopping: settle at once what nobody waits for."""
        scope = scope_of(drain)
        if self.view[fields.stopping(scope)] != "1" or self.view.state(drain) is StepState.READY:
            return
        moves = leftovers(self.plan, self.view, scope, here)
        for move in moves:
            reply = yield Apply(move.commit)
            yield from _wake(move.commit, reply)
        if moves:
            yield from self.read(drain)

    def fork(self, move: Move, taken: str | None) -> Generator[Effect, Any, None]:
        """Tell what is ready beside the step that this message goes on with."""
        ready = [address for address in dict.fromkeys((move.to, *move.forks)) if address and self.is_open(address)]
        others = tuple(address for address in ready if address != taken)
        if others:
            yield Fork(self.plan, others, move.begins)
        if move.spares:
            yield Fork(self.plan, move.spares, spare=True)

    def is_open(self, address: str) -> bool:
        """Whether a look at an address may find something to do there, as far as it is known."""
        if is_drain(address) or owes_look_back(self.plan, self.view, address) is not None:
            return True
        state = self.view.state(address)
        if not is_container(self.plan, address) or state is StepState.READY:
            return state is StepState.READY
        return not has_begun(self.plan, self.view, address)

    def has_read(self, address: str, move: Move) -> bool:
        """Whether the commit brought back everything that a look at the address begins with."""
        return not is_drain(address) and set(head_fields(address)) <= set(move.commit.reads)

    def attempt(self, address: str, token: str) -> Generator[Effect, Any, Outcome | None]:
        """Evaluate the inputs and call the operation."""
        while missing := reads_for(self.plan, self.view, address):
            yield from self.learn(missing)
        work = work_at(self.plan, address)
        if work is None:
            raise ValueError(f"{address} is not an operation")
        try:
            inputs = evaluate_inputs(self.plan, self.view, address)
        except ExpressionError as error:
            return Failure(error.code, error.message, retryable=False)
        if keeps_inputs(self.plan, address):
            self.view.learn({fields.used_inputs(address): json.dumps(inputs)}, self.view.now_ms)
        outcome: Outcome | None = yield Attempt(
            run_id=self.view.run_id,
            incarnation=self.view.incarnation,
            address=address,
            token=token,
            number=self.view.attempt(address),
            work=work,
            inputs=inputs,
            idempotency_key=idempotency_key(self.view, address),
            user=self.view.json(fields.CTX),
        )
        return outcome

    def commit(self, move: Move, address: str, here: Terms) -> Generator[Effect, Any, Reply]:
        """Apply a move's commit; with the message's signature in it, if the step begins to wait."""
        commit = move.commit
        if move.parks_for_ms is not None:
            parked = yield SetAside(address)
            if parked is not None:
                commit = commit.also(Changes(set={fields.parked(address): parked}))
        before = self.kept_back.release()
        sent = measured(self.plan, with_kept_back(commit, before))
        reply: Reply = yield Apply(sent, claims=move.claims, token=here.token)
        self.view.absorb(sent, reply)
        yield from _wake(sent, reply)
        if self.plan.limits and sent.ended(reply):
            yield from self.give_up_run()
        return own_reply(commit, reply, sent)

    def give_up_run(self) -> Generator[Effect, Any, None]:
        """The run is over: others may have its slots."""
        yield from self.learn(quota_reads(self.plan, self.view, RUN))
        slots = run_slots(self.plan, self.view)
        if slots is not None:
            yield Release(slots)

    def report_late(self, address: str, token: str, outcome: Outcome) -> Generator[Effect, Any, None]:
        """The token no longer stands: keep the outcome beside the step."""
        for _ in range(MAX_LOOKS):
            now_ms, values = yield Read(self.view.run_id, (*head_fields(address), *fields.step_head(undo_of(address))))
            view = RunView(self.view.run_id, values, now_ms)
            if not view.exists:
                return
            reply: Reply = yield Apply(record_late(self.plan, view, address, token, outcome))
            if reply.first is not Answer.REFUSED:
                return

    def read(self, address: str) -> Generator[Effect, Any, None]:
        """Begin a new view: what was read before may have changed while others moved the run."""
        names = None if is_drain(address) else head_fields(address)
        now_ms, values = yield Read(self.view.run_id, names)
        self.view = RunView(self.view.run_id, values, now_ms)

    def learn(self, names: tuple[str, ...]) -> Generator[Effect, Any, None]:
        if names:
            now_ms, values = yield Read(self.view.run_id, names)
            self.view.learn(values, now_ms)

    def draw(self, address: str) -> Terms:
        token = asks_with(self.view, address, self.terms.new_token())
        chance, most = self.terms.chance(), self.terms.max_bytes
        return Terms(self.terms.timing, token, chance, self.may_fuse, max_bytes=most, batch=self.batch)

    def may_fuse(self, work: Work) -> bool:
        return self.terms.serves(work) and self.terms.goes_on(work)

    def serves(self, move: Move) -> bool:
        """Whether this worker can execute what the move claims first of all."""
        work = None if move.claims is None else work_at(self.plan, move.claims)
        return work is None or self.terms.serves(work)

    def next_work(self, address: str) -> Work | None:
        return work_at(self.plan, address)

    def following(self, move: Move, reply: Reply) -> Generator[Effect, Any, str | None]:
        """Where this message might go on: not behind a wait, nor behind a stop, which is the errback's."""
        if move.parks_for_ms is not None or move.stops:
            return None
        if move.to is None and not move.forks and len(reply.answers) > 1 and not reply.second.stands:
            return DRAIN
        ready = [address for address in dict.fromkeys((move.to, *move.forks)) if address and self.is_open(address)]
        following = ready[0] if ready else None
        yield from self.fork(move, following)
        return following

    def ending(self, move: Move, address: str, following: str | None) -> Ending:
        if move.parks_for_ms is not None:
            return Parked(self.plan, address, move.parks_for_ms)
        if move.stops:
            error = self.view.json(fields.ERROR) or self.view.json(fields.error(address)) or {}
            return Stopped(self.plan, address, str(error.get("code", "failed")))
        return Done() if following is None else HandOver(self.plan, following)


def _wake(commit: Commit, reply: Reply) -> Generator[Effect, Any, None]:
    """Tell the other runs that a commit has moved."""
    for run_id, addresses in to_wake(commit, reply):
        yield Wake(run_id, addresses)
