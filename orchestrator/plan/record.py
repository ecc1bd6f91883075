"""A plan and its canvas as plain JSON, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.plan.graph import (
    Approval,
    Asked,
    Awaited,
    Child,
    Container,
    Delay,
    Flow,
    Formula,
    Needs,
    Node,
    Plan,
    Quota,
    RetryPolicy,
    Work,
)
from orchestrator.plan.tree import FlowCanvas


def to_json(plan: Plan, canvas: FlowCanvas, *, lanes: int) -> dict[str, Any]:
    """`{plan, canvas}`. `lanes`: messages that steps beside each other are dealt out to, for each queue."""
    return {
        "plan": {
            "key": plan.key,
            "version": plan.version,
            "digest": plan.digest,
            "entry": plan.root.entries[0],
            "main_path": list(plan.main_path()),
            "timeout_ms": plan.timeout_ms,
            "undo_on_cancel": plan.undo_on_cancel,
            "undo_by_hand": plan.undo_by_hand,
            "limits": _limits(plan.limits),
            "output": _source(plan.root.output),
            "flows": [_flow(flow) for flow in plan.flows.values() if flow.owner],
            "steps": [_step(node) for node in plan.nodes.values()],
        },
        "canvas": {**canvas.to_json(), "lanes": lanes},
    }


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "owner": flow.owner,
        "entries": list(flow.entries),
        "steps": list(flow.steps),
        "output": _source(flow.output),
    }


def _step(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "flow": node.flow,
        "title": node.title,
        "kind": node.kind.value,
        "work": None if node.work is None else _work(node.work),
        "delay": None if node.delay is None else _delay(node.delay),
        "approval": None if node.approval is None else _approval(node.approval),
        "event": None if node.awaited is None else _awaited(node.awaited),
        "container": None if node.container is None else _container(node.container),
        "child": None if node.child is None else _child(node.child),
        "needs": None if node.needs is None else _needs(node.needs),
        "on_success": [{"to": route.to, "when": route.when and route.when.text} for route in node.routes],
        "on_failure": [
            {"to": route.to, "errors": _sorted(route.codes), "when": route.when and route.when.text}
            for route in node.failures
        ],
        "undo": None if node.undo is None else _work(node.undo),
        "pivot": node.pivot,
        "max_visits": node.max_visits,
    }


def _work(work: Work) -> dict[str, Any]:
    return {
        "operation": work.operation,
        "effect": work.effect.value,
        "idempotent": work.idempotent,
        "inputs": work.inputs.source,
        "retry": _retry(work.retry),
        "timeout_ms": work.timeout_ms,
        "queue": work.queue,
        "priority": work.priority,
        "queue_timeout_ms": work.queue_timeout_ms,
        "heartbeat_timeout_ms": work.heartbeat_timeout_ms,
        "limits": _limits(work.limits),
    }


def _retry(retry: RetryPolicy) -> dict[str, Any]:
    return {
        "max_attempts": retry.max_attempts,
        "backoff": retry.backoff,
        "delay_ms": retry.delay_ms,
        "multiplier": retry.multiplier,
        "max_delay_ms": retry.max_delay_ms,
        "jitter": "full" if retry.full_jitter else retry.jitter_ms,
        "max_elapsed_ms": retry.max_elapsed_ms,
        "retry_on": _sorted(retry.retry_on),
        "give_up_on": _sorted(retry.give_up_on),
    }


def _child(child: Child) -> dict[str, Any]:
    return {
        "key": child.key,
        "version": child.version,
        "detach": child.detach,
        "inputs": child.inputs.source,
        "retry": _retry(child.retry),
        "timeout_ms": child.timeout_ms,
    }


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        **_asked(approval.asked),
        "mode": approval.mode,
        "form": approval.form,
        "exclude_starter": approval.exclude_starter,
        "remind_ms": approval.remind_ms,
        "escalate": [{**_asked(one), "after_ms": one.after_ms} for one in approval.escalate],
        "timeout_ms": approval.timeout_ms,
    }


def _asked(asked: Asked) -> dict[str, Any]:
    return {"users": asked.users.source, "groups": asked.groups.source}


def _awaited(awaited: Awaited) -> dict[str, Any]:
    return {
        "type": awaited.type,
        "source": awaited.source,
        "filter": awaited.filter and awaited.filter.text,
        "correlation": awaited.of_event
        and awaited.of_run
        and {"event": awaited.of_event.text, "value": awaited.of_run.text},
        "signals": list(awaited.signals),
        "data_schema": awaited.data_schema,
        "timeout_ms": awaited.timeout_ms,
    }


def _delay(delay: Delay) -> dict[str, Any]:
    return {
        "fixed_ms": delay.fixed_ms,
        "duration": None if delay.duration is None else delay.duration.source,
        "until": None if delay.moment is None else delay.moment.text,
    }


def _container(container: Container) -> dict[str, Any]:
    percent = container.tolerate_percent
    return {
        "flows": list(container.flows),
        "items": None if container.items is None else container.items.text,
        "item_name": None if container.items is None else container.item_name,
        "max_concurrency": container.max_concurrency or None,
        "join": "all" if container.join is None else container.join,
        "rest": "continue" if container.continues else "cancel",
        "tolerate": container.tolerate if percent is None else f"{percent:g}%",
        "timeout_ms": container.timeout_ms,
    }


def _needs(needs: Needs) -> dict[str, Any]:
    return {
        "steps": list(needs.needs),
        "run_if": needs.run_if,
        "when": None if needs.when is None else needs.when.text,
        "allow_failure": needs.allow_failure,
    }


def _limits(quotas: Sequence[Quota]) -> list[dict[str, Any]]:
    return [{"key": quota.key.source, "max": quota.limit.max, "rate": quota.limit.rate} for quota in quotas]


def _source(formula: Formula | None) -> Any:
    return None if formula is None else formula.source


def _sorted(codes: frozenset[str] | None) -> Sequence[str] | None:
    return None if codes is None else sorted(codes)
