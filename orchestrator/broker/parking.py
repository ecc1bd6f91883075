"""Parking: putting a message's signature aside, with its chain, chord and group, without blocking a worker."""

from __future__ import annotations

import json
from typing import Any

from celery import Task

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.plan.graph import Plan


def rest_after(chain: list[Any] | None, run_id: str, address: str) -> list[Any] | None:
    """The part of a message's chain that begins with an address (which stands last); None if it is not in it."""
    for place in range(len(chain or ()), 0, -1):
        if list((chain or [])[place - 1]["args"]) == [run_id, address]:
            return list((chain or [])[:place])
    return None


def hand_over(task: Task[Any, Any], dispatcher: Dispatcher, plan: Plan, run_id: str, address: str) -> None:
    """Make an address the next of the present message: the rest of its chain, or another path's canvas instead."""
    request: Any = task.request
    kept = rest_after(request.chain, run_id, address)
    request.chain = dispatcher.tail(plan, run_id, address) if kept is None else kept


def drop_chain(task: Task[Any, Any]) -> None:
    """Nothing follows the present message; what its last step was in a chord, the message is now."""
    request: Any = task.request
    chain, request.chain = request.chain, None
    last = (chain or [{}])[0].get("options", {})
    if last.get("chord") is not None:
        request.update(chord=last["chord"], group=last.get("group_id"), group_index=last.get("group_index"))


def set_aside(task: Task[Any, Any], dispatcher: Dispatcher, plan: Plan, run_id: str, address: str) -> str:
    """The signature that goes on with an address later, as text; as Celery would retry the message itself."""
    request: Any = task.request
    if list(request.args or ()) == [run_id, address]:
        return json.dumps(task.signature_from_request())
    rest = rest_after(request.chain, run_id, address)
    tail = dispatcher.tail(plan, run_id, address) if rest is None else rest
    own, behind = dict(tail[-1]), tail[:-1]
    own["options"] = {**own["options"], "chain": behind} if behind else own["options"]
    return json.dumps(own)
