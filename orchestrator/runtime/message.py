"""The worker's side of a slice: it interprets the engine's effects with the store, the broker and the operations."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from celery import Task

from orchestrator import logs
from orchestrator.broker.parking import drop_chain, hand_over, set_aside
from orchestrator.client.children import prepare, wake_kin
from orchestrator.client.redaction import mask_of_lines
from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.address import RUN
from orchestrator.engine.commit import Reply
from orchestrator.engine.effects import (
    Acquire,
    Apply,
    Attempt,
    Ending,
    Fork,
    HandOver,
    LoadPlan,
    Parked,
    PrepareChild,
    PreparedChild,
    Read,
    Recall,
    Release,
    SetAside,
    SliceTerms,
    Stopped,
    Take,
    Wake,
)
from orchestrator.engine.lease import holder_mark, progress
from orchestrator.engine.outcome import Failure, Outcome
from orchestrator.engine.places import is_waited_for, work_at
from orchestrator.engine.quotas import RUN_LEASE_MS, Slots, parse_holder
from orchestrator.engine.settle import SHORT_WAIT_MS
from orchestrator.engine.sla import sla_at
from orchestrator.engine.slice import run_slice
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import SEPARATOR, deal, queue_of, region
from orchestrator.plan.graph import Plan, Work
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.runtime.backlog import Backlog
from orchestrator.runtime.executor import to_json_text
from orchestrator.runtime.heartbeat import Lease
from orchestrator.runtime.worker import Worker
from orchestrator.spec.operations import Effect
from orchestrator.store.limits import Ask, ask_of

log = logs.get("worker")

RECALLED = 200
"""Events that a step which looks back is given at a time."""


def work(worker: Worker, task: Task[Any, Any], run_id: str, address: str) -> Ending:
    """Run one message's slice to its end, and leave the message as Celery is to go on with it."""
    first, *others = address.split(SEPARATOR)
    message = Message(worker, task, run_id)
    message.backlog.add(others)
    ending = message.run(first)
    message.finish(ending)
    return ending


class Message:
    """One message while it is worked off: its leases, its time, and the signature that it may put aside."""

    def __init__(self, worker: Worker, task: Task[Any, Any], run_id: str) -> None:
        self.worker = worker
        self.task = task
        self.run_id = run_id
        self.began_s = elapsed_s()
        self.queue = (task.request.delivery_info or {}).get("routing_key") or DEFAULT_QUEUE
        self.mark = holder_mark(str(getattr(task.request, "hostname", None) or ""))
        worker.name = worker.name or getattr(task.request, "hostname", None) or ""
        self.plan: Plan | None = None
        self.traceparent: str | None = None
        self.parked: str | None = None
        self.lease: Lease | None = None
        self.lease_began_s = 0.0
        self.backlog = Backlog(self.give_away)
        self.ask: Ask | None = None

    def run(self, address: str) -> Ending:
        """Interpret the slice's effects one by one."""
        terms = SliceTerms(
            timing=self.worker.timing,
            new_token=self.new_token,
            chance=random.random,
            serves=self.serves,
            goes_on=self.goes_on,
            max_bytes=self.worker.settings.max_payload_bytes,
            elapsed_ms=lambda: (elapsed_s() - self.began_s) * 1000,
            quick=lambda work: work.operation in self.worker.quick,
        )
        steps = run_slice(self.run_id, address, terms)
        answer: Any = None
        try:
            while True:
                answer = self.carry_out(steps.send(answer))
        except StopIteration as end:
            ending: Ending = end.value
            return ending
        finally:
            self.let_go()
            self.backlog.end()

    def carry_out(self, effect: Any) -> Any:
        """Do what an effect asks for, and answer with what came of it."""
        match effect:
            case Apply():
                return self.apply(effect)
            case Attempt():
                return self.attempt(effect)
            case Read():
                return self.read(effect)
            case LoadPlan():
                plan = self.worker.versions.plan(effect.key, effect.version)
                self.plan = self.plan or plan
                return plan
            case SetAside():
                return self.set_aside(effect.address)
            case Fork():
                return self.fork(effect)
            case Acquire():
                return self.acquire(effect.slots)
            case Release():
                return self.release(effect.slots)
            case PrepareChild() | Wake():
                return self.for_kin(effect)
            case Recall():
                return self.worker.events.recall(effect.name, effect.since_ms, RECALLED, effect.after)
            case Take():
                return self.backlog.take() if self.goes_on(None) else None
        raise TypeError(f"unknown effect {effect!r}")

    def read(self, effect: Read) -> tuple[int, Mapping[str, str | None]]:
        """Fields of a run; of this one also whose trace it belongs to, if traces are wanted."""
        store, names = self.worker.store, effect.names
        if names is None:
            return store.read_all(effect.run_id)
        if self.worker.tracing is None or effect.run_id != self.run_id:
            return store.read(effect.run_id, names)
        now_ms, values = store.read(effect.run_id, (*names, fields.TRACE))
        self.traceparent = values[fields.TRACE]
        return now_ms, values

    def apply(self, effect: Apply) -> Reply:
        """Apply a commit; hold the lease that it asks for from before it is sent."""
        if effect.claims is None:
            reply = self.worker.store.apply(effect.commit)
            self.let_go()
            return reply
        incarnation = effect.commit.incarnation or "1"
        waited_for = self.plan is not None and is_waited_for(self.plan, effect.claims)
        measured = self.plan is not None and self.plan.has_slas and sla_at(self.plan, effect.claims) is not None
        lease = Lease(self.run_id, incarnation, effect.claims, effect.token, waited_for, measured, self.ask)
        lease.workflow = "" if self.plan is None else self.plan.key
        began_s = elapsed_s()
        self.worker.heartbeat.hold(lease)
        try:
            reply = self.worker.store.apply(effect.commit)
        except BaseException:
            self.worker.heartbeat.release(lease.token)
            raise
        self.let_go()
        self.lease, self.lease_began_s = lease, began_s
        lease.claimed_at_ms = reply.now_ms
        return reply

    def attempt(self, effect: Attempt) -> Outcome | None:
        """Execute an operation; None if its lease has run out before a write could begin."""
        lease, work = self.lease, effect.work
        if lease is None or lease.token != effect.token:
            raise RuntimeError(f"no lease for {effect.address}")
        elapsed_ms = (elapsed_s() - self.lease_began_s) * 1000
        if work.effect is not Effect.NONE and elapsed_ms >= self.worker.settings.lease_ms:
            log.warning("lease_ran_out", run_id=effect.run_id, step=effect.address)
            return None
        lease.limit(work.timeout_ms, work.heartbeat_timeout_ms)
        self.backlog.watch()

        def heartbeat(report: Any) -> None:
            if lease.address != effect.address:
                return  # the lease is the lane's, and is renewed for it
            commit = progress(
                effect.run_id, effect.incarnation, effect.address, effect.token, to_json_text(report), lease.silence_ms
            )
            reply = self.worker.store.apply(commit)
            lease.heard(reply)

        began_s = elapsed_s()
        execute = partial(
            self.worker.executor.execute,
            self.worker.operations.get(work.operation),
            effect,
            heartbeat=heartbeat,
            cancelled=lambda: lease.cancelled,
            seconds_left=(work.timeout_ms - elapsed_ms) / 1000,
        )
        tracing = self.worker.tracing
        with logs.about(self.about(effect)):
            if tracing is None:
                outcome = execute()
            else:
                outcome = tracing.around(execute, effect, self.plan, self.traceparent, self.task.request)
        took_s = elapsed_s() - began_s
        self.backlog.rest()
        self.worker.note(work.operation, took_s)
        return outcome.timed(round(took_s * 1000, 3))

    def about(self, attempt: Attempt) -> logs.About:
        """What every line that the operation writes is about."""
        plan = self.plan
        told = {"run_id": attempt.run_id, "step": attempt.address, "attempt": attempt.number}
        if plan is None:
            return logs.About(told)
        told |= {"workflow": plan.key, "version": plan.version}
        return logs.About(told, _mask_of(plan.redact) if plan.redact else None)

    def for_kin(self, effect: PrepareChild | Wake) -> PreparedChild | Failure | None:
        """What a child, or a parent, is to be started with or told."""
        worker = self.worker
        if isinstance(effect, PrepareChild):
            return prepare(worker.versions, worker.settings.max_payload_bytes, effect)
        wake_kin(worker.store, worker.versions, worker.dispatcher, effect)
        return None

    def acquire(self, slots: Slots) -> tuple[bool, int]:
        """Ask for slots; whether they are held, and when to ask again."""
        of_run = parse_holder(slots.holder)[1] == RUN
        ask = ask_of(slots)
        turn = self.worker.limits.acquire(ask, RUN_LEASE_MS if of_run else self.worker.settings.lease_ms)
        if turn.granted and not of_run:
            self.ask = ask
        self.worker.wake(turn.wake)
        return turn.granted, turn.wait_ms

    def release(self, slots: Slots) -> None:
        """Give slots back, and wake those who get them; if that fails, they lapse."""
        self.ask = None
        try:
            self.worker.wake(self.worker.limits.release(ask_of(slots)))
        except Unreachable:
            log.warning("slots_not_given_back", run_id=self.run_id, holder=slots.holder)

    def fork(self, effect: Fork) -> None:
        """What is ready beside this message's own path: some is sent, the rest waits here while that goes fast."""
        if effect.spare:
            self.backlog.lend(effect.addresses)
            return
        quick = [address for address in effect.addresses if self.is_quick(effect.plan, address)]
        others = [address for address in effect.addresses if address not in set(quick)] if quick else effect.addresses
        lanes = deal(effect.plan, others, self.worker.settings.lanes)
        own = next((lane for lane in lanes if len(lane) > 1 and queue_of(effect.plan, lane[0]) == self.queue), [])
        sent = [lane for lane in lanes if lane is not own]
        self.backlog.add([*quick, *own])
        if not sent:
            return
        limit = self.worker.settings.message_bytes
        canvas = region(effect.plan, sent, effect.container, message_bytes=limit, whole=not quick)
        if canvas.body is not None:
            self.task.request.chain = None
        try:
            self.worker.dispatcher.send_region(self.run_id, canvas, effect.plan)
        except Unreachable:
            log.warning("fork_not_sent", run_id=self.run_id, steps=effect.addresses)

    def give_away(self, addresses: list[str]) -> None:
        """Send what this message will not come to soon."""
        if self.plan is None or not addresses:
            return
        try:
            lanes = deal(self.plan, addresses, self.worker.settings.lanes)
            self.worker.dispatcher.send_lanes(self.plan, self.run_id, lanes)
        except Unreachable:
            log.warning("backlog_not_sent", run_id=self.run_id, steps=addresses)

    def is_quick(self, plan: Plan, address: str) -> bool:
        """Whether it begins with an operation of this queue that takes less than a message."""
        work = work_at(plan, address)
        return work is not None and work.queue == self.queue and work.operation in self.worker.quick

    def set_aside(self, address: str) -> str | None:
        """Put the present message aside."""
        if self.plan is None:
            return None
        self.parked = set_aside(self.task, self.worker.dispatcher, self.plan, self.run_id, address)
        return self.parked

    def serves(self, work: Work) -> bool:
        """Whether this worker has the operation; a step of one that it lacks is left to another worker."""
        has_it = work.operation in self.worker.operations
        if not has_it:
            log.warning("operation_not_here", operation=work.operation, run_id=self.run_id)
        return has_it

    def goes_on(self, work: Work | None) -> bool:
        """Whether this message has time left, and the step is on its queue."""
        if work is not None and work.queue != self.queue:
            return False
        return (elapsed_s() - self.began_s) * 1000 < self.worker.settings.slice_ms

    def new_token(self) -> str:
        """A token that nobody else draws, and that tells which worker holds it."""
        return self.mark + secrets.token_hex(8)

    def let_go(self) -> None:
        """The attempt that this message held is settled."""
        if self.lease is not None:
            self.worker.heartbeat.release(self.lease.token)
            self.lease = None

    def finish(self, ending: Ending) -> None:
        """Leave the message as Celery is to go on with it: its chain goes on, or nothing more is sent."""
        task, dispatcher = self.task, self.worker.dispatcher
        self.give_away(self.backlog.take_all())
        match ending:
            case HandOver(plan, address):
                hand_over(task, dispatcher, plan, self.run_id, address)
            case Parked(plan, address, for_ms) if for_ms < SHORT_WAIT_MS:
                task.request.chain = None
                self.send_soon(plan, address, for_ms / 1000)
            case Stopped():
                pass
            case _:
                drop_chain(task)

    def send_soon(self, plan: Plan, address: str, countdown_s: float) -> None:
        """A short wait is also a countdown; the ledger sends again if it gets lost."""
        try:
            if self.parked is not None:
                self.worker.dispatcher.send_parked(self.parked, countdown_s=countdown_s)
            else:
                self.worker.dispatcher.send(plan, self.run_id, address, countdown_s=countdown_s)
        except Unreachable:
            log.warning("countdown_not_sent", run_id=self.run_id, step=address)


@lru_cache(maxsize=512)
def _mask_of(paths: tuple[str, ...]) -> logs.Mask | None:
    return mask_of_lines(*paths)
