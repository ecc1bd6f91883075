"""Where a run goes from a settled step: to a step, to the end of its flow, or to its failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import is_undo, parse_address, visit_of, within
from orchestrator.engine.commit import NO_CHANGES, Changes, Commit, Reply, Stage, Then, merged
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import flow_at, node_at, work_at
from orchestrator.engine.reads import conditions, reads_for
from orchestrator.engine.roots import roots_for
from orchestrator.engine.stages import Timing, claim, latest, reach
from orchestrator.engine.state import StepState
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Plan, Work
from orchestrator.spec.flows import FAIL


@value
class Terms:
    """What decisions are made with besides plan and view: timings, the next token, a draw for jitter."""

    timing: Timing
    token: str
    chance: float = 0.0
    fuses: Callable[[Work], bool] = lambda _: True
    """Whether what follows may be claimed by the same commit and executed right here."""
    max_bytes: int = 262_144
    """How large the output of a container, or of the run, may be."""
    batch: int = 1
    """How many items a lane is to take at once."""


@value
class Move:
    """A commit, and where to look once its first stage stands."""

    commit: Commit
    to: str | None = None
    forks: tuple[str, ...] = ()
    """What may be ready beside `to` once the commit stands."""
    spares: tuple[str, ...] = ()
    """Lanes that may be opened, should what this message goes on with take long."""
    begins: str | None = None
    """The container that `to` and `forks` are the beginning of."""
    claims: str | None = None
    """The address that the last stage claims; it is executed if that stage stands."""
    stops: bool = False
    """Whether it stops the run: the message is ended as failed, so that Celery calls the errback."""
    parks_for_ms: int | None = None
    """How long the step waits; its signature is put aside."""

    def granted(self, reply: Reply) -> bool:
        """Whether the last stage, the claim, stands."""
        return self.claims is not None and len(reply.answers) == len(self.commit.stages) and reply.answers[-1].stands


@value
class Onward:
    """What a settle adds to reach a target: changes of its own stage, what may follow, and the second stage."""

    changes: Changes = NO_CHANGES
    then: tuple[Then, ...] = ()
    second: Stage | None = None
    to: str | None = None
    forks: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    claims: str | None = None
    stops: bool = False
    reads: tuple[str, ...] = ()

    def beside(self, other: Onward) -> Onward:
        """Both; where only one thing can follow, this one's does."""
        if other is NOTHING:
            return self
        return Onward(
            changes=self.changes | other.changes,
            then=self.then + other.then,
            second=self.second or other.second,
            to=self.to or other.to,
            forks=(*self.forks, *other.forks, *((other.to,) if self.to and other.to else ())),
            spares=self.spares + other.spares,
            claims=self.claims if self.second else other.claims,
            stops=self.stops or other.stops,
            reads=self.reads + other.reads,
        )

    def move(self, view: RunView, first: Stage) -> Move:
        """The settle's stage with this added to it, as one move."""
        stage = first.and_also(self.changes, self.then)
        stages = (stage,) if self.second is None else (stage, self.second)
        commit = Commit(view.run_id, view.incarnation, stages, tuple(dict.fromkeys(self.reads)))
        return Move(commit, to=self.to, forks=self.forks, spares=self.spares, claims=self.claims, stops=self.stops)


NOTHING = Onward()


def success_target(plan: Plan, view: RunView, address: str, output: str) -> str | Failure:
    """The first route whose condition holds; a failure if none does or a condition raises."""
    node = node_at(plan, address)
    written = conditions(node.routes)
    recorded = {fields.output(address): output, fields.state(address): StepState.COMPLETED.value}
    view.learn(recorded | latest(plan, address, StepState.COMPLETED, recorded), view.now_ms)
    roots = roots_for(plan, view, written, address=address)
    try:
        for route in node.routes:
            if route.when is None or route.when.holds(roots):
                return route.to
    except ExpressionError as error:
        return Failure(error.code, error.message, returned=True)
    return Failure("no_transition", f"no transition of step {node.id!r} was true and it has no default", returned=True)


def failure_target(plan: Plan, view: RunView, address: str, error: Mapping[str, Any]) -> str:
    """The first route that takes the error; `$fail` if none does or a condition raises."""
    node = node_at(plan, address)
    roots = roots_for(plan, view, conditions(node.failures), address=address) | {"error": error}
    try:
        for route in node.failures:
            if route.takes(error["code"]) and (route.when is None or route.when.holds(roots)):
                return route.to
    except ExpressionError:
        return FAIL
    return FAIL


def begin(plan: Plan, view: RunView, address: str, terms: Terms, *, cause: str | None = None) -> Onward:
    """Make a step ready and, if it is an operation and may be, claim it in the same commit."""
    work = work_at(plan, address) if starts_by_itself(plan, address) else None
    fused = work is not None and terms.fuses(work)
    changes = reach(plan, address, terms.timing, cause=cause, claimed=fused)
    view.learn(changes.set, view.now_ms)
    if work is None or not fused:
        return Onward(changes=changes, to=address)
    return Onward(
        changes=changes,
        second=claim(plan, address, work, terms.token, terms.timing, attempt=1, first=True),
        to=address,
        claims=address,
        reads=reads_for(plan, view, address),
    )


def starts_by_itself(plan: Plan, address: str) -> bool:
    """Whether nothing is to be judged before the step starts."""
    if is_undo(address):
        return True
    node = node_at(plan, address)
    if node.work is not None and node.work.limits:
        return False
    in_time = node.max_visits is None or parse_address(address).visit <= node.max_visits
    return in_time and node.needs is None


def arrive(plan: Plan, view: RunView, flow: str, step: str, terms: Terms, *, cause: str | None = None) -> Onward:
    """Come to a step of a flow, which in a loop is the next visit of it."""
    first = within(flow, step)
    if not plan.nodes[step].loops:
        return begin(plan, view, first, terms, cause=cause)
    number = view.number(fields.visits(first)) + 1
    counted = Changes(set={fields.visits(first): str(number)})
    return begin(plan, view, visit_of(first, number), terms, cause=cause).beside(Onward(changes=counted))


def begin_flows(plan: Plan, view: RunView, flows: Sequence[str], terms: Terms) -> Onward:
    """Begin flows: their entries are ready, in a needs flow all that need nothing; the first may be claimed."""
    first, *others = [(flow, entry) for flow in flows for entry in flow_at(plan, flow).entries]
    onward = arrive(plan, view, *first, terms)
    ready = [within(flow, entry) for flow, entry in others]
    changes = [onward.changes]
    for address in ready:
        visited = {fields.visits(address): "1"} if node_at(plan, address).loops else {}
        changes.append(reach(plan, address, terms.timing) | Changes(set=visited))
    return replace(onward, changes=merged(changes), forks=tuple(ready))
