"""The indexes that a run is in: those of its start, and those that its status moves it between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from orchestrator.engine.state import OVER, RunStatus
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Plan

ALL_RUNS: Final = "all"
"""The index of every run."""
PAUSED_RUNS: Final = "paused"
"""The index of the runs whose pause flag is set; a run that is over leaves it."""
LONGEST_VALUE: Final = 100
"""Longer values are indexed by their hash."""

INDEXES: Final = "indexes"
"""A run's field, a JSON list: what it is in from its start until it is deleted."""

Scalar = str | int | float | bool
Pinned = tuple[str, str]
"""A run's workflow and version."""


def workflow_index(key: str) -> str:
    """The index of the runs of a workflow."""
    return f"workflow:{key}"


def status_index(status: RunStatus, workflow: str | None = None) -> str:
    """The index of the runs with that status, of all workflows or of one."""
    return f"status:{status.value}" if workflow is None else f"status:{status.value}:{workflow}"


def archived_index(status: RunStatus) -> str:
    """The index of the runs here of which the archive has a copy, with that status."""
    return f"archived:{status.value}"


def live_index(key: str, version: str) -> str:
    """The index of the runs of a version that are not over."""
    return f"live:{key}@{version}"


def tag_index(tag: str) -> str:
    """The index of the runs whose workflow has that tag."""
    return f"tag:{_short(tag)}"


def value_index(name: str, value: Scalar) -> str:
    """The index of the runs whose search field `name` has that value; 5, 5.0 and "5" are one value."""
    return f"value:{name}={_short(text_of_value(value))}"


def sla_index(state: str, workflow: str | None = None) -> str:
    """The index of the runs whose SLA is in that state, of all workflows or of one."""
    return f"sla:{state}" if workflow is None else f"sla:{state}:{workflow}"


def event_index(name: str) -> str:
    """The index of the runs in which a step waits for events by that name."""
    return f"event:{name}"


def start_indexes(plan: Plan, roots: Mapping[str, Any]) -> tuple[str, ...]:
    """What a run stays in from its start until it is deleted; `roots` are its `input` and `ctx`."""
    return (
        ALL_RUNS,
        workflow_index(plan.key),
        *map(tag_index, plan.tags),
        *(value_index(name, value) for name, value in search_values(plan, roots).items()),
    )


def search_values(plan: Plan, roots: Mapping[str, Any]) -> dict[str, Scalar]:
    """The search fields of a run; one that raises, or whose value is no scalar, is not there."""
    values: dict[str, Scalar] = {}
    for name, expression in plan.search.items():
        try:
            value = expression.evaluate(roots)
        except ExpressionError:
            continue
        if isinstance(value, Scalar):
            values[name] = value
    return values


def status_indexes(status: RunStatus, pinned: Pinned) -> tuple[str, ...]:
    """What a run with that status is in because of it."""
    workflow, version = pinned
    live = () if status in OVER else (live_index(workflow, version),)
    return (status_index(status), status_index(status, workflow), *live)


def moved(before: RunStatus, after: RunStatus, pinned: Pinned) -> dict[str, bool]:
    """The indexes that a run leaves and enters with a change of its status."""
    left = dict.fromkeys(status_indexes(before, pinned), False)
    entered = dict.fromkeys(status_indexes(after, pinned), True)
    return {**left, **entered, **({PAUSED_RUNS: False} if after in OVER else {})}


def text_of_value(value: Scalar) -> str:
    """The text that values are compared by: that of 5, 5.0 and "5" is the same."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"#{blake2b(text.encode(), digest_size=16).hexdigest()}"
