"""The plan: the compiled, frozen graph of one workflow version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.spec.expressions import Expression, Template, compile_template
from orchestrator.spec.flows import END
from orchestrator.spec.operations import Effect
from orchestrator.spec.workflow import StepKind


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


@dataclass(frozen=True, slots=True)
class Delay:
    """What a wait step waits for: so many ms, a duration to compute, or a moment to compute."""

    fixed_ms: int | None = None
    duration: Formula | None = None
    moment: Expression | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One step of the plan. `work` makes it an operation, `delay` a wait; a choice has neither."""

    id: str
    kind: StepKind
    work: Work | None = None
    delay: Delay | None = None
    routes: tuple[Route, ...] = (Route(END),)
    failures: tuple[FailureRoute, ...] = ()
    undo: Work | None = None
    pivot: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A version, ready to be run. `main_path` is what a run that nothing diverts goes through."""

    key: str
    version: str
    digest: str
    entry: str
    nodes: Mapping[str, Node]
    output: Formula | None
    input_schema: Mapping[str, Any] | None
    ctx_schema: Mapping[str, Any] | None
    output_schema: Mapping[str, Any] | None
    timeout_ms: int | None
    undo_on_cancel: bool
    tags: tuple[str, ...] = ()
    search: Mapping[str, Expression] = field(default_factory=dict)
    """What runs can be found by: name -> expression over `input` and `ctx`."""
    successors: Mapping[str, str] = field(default_factory=dict)
    """Step -> what follows on the main path; a conditional step's default, or its last target."""
    step_reads: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    """Address -> the fields that the engine reads for it, as far as it has worked them out."""

    @property
    def name(self) -> str:
        """`key@version`."""
        return f"{self.key}@{self.version}"

    @property
    def pinned(self) -> tuple[str, str]:
        """Key and version, as its runs note them."""
        return self.key, self.version

    def main_path(self, start: str | None = None) -> tuple[str, ...]:
        """The step ids of the main path, from `start` (the entry, if not given) to its end."""
        path: list[str] = []
        step = start or self.entry
        while step in self.nodes and step not in path:
            path.append(step)
            step = self.successors.get(step, "")
        return tuple(path)
