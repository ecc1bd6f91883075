"""The plan: the compiled, frozen graph of one workflow version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from orchestrator.spec.expressions import Expression, Template, compile_template
from orchestrator.spec.flows import END
from orchestrator.spec.operations import Effect
from orchestrator.spec.policies import Limit
from orchestrator.spec.workflow import RunIf, StepKind

SINK: Final = "$end"
"""The step of a needs flow that all others lead to, and that decides how the flow ends."""
REST: Final = "$rest"
"""The step that ends a run whose flow has completed, once nothing goes on beside it any more."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A JSON value with expressions in it: as it was written, and ready to be evaluated."""

    source: Any
    template: Template = field(compare=False)
    expressions: tuple[Expression, ...] = field(compare=False)

    @staticmethod
    def of(source: Any) -> Formula:
        """Compile the value; ExpressionSyntax if an expression in it is wrong."""
        template = compile_template(source)
        return Formula(source, template, tuple(found for _, found in template.expressions))

    def render(self, roots: Mapping[str, Any]) -> Any:
        """The value, with its expressions evaluated."""
        return self.template.render(roots)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a success leads: the first route whose condition holds."""

    to: str
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class FailureRoute:
    """Where a failure leads: the first route that takes the code and whose condition holds."""

    to: str
    codes: frozenset[str] | None = None
    when: Expression | None = None

    def takes(self, code: str) -> bool:
        """Whether the route is for that code; `codes` None takes any."""
        return self.codes is None or code in self.codes


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast a failed attempt is tried again; all delays in ms."""

    max_attempts: int = 1
    backoff: Literal["constant", "linear", "exponential"] = "exponential"
    delay_ms: int = 1_000
    multiplier: float = 2.0
    max_delay_ms: int = 300_000
    full_jitter: bool = False
    jitter_ms: int = 0
    max_elapsed_ms: int | None = None
    retry_on: frozenset[str] | None = None
    give_up_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit, and what it counts by."""

    key: Formula
    limit: Limit


@dataclass(frozen=True, slots=True)
class Work:
    """What an operation step does, and on which terms."""

    operation: str
    """`key@major`, frozen when the version was published."""
    effect: Effect
    idempotent: bool
    inputs: Formula
    retry: RetryPolicy
    timeout_ms: int
    queue: str
    priority: int
    queue_timeout_ms: int | None = None
    heartbeat_timeout_ms: int | None = None
    limits: tuple[Quota, ...] = ()


@dataclass(frozen=True, slots=True)
class SlaLevel:
    """One of the moments of an SLA at which somebody is told."""

    name: str
    """`warn`, `breach`, or the number of an escalation rung, from 1."""
    after_ms: int
    """How long after it became ready, or the run was accepted."""
    to: str | None = None
    """Of an escalation: the channel."""


@dataclass(frozen=True, slots=True)
class SlaTerms:
    """How long something may take, and when somebody is told; levels in the order of their moments."""

    max_ms: int
    levels: tuple[SlaLevel, ...]
    alerts: bool = True
    """Whether a breach is to be told to operators."""


@dataclass(frozen=True, slots=True)
class Delay:
    """What a wait step waits for: so many ms, a duration to compute, or a moment to compute."""

    fixed_ms: int | None = None
    duration: Formula | None = None
    moment: Expression | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """Which workflow a step runs, and on which terms."""

    key: str
    version: str
    """What is asked for, resolved when the child starts: `1.2.0`, `^1.2.0` or `latest`."""
    inputs: Formula
    detach: bool = False
    """Whether the step completes once the child has started, which then goes its own way."""
    retry: RetryPolicy = RetryPolicy()
    timeout_ms: int | None = None
    """How long the step may wait for the child's end."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """What an event step waits for: an external event of a type, or a signal."""

    type: str | None = None
    source: str | None = None
    filter: Expression | None = None
    of_event: Expression | None = None
    """What an event is correlated by."""
    of_run: Expression | None = None
    """What that must be for an event to be this run's."""
    signals: tuple[str, ...] = ()
    data_schema: Mapping[str, Any] | None = None
    timeout_ms: int | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """What is evaluated on the run's side."""
        return tuple(one for one in (self.filter, self.of_run) if one is not None)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked, each a text or an expression that gives a text or a list of texts; `after_ms`: how late."""

    users: Formula
    groups: Formula
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Approval:
    """Whom an approval step asks, and what decides it."""

    asked: Asked
    mode: Literal["any", "all", "majority", "sequential"] = "any"
    form: Mapping[str, Any] | None = None
    exclude_starter: bool = True
    remind_ms: int | None = None
    escalate: tuple[Asked, ...] = ()
    timeout_ms: int | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """What is evaluated when it is reached."""
        everybody = (self.asked, *self.escalate)
        return tuple(found for one in everybody for who in (one.users, one.groups) for found in who.expressions)


@dataclass(frozen=True, slots=True)
class Container:
    """What a parallel or a map begins, and when it is joined."""

    flows: tuple[str, ...]
    """The flows of the branches, in order; a map has one, which every item runs."""
    branches: tuple[str, ...] = ()
    """The branches' names; a map has none."""
    items: Expression | None = None
    item_name: str = "item"
    max_concurrency: int = 0
    """How many items run at once; 0: as many as there are."""
    join: int | None = None
    """How many must complete; None: all."""
    tolerate: int = 0
    tolerate_percent: float | None = None
    continues: bool = False
    """Whether the others go on beside the flow once the join is reached."""
    timeout_ms: int | None = None

    def tolerated(self, size: int) -> int:
        """How many of so many may fail; a share is rounded down."""
        return self.tolerate if self.tolerate_percent is None else int(size * self.tolerate_percent // 100)

    def is_decided(self, size: int, completed: int, failed: int) -> bool:
        """Whether it can be joined, or cannot be joined any more."""
        reached = completed + failed == size if self.join is None else completed >= self.join
        return reached or not self.survives(size, failed)

    def survives(self, size: int, failed: int) -> bool:
        """Whether it can still be joined when so many have failed."""
        return failed <= self.tolerated(size) if self.join is None else size - failed >= self.join

    @property
    def outlives_failures(self) -> bool:
        """Whether it may go on when one of its flows has failed."""
        return self.join is not None or self.tolerate > 0 or self.tolerate_percent is not None


@dataclass(frozen=True, slots=True)
class Needs:
    """When a step of a needs flow runs."""

    needs: tuple[str, ...] = ()
    run_if: RunIf = "all_succeeded"
    when: Expression | None = None
    allow_failure: bool = False
    dependents: tuple[str, ...] = ()
    """The steps that need this one; for those that nobody needs, the sink."""

    @property
    def runs_when_closed(self) -> bool:
        """Whether a failure elsewhere in the flow does not keep it from running."""
        return self.run_if in ("all_done", "any_failed")


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps that belong together: the workflow's own (no id), a branch's (`ship[dhl]`), a map's (`ship[]`)."""

    id: str
    steps: tuple[str, ...]
    entries: tuple[str, ...]
    """What is ready when the flow begins."""
    output: Formula | None = None
    last: tuple[str, ...] = ()
    """Of a needs flow: the steps that nobody needs."""
    owner: str = ""
    """The container that it belongs to."""
    around: str = ""
    """The flow that the container stands in."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step of the plan. What is set makes its kind: an operation, a wait, an event, a child, a parallel or map."""

    id: str
    kind: StepKind
    flow: str = ""
    work: Work | None = None
    delay: Delay | None = None
    awaited: Awaited | None = None
    approval: Approval | None = None
    container: Container | None = None
    child: Child | None = None
    needs: Needs | None = None
    """In a needs flow: what it waits for; in any other, None."""
    routes: tuple[Route, ...] = (Route(END),)
    failures: tuple[FailureRoute, ...] = ()
    undo: Work | None = None
    pivot: bool = False
    title: str = ""
    sla: SlaTerms | None = None
    loops: bool = False
    """Whether it may be visited more than once."""
    max_visits: int | None = None

    @property
    def inputs(self) -> Formula | None:
        """What the step's operation, or child, is given."""
        if self.work is not None:
            return self.work.inputs
        return None if self.child is None else self.child.inputs

    @property
    def undoes_child(self) -> bool:
        """Whether undoing the step is undoing its child: nothing else is written, and the child is not on its own."""
        return self.undo is None and self.child is not None and not self.child.detach

    @property
    def can_be_undone(self) -> bool:
        """Whether it has a compensation, or a child that can be undone."""
        return self.undo is not None or self.undoes_child

    @property
    def holds_failures(self) -> bool:
        """Of a container: whether a failure inside of it may stop there, or losers of a race are undone there."""
        kept = self.needs is not None and self.needs.allow_failure
        races = self.container is not None and self.container.join is not None and not self.container.continues
        return bool(self.failures) or kept or races


REST_NODE: Final = Node(REST, StepKind.CHOICE)


@dataclass(frozen=True, eq=False)
class Plan:
    """A version, ready to be run. `main_path` is what a run that nothing diverts goes through.

    Two plans are the same only if they are one, so that what is worked out of one is found by it.
    """

    key: str
    version: str
    digest: str
    nodes: Mapping[str, Node]
    flows: Mapping[str, Flow]
    input_schema: Mapping[str, Any] | None
    ctx_schema: Mapping[str, Any] | None
    output_schema: Mapping[str, Any] | None
    timeout_ms: int | None
    undo_on_cancel: bool
    undo_by_hand: bool = False
    """Whether what a stopped run did is undone only when an operator says so."""
    limits: tuple[Quota, ...] = ()
    sla: SlaTerms | None = None
    tags: tuple[str, ...] = ()
    search: Mapping[str, Expression] = field(default_factory=dict)
    """What runs can be found by: name -> expression over `input` and `ctx`."""
    redact: tuple[str, ...] = ()
    """Paths of values that are masked wherever they are shown."""
    sinks: Mapping[str, Node] = field(default_factory=dict)
    """Needs flow -> the step that decides how it ends."""
    successors: Mapping[str, str] = field(default_factory=dict)
    """Step -> what follows on the main path; a conditional step's default, or its last target."""

    @property
    def name(self) -> str:
        """`key@version`."""
        return f"{self.key}@{self.version}"

    def batch_body(self, container: Container) -> Node | None:
        """The one step of a map's body, if items are worked off in batches: without effect, and plain otherwise."""
        flow = self.flows[container.flows[0]]
        if container.items is None or flow.output is not None or len(flow.steps) != 1 or flow.last:
            return None
        body = self.nodes[flow.steps[0]]
        work = body.work
        if work is None or work.effect is not Effect.NONE or work.limits or work.heartbeat_timeout_ms is not None:
            return None
        plain = body.routes == (Route(END),) and not body.failures and body.undo is None and not body.loops
        return body if plain and not body.pivot and work.queue_timeout_ms is None and body.sla is None else None

    @property
    def pinned(self) -> tuple[str, str]:
        """Key and version, as its runs note them."""
        return self.key, self.version

    @cached_property
    def has_slas(self) -> bool:
        """Whether the run, or any of its steps, has an SLA."""
        return self.sla is not None or any(node.sla is not None for node in self.nodes.values())

    @cached_property
    def leaves_rest(self) -> bool:
        """Whether something may go on, or be undone, beside the flow when that has come to its end."""
        containers = [node.container for node in self.nodes.values() if node.container is not None]
        return any(one.outlives_failures or self.batch_body(one) is not None for one in containers)

    @property
    def root(self) -> Flow:
        """The workflow's own flow."""
        return self.flows[""]

    def main_path(self, start: str | None = None) -> tuple[str, ...]:
        """The step ids of a flow's main path, from `start` (the run's entry, if not given) to its end."""
        path: list[str] = []
        step = start or self.root.entries[0]
        while step in self.nodes and step not in path:
            path.append(step)
            step = self.successors.get(step, "")
        return tuple(path)
