"""Compiling: a checked spec and the operations that it names become a plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from orchestrator.errors import UnknownOperation
from orchestrator.plan.graph import Delay, FailureRoute, Formula, Node, Plan, RetryPolicy, Route, Work
from orchestrator.spec.durations import milliseconds
from orchestrator.spec.expressions import Expression, expression
from orchestrator.spec.flows import ENDINGS, FlowShape, read_flow
from orchestrator.spec.kinds import Wait
from orchestrator.spec.operations import OperationInfo, parse_reference
from orchestrator.spec.policies import DEFAULT_OPERATION_TIMEOUT, DEFAULT_PRIORITY, Retry
from orchestrator.spec.workflow import Compensation, Step, WorkflowSpec

Operations = Mapping[str, OperationInfo]
"""Reference as the spec writes it -> the operation that publishing froze for it."""

DEFAULT_QUEUE = "default"


def compile_plan(spec: WorkflowSpec, operations: Operations, *, digest: str) -> Plan:
    """The plan of a spec without errors; UnknownOperation if `operations` lacks one that it names."""
    shape = read_flow(spec.steps)
    compiler = _Compiler(spec, shape, operations)
    nodes = {step.id: compiler.node(step) for step in spec.steps if step.id not in shape.compensating}
    return Plan(
        key=spec.meta.key,
        version=spec.meta.version,
        digest=digest,
        entry=shape.entry,
        nodes=nodes,
        output=None if spec.output is None else Formula.of(spec.output),
        input_schema=spec.input,
        ctx_schema=spec.ctx,
        output_schema=spec.output_schema,
        timeout_ms=_ms(spec.timeout),
        tags=tuple(spec.meta.tags),
        search={name: expression(text) for name, text in spec.search.items()},
        undo_on_cancel=spec.compensation.on_cancel,
        successors={step: route for step, node in nodes.items() if (route := _usual(node)) not in ENDINGS},
    )


def operation_references(spec: WorkflowSpec) -> tuple[str, ...]:
    """Every operation that the workflow's own flow names, as it is written, each once."""
    named: dict[str, None] = {}
    for step in spec.steps:
        if step.operation is not None:
            named[step.operation] = None
        undo = step.compensation
        if isinstance(undo, Compensation):
            named[undo.operation] = None
        elif undo is not None and "." in undo:
            named[undo] = None
    return tuple(named)


class _Compiler:
    def __init__(self, spec: WorkflowSpec, shape: FlowShape, operations: Operations) -> None:
        self.spec = spec
        self.shape = shape
        self.operations = operations
        self.steps = {step.id: step for step in spec.steps}

    def node(self, step: Step) -> Node:
        return Node(
            id=step.id,
            kind=step.kind,
            title=step.title,
            work=None if step.operation is None else self.work(step, step.operation),
            delay=None if step.wait is None else _delay(step.wait),
            routes=tuple(Route(to=t.to, when=_condition(t.when)) for t in self.shape.next[step.id]),
            failures=tuple(
                FailureRoute(
                    to=route.to,
                    codes=None if "*" in route.errors else frozenset(route.errors),
                    when=_condition(route.when),
                )
                for route in self.shape.failure[step.id]
            ),
            undo=self.undo(step),
            pivot=step.pivot,
        )

    def work(self, step: Step, reference: str) -> Work:
        info = self.operation(reference)
        defaults = self.spec.defaults
        timeout = step.timeout or defaults.timeout
        priority = step.priority if step.priority is not None else defaults.priority
        return Work(
            operation=info.reference,
            effect=info.effect,
            idempotent=info.idempotent,
            inputs=Formula.of(step.inputs),
            retry=retry_policy(step.retry or defaults.retry),
            timeout_ms=_ms(timeout) or info.timeout_ms or milliseconds(DEFAULT_OPERATION_TIMEOUT),
            queue=step.queue or info.queue or defaults.queue or DEFAULT_QUEUE,
            priority=DEFAULT_PRIORITY if priority is None else priority,
            queue_timeout_ms=_ms(step.queue_timeout),
            heartbeat_timeout_ms=_ms(step.heartbeat_timeout),
        )

    def undo(self, step: Step) -> Work | None:
        """The step's compensation, on the workflow's terms for undos where it does not say; its input is `undo`."""
        written = step.compensation
        if written is None:
            return None
        terms = self.spec.compensation
        if isinstance(written, str) and written in self.steps:
            named = self.steps[written]
            reference, inputs, retry, timeout = named.operation or "", named.inputs, named.retry, named.timeout
            queue, priority = named.queue, named.priority
        else:
            call = written if isinstance(written, Compensation) else Compensation(operation=written)
            reference, inputs, retry, timeout = call.operation, call.inputs, call.retry, call.timeout
            queue, priority = None, None
        info = self.operation(reference)
        return Work(
            operation=info.reference,
            effect=info.effect,
            idempotent=info.idempotent,
            inputs=Formula.of(inputs or "${undo}"),
            retry=retry_policy(retry or terms.retry),
            timeout_ms=milliseconds(timeout or terms.timeout),
            queue=queue or info.queue or self.spec.defaults.queue or DEFAULT_QUEUE,
            priority=DEFAULT_PRIORITY if priority is None else priority,
        )

    def operation(self, reference: str) -> OperationInfo:
        try:
            return self.operations[reference]
        except KeyError:
            key, _ = parse_reference(reference)
            raise UnknownOperation(f"operation {key!r} is not known", operation=reference) from None


def retry_policy(retry: Retry | None) -> RetryPolicy:
    """The policy as the engine reads it: one attempt if none is written."""
    if retry is None:
        return RetryPolicy()
    jitter = retry.jitter
    return RetryPolicy(
        max_attempts=retry.max_attempts,
        backoff=retry.backoff,
        delay_ms=milliseconds(retry.delay),
        multiplier=retry.multiplier,
        max_delay_ms=milliseconds(retry.max_delay),
        full_jitter=jitter == "full",
        jitter_ms=milliseconds(jitter) if isinstance(jitter, timedelta) else 0,
        max_elapsed_ms=_ms(retry.max_elapsed),
        retry_on=frozenset(retry.retry_on) or None,
        give_up_on=frozenset(retry.give_up_on),
    )


def _delay(wait: Wait) -> Delay:
    return Delay(
        fixed_ms=_ms(wait.duration),
        duration=None if wait.expression is None else Formula.of(wait.expression),
        moment=_condition(wait.until),
    )


def _usual(node: Node) -> str:
    """Where a step usually leads: its default, or the last of its conditional routes."""
    return next((route.to for route in node.routes if route.when is None), node.routes[-1].to)


def _condition(text: str | None) -> Expression | None:
    return None if text is None else expression(text)


def _ms(duration: timedelta | None) -> int | None:
    return None if duration is None else milliseconds(duration)
