"""What a plan's parts are called and how their terms read: the words that text and charts share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.plan.graph import (
    Approval,
    Awaited,
    Child,
    Container,
    Delay,
    Formula,
    Needs,
    Node,
    Quota,
    RetryPolicy,
    Work,
)
from orchestrator.spec.durations import format_duration
from orchestrator.spec.operations import Effect

RUNS_IF: Final = {
    "all_succeeded": "all of them completed",
    "all_done": "all of them are over, however they went",
    "any_succeeded": "all of them are over, and one completed",
    "any_failed": "all of them are over, and one failed",
}


def doing(node: Node) -> str:
    """What a step does, in a few words."""
    if node.work is not None:
        return node.work.operation
    if node.container is not None:
        return parallel_or_map(node.container)
    if node.child is not None:
        return child(node.child)
    if node.awaited is not None:
        return awaited(node.awaited)
    if node.approval is not None:
        return approval(node.approval)
    return "choice" if node.delay is None else f"wait {delay(node.delay)}"


def parallel_or_map(container: Container) -> str:
    """The kind of a container, and how much it begins."""
    if container.items is not None:
        return f"map of {container.items.text}"
    return f"parallel, {counted(len(container.branches), 'branch', 'branches')}"


def child(written: Child) -> str:
    """The workflow that a step runs, and whether it waits for it."""
    return f"workflow {written.key}@{written.version}{', detached' if written.detach else ''}"


def counted(number: int, one: str, several: str) -> str:
    """`1 branch`, `2 branches`."""
    return f"{number} {one if number == 1 else several}"


def delay(written: Delay) -> str:
    """How long, or until when, a step waits."""
    if written.fixed_ms is not None:
        return format_duration(written.fixed_ms)
    if written.moment is not None:
        return f"until {written.moment.text}"
    return "" if written.duration is None else plain(written.duration.source)


def awaited(written: Awaited) -> str:
    """What a step waits for from outside."""
    if written.signals:
        return f"signal {' or '.join(written.signals)}"
    return f"event {written.type}"


def approval(written: Approval) -> str:
    """Whom a step asks."""
    users, groups = written.asked.users.source, written.asked.groups.source
    named = [*map(plain, users), *(f"group {plain(group)}" for group in groups)]
    how = {"any": "one of ", "all": "all of ", "majority": "most of ", "sequential": ""}[written.mode]
    joined = ", then ".join(named) if written.mode == "sequential" else ", ".join(named)
    return f"approval by {how if len(named) > 1 else ''}{joined}"


def join(container: Container) -> str:
    """When a container completes."""
    flows = "items" if container.items is not None else "branches"
    if container.join is not None:
        which = "the first" if container.join == 1 else f"{container.join}"
        return f"{which} of its {flows} that {'completes' if container.join == 1 else 'complete'}"
    if not container.outlives_failures:
        return f"all {flows} complete; one that fails fails the step"
    percent = container.tolerate_percent
    share = str(container.tolerate) if percent is None else f"{percent:g}%"
    return f"all {flows} are over; up to {share} may fail, and those are undone"


def rest(container: Container) -> str | None:
    """What becomes of those that a join does not wait for."""
    if container.join is None:
        return None
    return "goes on beside the flow" if container.continues else "is stopped, and what it did is undone"


def needs_when(needs: Needs) -> str:
    """What a step of a needs flow waits for."""
    if not needs.needs:
        return "nothing: it runs when the flow begins"
    return f"{', '.join(needs.needs)}: runs when {RUNS_IF[needs.run_if]}"


def effect(work: Work) -> str:
    """What an operation does outside, and whether it may be executed again."""
    if work.effect is Effect.NONE:
        return "none: it only reads and computes"
    repeated = "may be executed again with the same key" if work.idempotent else "never executed again when in doubt"
    return f"{work.effect.value}: {repeated}"


def retries(retry: RetryPolicy) -> str:
    """How often and how fast a failed attempt is tried again."""
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


def quota(found: Quota) -> str:
    """How many at once, or in a time, and of what."""
    limit = found.limit
    shares = [f"{limit.max} at once" if limit.max is not None else "", limit.rate or ""]
    return f"at most {' and '.join(filter(None, shares))} for each {plain(found.key.source)}"


def inputs(formula: Formula) -> list[str]:
    """One line for each input."""
    source = formula.source
    if isinstance(source, Mapping):
        return [f"{name} = {plain(value)}" for name, value in source.items()] or ["nothing"]
    return [plain(source)]


def plain(source: Any) -> str:
    """A value as it was written; what is not text as JSON."""
    return source if isinstance(source, str) else json.dumps(source, ensure_ascii=False)
