"""How flows end: the run's own, and those of branches and items, which arrive at their container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, container_of, drain_of, flow_of, key_of, within
from orchestrator.engine.commit import NO_CHANGES, Changes, Due, Guards, Then, count_field
from orchestrator.engine.onward import Onward, Terms, arrive
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import MANY, container_at, flow_at
from orchestrator.engine.reads import container_reads
from orchestrator.engine.roots import roots_for
from orchestrator.engine.stages import Timing, complete, stop, stop_scope, when_drained
from orchestrator.engine.state import RunStatus, StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Container, Plan
from orchestrator.spec.flows import END, FAIL

Error = Mapping[str, Any]


def go(plan: Plan, view: RunView, target: str, terms: Terms, *, origin: str, cause: str | None) -> Onward:
    """What takes a flow from a settled step to a target; `cause` is the step whose failure led here, if one did."""
    flow = flow_of(origin)
    if target == FAIL:
        error = view.json(fields.error(cause)) if cause else None
        failed = {"code": "failed", "message": f"step {origin!r} leads to $fail", "step": origin, "address": origin}
        return fail_flow(plan, view, flow, error or failed, terms, origin=origin)
    if target == END:
        return complete_flow(plan, view, flow, origin, terms)
    onward = arrive(plan, view, flow, target, terms, cause=cause)
    if cause != origin or onward.to is None:
        return onward
    return replace(onward, changes=onward.changes | Changes(set={fields.went_to(origin): onward.to}))


def complete_flow(plan: Plan, view: RunView, flow: str, last: str, terms: Terms) -> Onward:
    """The flow came to its end, by the step `last`."""
    output = not_too_large(flow_output(plan, view, flow, last), terms)
    if isinstance(output, Failure):
        return fail_flow(plan, view, flow, output.to_json(last), terms, origin=last)
    if not flow:
        values = {fields.flow_state(flow): StepState.COMPLETED, fields.output(flow): output}
        waits = (Then({}, Changes(set=values)),) if plan.leaves_rest else ()
        return Onward(then=(*when_drained(plan, last), *waits), second=complete(view, plan.pinned, output))
    return _arrived(plan, view, flow, fields.completed_set, {fields.output(flow): output}, terms.timing, last)


def fail_flow(plan: Plan, view: RunView, flow: str, error: Error, terms: Terms, *, origin: str) -> Onward:
    """The flow failed, and nobody in it handles that: the run stops, or the flow's container is told."""
    if not flow:
        stopped = stop(plan.pinned, RunStatus.RUNNING, RunStatus.FAILED, error)
        return Onward(then=when_drained(plan, origin), second=stopped, to=DRAIN, stops=True)
    container, key = container_of(flow), key_of(flow)
    place = {"branch": key} if container_at(plan, container).branches else {"index": int(key)}
    inner = {name: value for name, value in error.items() if name not in ("branch", "index")}
    values = {fields.error(flow): json.dumps({**inner, **place})}
    onward = _arrived(plan, view, flow, fields.failed_set, values, terms.timing, origin)
    first = Then({fields.first_failed(container): None}, Changes(set={fields.first_failed(container): flow}))
    onward = Onward(then=(first,)).beside(onward)
    if not container_at(plan, container).outlives_failures:
        return onward
    return replace(onward, changes=stop_scope(plan, flow) | onward.changes, forks=(drain_of(flow),))


def flow_output(plan: Plan, view: RunView, flow: str, last: str) -> str | Failure:
    """A flow's output as JSON text: what its author wrote, else that of the last step (or steps)."""
    shape = flow_at(plan, flow)
    if shape.output is None:
        text = _last_output(view, flow, shape.last) if shape.last else view[fields.output(last)] or "null"
    else:
        try:
            roots = roots_for(plan, view, shape.output.expressions, address=within(flow, "-"))
            text = json.dumps(shape.output.render(roots), separators=(",", ":"))
        except ExpressionError as error:
            return Failure(error.code, f"the {'flow' if flow else 'workflow'}'s output: {error.message}")
    if plan.output_schema is None or flow:
        return text
    problem = next(validator(json.dumps(plan.output_schema)).iter_errors(json.loads(text)), None)
    return text if problem is None else Failure("invalid_output", f"the workflow's output: {problem.message}")


def not_too_large(output: str | Failure, terms: Terms) -> str | Failure:
    """The output, unless it is longer than outputs may be."""
    if isinstance(output, Failure) or len(output) * 4 <= terms.max_bytes or len(output.encode()) <= terms.max_bytes:
        return output
    message = f"an output of {len(output.encode())} bytes is too large; the limit is {terms.max_bytes}"
    return Failure("payload_too_large", message, retryable=False)


def _last_output(view: RunView, flow: str, last: tuple[str, ...]) -> str:
    outputs = {step: view[fields.output(within(flow, step))] or "null" for step in last}
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    return "{" + ",".join(f"{json.dumps(step)}:{text}" for step, text in outputs.items()) + "}"


def _arrived(
    plan: Plan, view: RunView, flow: str, arrived: Any, values: Mapping[str, str], timing: Timing, origin: str
) -> Onward:
    """A branch or item is over; if that decides its container, the container is ready to be joined."""
    container, key = container_of(flow), key_of(flow)
    ended = StepState.COMPLETED if arrived is fields.completed_set else StepState.FAILED
    changes = Changes(
        set={**values, fields.flow_state(flow): ended},
        number=(fields.sequence(flow),),
        add=((arrived(container), key), (fields.over_set(container), key)),
    )
    failed = ended is StepState.FAILED
    return joining(plan, view, container, timing, origin, changes=changes, failed=failed)


def joining(
    plan: Plan,
    view: RunView,
    container: str,
    timing: Timing,
    origin: str,
    *,
    changes: Changes = NO_CHANGES,
    failed: bool = False,
    number: int = 1,
) -> Onward:
    """What follows so many arrivals at a container: if they decide it, it is ready; else its next item may begin."""
    terms, size = container_at(plan, container), view.number(fields.size(container))
    deciding = _deciding(plan, container, size, timing.resend_ms, failed=failed, number=number)
    if 0 < terms.max_concurrency < size and plan.batch_body(terms) is None:
        next_item = Due(within_ms=timing.resend_ms, at_ms=view.moment(fields.deadline(container)))
        waits = {fields.state(container): StepState.WAITING}
        deciding = (*deciding, Then(waits, Changes(entries={container: next_item})))
    return Onward(
        changes=changes,
        then=(*deciding, *when_drained(plan, origin)),
        to=container,
        reads=(fields.state(container),) if has_begun(plan, view, container) else _look_reads(plan, view, container),
    )


def has_begun(plan: Plan, view: RunView, container: str) -> bool:
    """Whether nothing is to do at a container until its join: all its flows have begun, or lanes begin them."""
    if plan.batch_body(container_at(plan, container)) is not None:
        return True
    return view[fields.begun(container)] is not None and view[fields.begun(container)] == view[fields.size(container)]


def _look_reads(plan: Plan, view: RunView, container: str) -> tuple[str, ...]:
    """What a look at a container takes."""
    counted = (*fields.counts(container), fields.first_failed(container))
    return (*fields.HEAD, *fields.step_head(container), *counted, *container_reads(plan, view, container))


@lru_cache(maxsize=MANY)
def _deciding(plan: Plan, container: str, size: int, resend_ms: int, *, failed: bool, number: int) -> tuple[Then, ...]:
    """The container is ready to be joined once so many flows have completed, or failed, that it is decided."""
    joins = Changes(
        set={fields.state(container): move_step(StepState.WAITING, StepHappening.WAKE)},
        entries={container: Due(within_ms=resend_ms)},
    )
    decisions = _decisions(container_at(plan, container), size, container, failed=failed, number=number)
    return tuple(Then({fields.state(container): StepState.WAITING, **guards}, joins) for guards in decisions)


def _decisions(terms: Container, size: int, container: str, *, failed: bool, number: int) -> list[Guards]:
    """The counts of members at which so many completed flows, or a failed one, decide a container's join.

    Several that complete at once may go past the number that was waited for.
    """
    completed, lost, over = (count_field(one(container)) for one in _SETS)
    if terms.join is None:
        all_over: list[Guards] = [{over: str(size)}]
        return [*all_over, {lost: str(terms.tolerated(size) + 1)}] if failed else all_over
    if failed:
        return [{lost: str(size - terms.join + 1)}]
    return [{completed: str(count)} for count in range(terms.join, min(terms.join + number, size + 1))]


_SETS = (fields.completed_set, fields.failed_set, fields.over_set)


@lru_cache(maxsize=256)
def validator(schema: str) -> Any:
    """What checks values by a JSON Schema."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # few workflows have one, and it is a large import

    return Draft202012Validator(json.loads(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)
