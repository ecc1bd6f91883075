"""A plan as a Mermaid flowchart: containers are subgraphs, conditions label arrows, failures are dotted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.plan import words
from orchestrator.plan.graph import Flow, Node, Plan
from orchestrator.spec.flows import END, FAIL


def to_mermaid(plan: Plan) -> str:
    """A flowchart: first every step where it stands, then every arrow; undos beside their steps."""
    chart = _Chart(plan)
    lines = [f"start([{_quoted(plan.name)}])", *chart.flow(plan.root)]
    lines += [f"start --> {step_id(entry)}" for entry in plan.root.entries]
    lines += [edge for node in plan.nodes.values() for edge in chart.edges(node)]
    return "\n".join(["flowchart TD", *(f"  {line}" for line in lines)]) + "\n"


def step_id(step: str, kind: str = "step") -> str:
    """Unique, as `-` and `_` count as the same in ids; the prefix keeps `end` and other words of Mermaid out."""
    return f"{kind}_{step.replace('-', '_')}"


class _Chart:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.numbers = {flow: number for number, flow in enumerate(plan.flows)}

    def flow(self, flow: Flow) -> Iterator[str]:
        """The steps of a flow, and its ends as far as something leads to them."""
        nodes = [self.plan.nodes[step] for step in flow.steps]
        for node in nodes:
            yield from self.step(node)
        reached = {target for node in nodes for target in _targets(node)}
        words_for = {END: "completed" if flow.id == "" else "done", FAIL: "failed"}
        yield from (f"{self.end(flow.id, end)}((({word})))" for end, word in words_for.items() if end in reached)

    def step(self, node: Node) -> Iterator[str]:
        if node.container is None:
            yield f"{step_id(node.id)}{_shape(node)}"
        else:
            yield f"subgraph {step_id(node.id)}[{_quoted(*_label(node))}]"
            for branch, flow in zip(node.container.branches or ("",), node.container.flows, strict=True):
                yield from (f"  {line}" for line in self.inner(self.plan.flows[flow], branch or "each item"))
            yield "end"
        if node.undo is not None:
            yield f"{step_id(node.id, 'undo')}[/{_quoted(node.undo.operation)}/]"

    def inner(self, flow: Flow, name: str) -> Iterator[str]:
        yield f"subgraph flow_{self.numbers[flow.id]}[{_quoted(name)}]"
        yield from (f"  {line}" for line in self.flow(flow))
        yield "end"

    def end(self, flow: str, end: str) -> str:
        """The id of the place where a flow ends."""
        return f"{'ends' if end == END else 'fails'}_{self.numbers[flow]}"

    def edges(self, node: Node) -> Iterator[str]:
        here = step_id(node.id)
        for route in node.routes:
            yield f"{here} -->{_labelled(route.when.text if route.when else '')} {self.target(node, route.to)}"
        for failure in node.failures:
            causes = ["failed" if failure.codes is None else ", ".join(sorted(failure.codes))]
            if failure.when is not None:
                causes.append(failure.when.text)
            yield f"{here} -.->{_labelled(*causes)} {self.target(node, failure.to)}"
        if node.needs is not None:
            label = [] if node.needs.run_if == "all_succeeded" else [node.needs.run_if.replace("_", " ")]
            label += [] if node.needs.when is None else [node.needs.when.text]
            yield from (f"{step_id(needed)} -->{_labelled(*label)} {here}" for needed in node.needs.needs)
        if node.undo is not None:
            yield f"{here} -. undone by .- {step_id(node.id, 'undo')}"

    def target(self, node: Node, to: str) -> str:
        return self.end(node.flow, to) if to in (END, FAIL) else step_id(to)


def _targets(node: Node) -> Iterator[str]:
    yield from (route.to for route in node.routes)
    yield from (failure.to for failure in node.failures)


def _shape(node: Node) -> str:
    text = _quoted(*_label(node))
    if node.work is not None:
        return f"[{text}]"
    if node.child is not None:
        return f"[[{text}]]"
    waits = any(one is not None for one in (node.delay, node.awaited, node.approval))
    return f"([{text}])" if waits else f"{{{text}}}"


def _label(node: Node) -> Iterator[str]:
    yield node.id
    parts = node.work, node.delay, node.awaited, node.approval, node.container, node.child
    if any(part is not None for part in parts):
        yield words.doing(node)
    if node.container is not None:
        if node.container.items is not None:
            yield f"at most {node.container.max_concurrency} at once"
        yield words.join(node.container)
    if node.max_visits is not None:
        yield f"at most {node.max_visits} visits"
    if node.needs is not None and node.needs.allow_failure:
        yield "may fail"


def _labelled(*lines: str) -> str:
    """The label of an arrow, if there is one."""
    return f"|{_quoted(*lines)}|" if any(lines) else ""


def _quoted(*lines: str) -> str:
    """A label in quotes, what Mermaid would read as its own written as entities."""
    return '"' + "<br>".join(re.sub(r'[#"<>&`]', lambda found: f"#{ord(found[0])};", line) for line in lines) + '"'
