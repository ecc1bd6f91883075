"""Where a run goes from a settled step: to a step, to the end of its flow, or to its failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, is_undo, parse_address, undone_by
from orchestrator.engine.commit import Changes, Commit, Stage, Then
from orchestrator.engine.outcome import Failure
from orchestrator.engine.roots import fields_for, output_expressions, roots_for, settle_expressions
from orchestrator.engine.stages import Timing, claim, complete, reach, stop, when_drained
from orchestrator.engine.state import RunStatus
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Node, Plan, Work
from orchestrator.spec.expressions import Expression
from orchestrator.spec.flows import END, FAIL


@value
class Terms:
    """What decisions are made with besides plan and view: timings, the next token, a draw for jitter."""

    timing: Timing
    token: str
    chance: float = 0.0
    fuses: Callable[[Work], bool] = lambda _: True
    """Whether what follows may be claimed by the same commit and executed right here."""


@value
class Move:
    """A commit, and where to look once its first stage stands."""

    commit: Commit
    to: str | None = None
    claims: str | None = None
    """The address that the second stage claims; it is executed if that stage stands."""
    stops: bool = False
    """Whether it stops the run: the message is ended as failed, so that Celery calls the errback."""
    parks_for_ms: int | None = None
    """How long the step waits; its signature is put aside."""


@value
class Onward:
    """What a settle adds to reach a target: changes of its own stage, what may follow, and the second stage."""

    changes: Changes = Changes()
    then: tuple[Then, ...] = ()
    second: Stage | None = None
    to: str | None = None
    claims: str | None = None
    stops: bool = False
    reads: tuple[str, ...] = ()

    def move(self, view: RunView, first: Stage) -> Move:
        """The settle's stage with this added to it, as one move."""
        stage = Stage(
            guards=first.guards,
            already=first.already,
            due=first.due,
            changes=first.changes | self.changes,
            then=first.then + self.then,
        )
        stages = (stage,) if self.second is None else (stage, self.second)
        commit = Commit(view.run_id, view.incarnation, stages, self.reads)
        return Move(commit, to=self.to, claims=self.claims, stops=self.stops)


def node_at(plan: Plan, address: str) -> Node:
    """The plan's node of a step, or of the step that an undo undoes."""
    return plan.nodes[parse_address(address).step]


def is_waited_for(plan: Plan, address: str) -> bool:
    """Whether a stopping flow waits for the end of its attempt: its effect could be undone, or it is an undo."""
    return is_undo(address) or node_at(plan, address).undo is not None


def work_at(plan: Plan, address: str) -> Work | None:
    """The operation behind an address: the step's, or its compensation."""
    node = node_at(plan, address)
    return node.undo if is_undo(address) else node.work


def input_expressions(plan: Plan, address: str) -> tuple[Expression, ...]:
    """What the inputs at an address are made of; an undo's are made of those of the step that it undoes, too."""
    node = node_at(plan, address)
    works = (node.work, node.undo) if is_undo(address) else (node.work,)
    delay = node.delay
    own = () if delay is None else (delay.duration.expressions if delay.duration else ()) + _one(delay.moment)
    return own + tuple(expression for work in works if work for expression in work.inputs.expressions)


_ALWAYS_READ = (fields.CREATED_AT, fields.CTX)
"""Whatever the expressions read: operations are told who the run is for."""


def reads_for(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that executing and settling a step will take, as far as they have not been read."""
    if is_undo(address):
        needed = dict.fromkeys((*_ALWAYS_READ, *fields_for(plan, input_expressions(plan, address))))
        undone = undone_by(address)
        needed.update(dict.fromkeys(fields.recorded_outputs(undone)))
        needed.update(dict.fromkeys((fields.state(undone), fields.done(undone), fields.cause(undone))))
        if view[fields.after_undo(address)] == END:
            needed.update(dict.fromkeys((fields.output(undone), *fields_for(plan, output_expressions(plan)))))
    else:
        needed = dict.fromkeys(_step_reads(plan, address))
    cause = view[fields.cause(undone_by(address))]
    if cause:
        needed[fields.error(cause)] = None
    return view.missing(needed)


def _step_reads(plan: Plan, address: str) -> tuple[str, ...]:
    """The fields that executing and settling a step always takes; worked out once, for it depends on the plan alone."""
    known = plan.step_reads.get(address)
    if known is None:
        inputs = fields_for(plan, input_expressions(plan, address))
        onward = fields_for(plan, settle_expressions(plan, node_at(plan, address)), own=address)
        known = plan.step_reads[address] = tuple(dict.fromkeys((*_ALWAYS_READ, *inputs, *onward)))
    return known


def success_target(plan: Plan, view: RunView, address: str, output: str) -> str | Failure:
    """The first route whose condition holds; a failure if none does or a condition raises."""
    node = node_at(plan, address)
    conditions = _conditions(node.routes)
    view.learn({fields.output(address): output, fields.state(address): "completed"}, view.now_ms)
    roots = roots_for(plan, view, conditions, address=address)
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
    roots = roots_for(plan, view, _conditions(node.failures), address=address) | {"error": error}
    try:
        for route in node.failures:
            if route.takes(error["code"]) and (route.when is None or route.when.holds(roots)):
                return route.to
    except ExpressionError:
        return FAIL
    return FAIL


def go(plan: Plan, view: RunView, target: str, terms: Terms, *, origin: str, error: Mapping[str, Any] | None) -> Onward:
    """What takes a run from a settled step to a target; `error` is the failure that a failure path began with."""
    if target == FAIL:
        return _stop(error or {"code": "failed", "message": f"step {origin!r} leads to $fail", "step": origin})
    if target == END:
        output = flow_output(plan, view, origin)
        if isinstance(output, Failure):
            return _stop(output.to_json(origin))
        return Onward(then=(when_drained(),), second=complete(output))
    cause = str(error["address"]) if error else None
    return begin(plan, view, target, terms, cause=cause)


def begin(plan: Plan, view: RunView, address: str, terms: Terms, *, cause: str | None = None) -> Onward:
    """Make a step ready and, if it is an operation and may be, claim it in the same commit."""
    work = work_at(plan, address)
    changes = reach(address, terms.timing, work=work, cause=cause)
    view.learn(changes.set, view.now_ms)
    if work is None or not terms.fuses(work):
        return Onward(changes=changes, to=address)
    return Onward(
        changes=changes,
        second=claim(address, work, terms.token, terms.timing, attempt=1, first=True),
        to=address,
        claims=address,
        reads=reads_for(plan, view, address),
    )


def flow_output(plan: Plan, view: RunView, last: str) -> str | Failure:
    """The run's output as JSON text: the workflow's `output`, else that of the last step."""
    if plan.output is None:
        text = view[fields.output(last)] or "null"
    else:
        try:
            roots = roots_for(plan, view, plan.output.expressions, address=last)
            text = json.dumps(plan.output.render(roots), separators=(",", ":"))
        except ExpressionError as error:
            return Failure(error.code, f"the workflow's output: {error.message}")
    if plan.output_schema is None:
        return text
    problem = next(_validator(json.dumps(plan.output_schema)).iter_errors(json.loads(text)), None)
    return text if problem is None else Failure("invalid_output", f"the workflow's output: {problem.message}")


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # few workflows have one, and it is a large import

    return Draft202012Validator(json.loads(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)


def _stop(error: Mapping[str, Any]) -> Onward:
    return Onward(then=(when_drained(),), second=stop(RunStatus.RUNNING, RunStatus.FAILED, error), to=DRAIN, stops=True)


def _conditions(routes: Iterable[Any]) -> tuple[Expression, ...]:
    return tuple(route.when for route in routes if route.when is not None)


def _one(expression: Expression | None) -> tuple[Expression, ...]:
    return () if expression is None else (expression,)
