"""Compiling: a checked spec and the operations that it names become a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from orchestrator.errors import UnknownOperation
from orchestrator.plan.graph import (
    SINK,
    Approval,
    Asked,
    Awaited,
    Child,
    Container,
    Delay,
    FailureRoute,
    Flow,
    Formula,
    Needs,
    Node,
    Plan,
    Quota,
    RetryPolicy,
    Route,
    SlaLevel,
    SlaTerms,
    Work,
)
from orchestrator.spec.durations import milliseconds
from orchestrator.spec.expressions import Expression, expression
from orchestrator.spec.flows import END, ENDINGS, flows_of, read_flow
from orchestrator.spec.flows import Flow as WrittenFlow
from orchestrator.spec.kinds import Approval as WrittenApproval
from orchestrator.spec.kinds import EventWait, Wait
from orchestrator.spec.operations import OperationInfo, parse_reference
from orchestrator.spec.policies import DEFAULT_OPERATION_TIMEOUT, DEFAULT_PRIORITY, Limit, Retry, Sla
from orchestrator.spec.workflow import Compensation, Step, StepKind, WorkflowSpec

Operations = Mapping[str, OperationInfo]
"""Reference as the spec writes it -> the operation that publishing froze for it."""

DEFAULT_QUEUE = "default"


def compile_plan(spec: WorkflowSpec, operations: Operations, *, digest: str) -> Plan:
    """The plan of a spec without errors; UnknownOperation if `operations` lacks one that it names."""
    flows: dict[str, Flow] = {}
    nodes: dict[str, Node] = {}
    sinks: dict[str, Node] = {}
    for written in flows_of(spec):
        compiler = _FlowCompiler(spec, written, operations)
        flow = compiler.flow()
        flows[flow.id] = flow
        nodes |= {step: compiler.node(step) for step in flow.steps}
        if compiler.shape.style == "needs":
            sinks[flow.id] = Node(SINK, StepKind.CHOICE, flow.id, needs=Needs(flow.last, run_if="all_done"))
    return Plan(
        key=spec.meta.key,
        version=spec.meta.version,
        digest=digest,
        nodes=nodes,
        flows=flows,
        sinks=sinks,
        input_schema=spec.input,
        ctx_schema=spec.ctx,
        output_schema=spec.output_schema,
        timeout_ms=_ms(spec.timeout),
        limits=_quotas(spec.limits),
        sla=sla_terms(spec.sla),
        tags=tuple(spec.meta.tags),
        search={name: expression(text) for name, text in spec.search.items()},
        redact=tuple(spec.redact),
        undo_on_cancel=spec.compensation.on_cancel,
        undo_by_hand=spec.compensation.trigger == "manual",
        successors={step: usual for step, node in nodes.items() if (usual := _usual(node, nodes)) not in ENDINGS},
    )


def operation_references(spec: WorkflowSpec) -> tuple[str, ...]:
    """Every operation that the workflow names, as it is written, each once."""
    named: dict[str, None] = {}
    for step in (step for flow in flows_of(spec) for step in flow.steps):
        if step.operation is not None:
            named[step.operation] = None
        undo = step.compensation
        if isinstance(undo, Compensation):
            named[undo.operation] = None
        elif undo is not None and "." in undo:
            named[undo] = None
    return tuple(named)


def flow_id(owner: Step | None, branch: str = "") -> str:
    """The id of a flow: empty for the workflow's own, `ship[dhl]` for a branch, `ship[]` for a map's."""
    return "" if owner is None else f"{owner.id}[{branch}]"


class _FlowCompiler:
    def __init__(self, spec: WorkflowSpec, written: WrittenFlow, operations: Operations) -> None:
        self.spec = spec
        self.written = written
        self.shape = read_flow(written.steps)
        self.operations = operations
        self.steps = {step.id: step for step in written.steps}
        self.id = _id_of(written)
        self.looping = {step for cycle in self.shape.cycles for step in cycle}

    def flow(self) -> Flow:
        steps = tuple(step.id for step in self.written.steps if step.id not in self.shape.compensating)
        needed = {name for step in steps for name in self.steps[step].needs}
        by_needs = self.shape.style == "needs"
        around = self.written.around
        return Flow(
            id=self.id,
            steps=steps,
            entries=tuple(step for step in steps if not self.steps[step].needs) if by_needs else (self.shape.entry,),
            output=None if self.written.output is None else Formula.of(self.written.output),
            last=tuple(step for step in steps if step not in needed) if by_needs else (),
            owner=self.written.owner.id if self.written.owner else "",
            around=_id_of(around) if around else "",
        )

    def node(self, name: str) -> Node:
        step = self.steps[name]
        by_needs = self.shape.style == "needs"
        return Node(
            id=step.id,
            kind=step.kind,
            flow=self.id,
            title=step.title,
            sla=sla_terms(step.sla),
            work=None if step.operation is None else self.work(step, step.operation),
            delay=None if step.wait is None else _delay(step.wait),
            awaited=None if step.event is None else _awaited(step.event, _ms(step.timeout)),
            approval=None if step.approval is None else _approval(step.approval, _ms(step.timeout)),
            container=_container(step),
            child=_child(step),
            needs=self.needs(step) if by_needs else None,
            routes=() if by_needs else tuple(Route(t.to, _condition(t.when)) for t in self.shape.next[name]),
            failures=tuple(
                FailureRoute(
                    to=route.to,
                    codes=None if "*" in route.errors else frozenset(route.errors),
                    when=_condition(route.when),
                )
                for route in self.shape.failure.get(name, ())
            ),
            undo=self.undo(step),
            pivot=step.pivot,
            loops=name in self.looping,
            max_visits=step.max_visits,
        )

    def needs(self, step: Step) -> Needs:
        dependents = tuple(name for name, other in self.steps.items() if step.id in other.needs)
        return Needs(
            needs=tuple(dict.fromkeys(step.needs)),
            run_if=step.run_if,
            when=None if step.when == "true" else _condition(step.when),
            allow_failure=step.allow_failure,
            dependents=dependents or (SINK,),
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
            limits=_quotas(step.limits),
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


def sla_terms(sla: Sla | None) -> SlaTerms | None:
    """The SLA as the engine reads it: its levels in the order of their moments."""
    if sla is None:
        return None
    max_ms = milliseconds(sla.max_duration)
    levels = [SlaLevel("breach", max_ms)]
    if isinstance(sla.warn_at, str):
        levels.insert(0, SlaLevel("warn", round(max_ms * float(sla.warn_at.rstrip("%")) / 100)))
    elif sla.warn_at is not None:
        levels.insert(0, SlaLevel("warn", milliseconds(sla.warn_at)))
    levels += [SlaLevel(str(n), max_ms + milliseconds(rung.after), rung.to) for n, rung in enumerate(sla.escalate, 1)]
    return SlaTerms(max_ms, tuple(sorted(levels, key=lambda level: level.after_ms)), alerts=sla.alert_on_breach)


def _delay(wait: Wait) -> Delay:
    return Delay(
        fixed_ms=_ms(wait.duration),
        duration=None if wait.expression is None else Formula.of(wait.expression),
        moment=_condition(wait.until),
    )


def _awaited(event: EventWait, timeout_ms: int | None) -> Awaited:
    correlation = event.correlation
    return Awaited(
        type=event.type,
        source=event.source,
        filter=_condition(event.filter),
        of_event=None if correlation is None else expression(correlation.event),
        of_run=None if correlation is None else expression(correlation.value),
        signals=event.signal,
        data_schema=event.data_schema,
        timeout_ms=timeout_ms,
    )


def _approval(written: WrittenApproval, timeout_ms: int | None) -> Approval:
    return Approval(
        asked=_asked(written.users, written.groups),
        mode=written.mode,
        form=written.form,
        exclude_starter=written.exclude_starter,
        remind_ms=_ms(written.remind),
        escalate=tuple(_asked(one.users, one.groups, milliseconds(one.after)) for one in written.escalate),
        timeout_ms=timeout_ms,
    )


def _asked(users: Sequence[str], groups: Sequence[str], after_ms: int = 0) -> Asked:
    return Asked(Formula.of(list(users)), Formula.of(list(groups)), after_ms)


def _id_of(flow: WrittenFlow) -> str:
    return flow_id(flow.owner, str(flow.path[-1]) if flow.owner and flow.owner.parallel else "")


def _quotas(limits: Sequence[Limit]) -> tuple[Quota, ...]:
    return tuple(Quota(Formula.of(limit.key), limit) for limit in limits)


def _container(step: Step) -> Container | None:
    if step.parallel is not None:
        branches = tuple(step.parallel.branches)
        return Container(
            flows=tuple(flow_id(step, branch) for branch in branches),
            branches=branches,
            join=_join(step.parallel.join),
            continues=step.parallel.rest == "continue",
            timeout_ms=_ms(step.timeout),
        )
    if step.map is not None:
        tolerate = step.map.tolerate
        return Container(
            flows=(flow_id(step),),
            items=expression(step.map.items),
            item_name=step.map.item_name,
            max_concurrency=step.map.max_concurrency,
            join=_join(step.map.join),
            tolerate=tolerate if isinstance(tolerate, int) else 0,
            tolerate_percent=float(tolerate.rstrip("%")) if isinstance(tolerate, str) else None,
            continues=step.map.rest == "continue",
            timeout_ms=_ms(step.timeout),
        )
    return None


def _child(step: Step) -> Child | None:
    written = step.workflow
    if written is None:
        return None
    return Child(
        key=written.key,
        version=written.version,
        inputs=Formula.of(step.inputs),
        detach=written.detach,
        retry=retry_policy(step.retry),
        timeout_ms=_ms(step.timeout),
    )


def _join(join: str | int) -> int | None:
    return None if join == "all" else 1 if join == "any" else int(join)


def _usual(node: Node, nodes: Mapping[str, Node]) -> str:
    """Where a step usually leads: its default, or the last of its conditional routes; in a needs flow, along it."""
    if node.needs is not None:
        (*_, last) = node.needs.dependents
        follows = len(node.needs.dependents) == 1 and last in nodes
        return last if follows and (needs := nodes[last].needs) is not None and len(needs.needs) == 1 else END
    return next((route.to for route in node.routes if route.when is None), node.routes[-1].to)


def _condition(text: str | None) -> Expression | None:
    return None if text is None else expression(text)


def _ms(duration: timedelta | None) -> int | None:
    return None if duration is None else milliseconds(duration)
