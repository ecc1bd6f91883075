"""A plan in words, step by step, flow within flow, and its canvas as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.plan import words
from orchestrator.plan.drawing import canvas_lines
from orchestrator.plan.graph import Child, Container, Flow, Node, Plan, Work
from orchestrator.plan.tree import FlowCanvas
from orchestrator.spec.durations import format_duration
from orchestrator.spec.expressions import Expression
from orchestrator.spec.flows import END, FAIL

WIDTH: Final = 100
"""Longer lines are cut; the JSON has every value whole."""

_LABEL: Final = 12


def to_text(plan: Plan, canvas: FlowCanvas, *, lanes: int) -> str:
    """The plan in words, and the canvas. `lanes`: messages that steps beside each other are dealt out to."""
    lines = [
        f"{plan.name}   digest {plan.digest[:12]}",
        *_indented(_run_lines(plan), "  "),
        *_FlowText(plan, plan.root).lines(),
        "",
        "Celery canvas",
        *canvas_lines(canvas, lanes=lanes),
    ]
    return "\n".join(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines) + "\n"


def _run_lines(plan: Plan) -> Iterator[str]:
    yield _fact("time limit", "none" if plan.timeout_ms is None else format_duration(plan.timeout_ms))
    yield _fact("on failure", _undoing(plan))
    yield _fact("on cancel", _undoing(plan) if plan.undo_on_cancel else "nothing is undone")
    yield from _facts("limits", [words.quota(quota) for quota in plan.limits])
    output = plan.root.output
    last = "those of its last steps, by id" if len(plan.root.last) > 1 else "that of the last step"
    yield from _facts("output", [last] if output is None else words.inputs(output))


def _undoing(plan: Plan) -> str:
    by_hand = "nothing is undone until an operator says so (undo RUN)"
    return by_hand if plan.undo_by_hand else "what is done is undone, newest first"


class _FlowText:
    """One flow: its steps, and what becomes of those that nobody handles."""

    def __init__(self, plan: Plan, flow: Flow) -> None:
        self.plan = plan
        self.flow = flow
        owner = plan.nodes[flow.owner].container if flow.owner else None
        self.name = "workflow" if owner is None else "branch" if owner.branches else "item"
        self.needs = flow.id in plan.sinks

    def lines(self) -> Iterator[str]:
        """The main path before what lies off it; of a needs flow, the steps as listed."""
        path = self.flow.steps if self.needs else self.plan.main_path(self.flow.entries[0])
        if not self.flow.owner:
            yield from ("", "Steps, each as soon as what it needs is over" if self.needs else "Main path")
        for number, step in enumerate(path, start=1):
            yield from _indented(self.step(self.plan.nodes[step], "-" if self.needs else f"{number}."), "  ")
        others = [step for step in self.flow.steps if step not in path]
        if others:
            yield from ("", "Off the main path") if not self.flow.owner else ("  off the main path",)
        for step in others:
            yield from _indented(self.step(self.plan.nodes[step], "-"), "  ")

    def step(self, node: Node, bullet: str) -> Iterator[str]:
        yield f"{bullet:<3} {node.id:<24} {words.doing(node)}".rstrip()
        yield from _indented(self.facts(node), "    ")
        if node.container is not None:
            for flow in node.container.flows:
                yield from _indented(self.inner(flow), "    ")

    def inner(self, flow: str) -> Iterator[str]:
        inner = _FlowText(self.plan, self.plan.flows[flow])
        by_needs = ": each step as soon as what it needs is over" if inner.needs else ""
        branch = flow[flow.index("[") + 1 : -1]
        yield f"branch {branch}{by_needs}" if inner.name == "branch" else f"for each item{by_needs}"
        yield from inner.lines()
        if inner.flow.output is not None:
            yield from _indented(_facts("output", words.inputs(inner.flow.output)), "  ")

    def facts(self, node: Node) -> Iterator[str]:
        if node.needs is not None:
            yield _fact("needs", words.needs_when(node.needs))
            if node.needs.when is not None:
                yield _fact("when", f"{node.needs.when.text}; else it is skipped")
        if node.work is not None:
            yield from _work_facts(node.work)
        if node.container is not None:
            yield from _container_facts(node.container)
        if node.child is not None:
            yield from _child_facts(node.child)
        if node.max_visits is not None:
            yield _fact("visits", f"at most {node.max_visits}; one more fails it with max_visits")
        yield from (_fact("on success", self.route(node, route.to, route.when)) for route in node.routes)
        yield from self.failing(node)
        if node.undo is not None:
            yield from _undo_facts(node.undo)
        elif node.undoes_child:
            yield _fact("undone by", "the undo of its run")
        if node.pivot:
            yield _fact("pivot", "once this is completed, it and what came before it are never undone")

    def failing(self, node: Node) -> Iterator[str]:
        for route in node.failures:
            codes = "" if route.codes is None else f"by {', '.join(sorted(route.codes))}: "
            yield _fact("on failure", f"{codes}{self.route(node, route.to, route.when)}")
        handled = any(route.codes is None and route.when is None for route in node.failures)
        if node.needs is not None and node.needs.allow_failure:
            yield _fact("on failure", f"the {self.name} goes on all the same")
        elif self.needs:
            yield _fact("on failure", f"only what runs after failures still runs; then the {self.name} fails")
        elif not handled:
            yield _fact("on failure", f"{'by any other: ' if node.failures else ''}the {self.name} fails")
        if node.container is not None and node.holds_failures:
            yield _fact("", "what was done inside it, and is not to stand, is undone there")

    def route(self, node: Node, to: str, when: Expression | None) -> str:
        """`if …: → step`, and whether that is the way back of a loop."""
        ends = {END: f"the {self.name} completes", FAIL: f"the {self.name} fails"}
        asked = "" if when is None else f"if {when.text}: "
        return f"{asked}→ {ends.get(to, to)}{' (again: its next visit)' if self.is_back(node, to) else ''}"

    def is_back(self, node: Node, to: str) -> bool:
        target = self.plan.nodes.get(to)
        if target is None or not (target.loops and node.loops):
            return False
        path = self.plan.main_path(self.flow.entries[0])
        order = [*path, *(step for step in self.flow.steps if step not in path)]
        return order.index(to) <= order.index(node.id)


def _work_facts(work: Work) -> Iterator[str]:
    yield from _facts("input", words.inputs(work.inputs))
    yield _fact("effect", words.effect(work))
    yield _fact("attempts", f"{words.retries(work.retry)}; each at most {format_duration(work.timeout_ms)}")
    silence = [
        f"{name} {format_duration(limit)}"
        for name, limit in (("taken within", work.queue_timeout_ms), ("heartbeat within", work.heartbeat_timeout_ms))
        if limit is not None
    ]
    yield _fact("queue", ", ".join([work.queue, f"priority {work.priority}", *silence]))
    yield from _facts("limits", [words.quota(quota) for quota in work.limits])


def _container_facts(container: Container) -> Iterator[str]:
    if container.items is not None:
        yield _fact("item", f"`{container.item_name}`, and `index` from 0")
        yield _fact(
            "at once", "one item" if container.max_concurrency == 1 else f"up to {container.max_concurrency} items"
        )
    yield _fact(
        "completes", f"when {words.join(container)}" if container.join is None else f"with {words.join(container)}"
    )
    if (rest := words.rest(container)) is not None:
        yield _fact("the rest", rest)
    if container.timeout_ms is not None:
        yield _fact("time limit", format_duration(container.timeout_ms))


def _child_facts(child: Child) -> Iterator[str]:
    yield from _facts("input", words.inputs(child.inputs))
    if child.detach:
        yield _fact("completes", "when its run has started, which goes its own way")
        return
    yield _fact("completes", "when its run does")
    yield _fact("attempts", words.retries(child.retry))
    if child.timeout_ms is not None:
        yield _fact("time limit", format_duration(child.timeout_ms))


def _undo_facts(undo: Work) -> Iterator[str]:
    yield _fact("undone by", undo.operation)
    yield from _facts("  input", words.inputs(undo.inputs))
    yield _fact("  attempts", f"{words.retries(undo.retry)}; each at most {format_duration(undo.timeout_ms)}")


def _facts(label: str, texts: Sequence[str]) -> Iterator[str]:
    """Several facts under one label."""
    yield from (_fact("" if number else label, text) for number, text in enumerate(texts))


def _fact(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}"


def _indented(lines: Iterator[str], by: str) -> Iterator[str]:
    yield from (f"{by}{line}" if line else line for line in lines)
