"""Plans and their canvases as people read them: text, Mermaid, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from orchestrator.plan.canvas import STEP_TASK, Chain, Signature
from orchestrator.plan.graph import Delay, FailureRoute, Formula, Node, Plan, RetryPolicy, Route, Work
from orchestrator.spec.durations import format_duration
from orchestrator.spec.flows import END, FAIL
from orchestrator.spec.operations import Effect

WIDTH: Final = 72
"""Values that are longer are cut in the text; the JSON has them whole."""

_LABEL: Final = 12
_ENDINGS: Final = {END: "the workflow completes", FAIL: "the workflow fails"}


def to_text(plan: Plan, chain: Chain) -> str:
    """The plan in words, step by step, and the canvas as a tree."""
    path = plan.main_path()
    others = [step for step in plan.nodes if step not in path]
    lines = [f"{plan.name}   digest {plan.digest[:12]}", *_run_lines(plan), "", "Main path"]
    for number, step in enumerate(path, start=1):
        lines += _step_lines(plan.nodes[step], f"{number}.")
    if others:
        lines += ["", "Off the main path"]
        for step in others:
            lines += _step_lines(plan.nodes[step], "-")
    return "\n".join([*lines, "", "Celery canvas", *_canvas_lines(chain)]) + "\n"


def to_json(plan: Plan, chain: Chain) -> dict[str, Any]:
    """`{plan, canvas}`, plain JSON."""
    return {
        "plan": {
            "key": plan.key,
            "version": plan.version,
            "digest": plan.digest,
            "entry": plan.root.entries[0],
            "main_path": list(plan.main_path()),
            "timeout_ms": plan.timeout_ms,
            "undo_on_cancel": plan.undo_on_cancel,
            "output": None if plan.root.output is None else plan.root.output.source,
            "steps": [_node_json(node) for node in plan.nodes.values()],
        },
        "canvas": chain.to_json(),
    }


def to_mermaid(plan: Plan) -> str:
    """A flowchart: conditions on the arrows, failures dotted, undos beside their steps."""
    lines = ["flowchart TD", f"  start([{_quoted(plan.name)}]) --> {_mermaid_id(plan.root.entries[0])}"]
    for node in plan.nodes.values():
        lines.append(f"  {_mermaid_id(node.id)}{_shape(node)}")
        lines += (f"  {edge}" for edge in _edges(node))
    reached = {route.to for node in plan.nodes.values() for route in node.routes}
    reached |= {route.to for node in plan.nodes.values() for route in node.failures}
    if END in reached:
        lines.append(f"  {_mermaid_id(END)}(((completed)))")
    if FAIL in reached:
        lines.append(f"  {_mermaid_id(FAIL)}(((failed)))")
    return "\n".join(lines) + "\n"


def _run_lines(plan: Plan) -> Iterator[str]:
    limit = "none" if plan.timeout_ms is None else format_duration(plan.timeout_ms)
    yield _fact("time limit", limit, indent=2)
    yield _fact("on cancel", "what is done is undone" if plan.undo_on_cancel else "nothing is undone", indent=2)
    output = "that of the last step" if plan.root.output is None else _value(plan.root.output.source)
    yield _fact("output", output, indent=2)


def _step_lines(node: Node, bullet: str) -> Iterator[str]:
    yield f"  {bullet:<3} {node.id:<24} {_doing(node)}".rstrip()
    if node.work is not None:
        yield from _work_lines(node.work)
    yield from (_fact("on success", _route(route)) for route in node.routes)
    yield from (_fact("on failure", _failure_route(route)) for route in node.failures)
    if not node.failures:
        yield _fact("on failure", "the workflow stops, and what is done is undone")
    if node.undo is not None:
        yield _fact("undone by", node.undo.operation)
        yield from _facts("  input", _inputs(node.undo.inputs))
        yield _fact("  attempts", f"{_retry(node.undo.retry)}; each at most {format_duration(node.undo.timeout_ms)}")
    if node.pivot:
        yield _fact("pivot", "once this is completed, nothing before it is undone")


def _work_lines(work: Work) -> Iterator[str]:
    yield from _facts("input", _inputs(work.inputs))
    yield _fact("effect", _effect(work))
    yield _fact("attempts", f"{_retry(work.retry)}; each at most {format_duration(work.timeout_ms)}")
    silence = [
        f"{name} {format_duration(limit)}"
        for name, limit in (("taken within", work.queue_timeout_ms), ("heartbeat within", work.heartbeat_timeout_ms))
        if limit is not None
    ]
    yield _fact("queue", ", ".join([work.queue, f"priority {work.priority}", *silence]))


def _doing(node: Node) -> str:
    if node.work is not None:
        return node.work.operation
    return "choice" if node.delay is None else f"wait {_delay(node.delay)}"


def _delay(delay: Delay) -> str:
    if delay.fixed_ms is not None:
        return format_duration(delay.fixed_ms)
    if delay.moment is not None:
        return f"until {delay.moment.text}"
    return "" if delay.duration is None else _value(delay.duration.source)


def _effect(work: Work) -> str:
    if work.effect is Effect.NONE:
        return "none: it only reads and computes"
    repeated = "may be executed again with the same key" if work.idempotent else "never executed again when in doubt"
    return f"{work.effect.value}: {repeated}"


def _retry(retry: RetryPolicy) -> str:
    if retry.max_attempts == 1:
        return "1, no retry"
    text = f"up to {retry.max_attempts}, {retry.backoff} from {format_duration(retry.delay_ms)}"
    if retry.backoff != "constant":
        text += f" to {format_duration(retry.max_delay_ms)}"
    if retry.full_jitter or retry.jitter_ms:
        text += f", jitter {'full' if retry.full_jitter else format_duration(retry.jitter_ms)}"
    if retry.max_elapsed_ms is not None:
        text += f", for {format_duration(retry.max_elapsed_ms)}"
    if retry.retry_on:
        text += f", only on {', '.join(sorted(retry.retry_on))}"
    if retry.give_up_on:
        text += f", not on {', '.join(sorted(retry.give_up_on))}"
    return text


def _route(route: Route) -> str:
    condition = "" if route.when is None else f"if {route.when.text}: "
    return f"{condition}{_target(route.to)}"


def _failure_route(route: FailureRoute) -> str:
    codes = "" if route.codes is None else f"by {', '.join(sorted(route.codes))}: "
    condition = "" if route.when is None else f"if {route.when.text}: "
    return f"{codes}{condition}{_target(route.to)}"


def _target(step: str) -> str:
    return f"→ {_ENDINGS.get(step, step)}"


def _inputs(formula: Formula) -> list[str]:
    source = formula.source
    if isinstance(source, Mapping):
        return [_cut(f"{name} = {_plain(value)}") for name, value in source.items()] or ["nothing"]
    return [_value(source)]


def _value(source: Any) -> str:
    return _cut(_plain(source))


def _plain(source: Any) -> str:
    return source if isinstance(source, str) else json.dumps(source, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _facts(label: str, texts: Sequence[str]) -> Iterator[str]:
    """Several facts under one label."""
    yield from (_fact("" if number else label, text) for number, text in enumerate(texts))


def _fact(label: str, text: str, *, indent: int = 6) -> str:
    return f"{'':<{indent}}{label:<{_LABEL}}{text}"


def _canvas_lines(chain: Chain) -> Iterator[str]:
    count = len(chain.signatures)
    yield f"  chain of {count} signature{'' if count == 1 else 's'} of the task {STEP_TASK}(run, address)"
    last = count - (0 if chain.cut else 1)
    for number, signature in enumerate(chain.signatures):
        branch, rail = ("└─", "  ") if number == last else ("├─", "│ ")
        yield f"  {branch} {signature.shadow}"
        yield from (f"  {rail}   {fact}" for fact in _signature_facts(signature))
    if chain.cut:
        yield "  └─ … the tail is compiled when it is reached: a message stays under its limit"


def _signature_facts(signature: Signature) -> Iterator[str]:
    facts = [f"queue {signature.queue}", f"priority {signature.priority}"]
    if signature.time_limit is not None:
        facts.append(f"hard limit {format_duration(signature.time_limit * 1000)}")
    yield ", ".join(facts)
    retry = signature.headers.get("retry")
    if retry:
        shown = retry if retry["max_retries"] else {"max_retries": 0}
        header = "retry header: " + ", ".join(f"{name}={value}" for name, value in shown.items())
        yield from wrap(header, WIDTH, subsequent_indent="  ")
    if signature.errback is not None:
        yield f"errback: address {signature.errback}, which asks for the undo of the run"


def _node_json(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "title": node.title,
        "kind": node.kind.value,
        "work": None if node.work is None else _work_json(node.work),
        "delay": None if node.delay is None else _delay_json(node.delay),
        "on_success": [{"to": route.to, "when": route.when and route.when.text} for route in node.routes],
        "on_failure": [
            {"to": route.to, "errors": _sorted(route.codes), "when": route.when and route.when.text}
            for route in node.failures
        ],
        "undo": None if node.undo is None else _work_json(node.undo),
        "pivot": node.pivot,
    }


def _work_json(work: Work) -> dict[str, Any]:
    retry = work.retry
    return {
        "operation": work.operation,
        "effect": work.effect.value,
        "idempotent": work.idempotent,
        "inputs": work.inputs.source,
        "retry": {
            "max_attempts": retry.max_attempts,
            "backoff": retry.backoff,
            "delay_ms": retry.delay_ms,
            "multiplier": retry.multiplier,
            "max_delay_ms": retry.max_delay_ms,
            "jitter": "full" if retry.full_jitter else retry.jitter_ms,
            "max_elapsed_ms": retry.max_elapsed_ms,
            "retry_on": _sorted(retry.retry_on),
            "give_up_on": _sorted(retry.give_up_on),
        },
        "timeout_ms": work.timeout_ms,
        "queue": work.queue,
        "priority": work.priority,
        "queue_timeout_ms": work.queue_timeout_ms,
        "heartbeat_timeout_ms": work.heartbeat_timeout_ms,
    }


def _delay_json(delay: Delay) -> dict[str, Any]:
    return {
        "fixed_ms": delay.fixed_ms,
        "duration": None if delay.duration is None else delay.duration.source,
        "until": None if delay.moment is None else delay.moment.text,
    }


def _sorted(codes: frozenset[str] | None) -> Sequence[str] | None:
    return None if codes is None else sorted(codes)


def _shape(node: Node) -> str:
    if node.work is not None:
        return f"[{_quoted(node.id, node.work.operation)}]"
    if node.delay is not None:
        return f"([{_quoted(node.id, _doing(node))}])"
    return f"{{{_quoted(node.id)}}}"


def _edges(node: Node) -> Iterator[str]:
    here = _mermaid_id(node.id)
    for route in node.routes:
        label = "" if route.when is None else f"|{_quoted(route.when.text)}|"
        yield f"{here} -->{label} {_mermaid_id(route.to)}"
    for failure in node.failures:
        causes = ["failed" if failure.codes is None else ", ".join(sorted(failure.codes))]
        if failure.when is not None:
            causes.append(failure.when.text)
        yield f"{here} -.->|{_quoted(*causes)}| {_mermaid_id(failure.to)}"
    if node.undo is not None:
        yield f"{here} -. undone by .- {_mermaid_id(node.id, 'undo')}[/{_quoted(node.undo.operation)}/]"


def _mermaid_id(step: str, kind: str = "step") -> str:
    """Unique, as `-` and `_` count as the same in ids; the prefix keeps `end` and other words of Mermaid out."""
    return "_".join([{END: "run", FAIL: "run"}.get(step, kind), re.sub(r"\W", "_", step.removeprefix("$"))])


def _quoted(*lines: str) -> str:
    """A label in quotes, what Mermaid would read as its own written as entities."""
    return '"' + "<br>".join(re.sub(r'[#"<>&]', lambda found: f"#{ord(found[0])};", line) for line in lines) + '"'
