"""What runs are found by."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.indexes import (
    ALL_RUNS,
    LONGEST_VALUE,
    PAUSED_RUNS,
    Scalar,
    live_index,
    moved,
    start_indexes,
    status_index,
    tag_index,
    value_index,
    workflow_index,
)
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan
from orchestrator.spec.operations import Effect, OperationInfo
from orchestrator.spec.workflow import define_workflow

PINNED = ("test.flow", "1.0.0")


def plan(search: dict[str, str], tags: tuple[str, ...] = ()) -> Plan:
    """A workflow with these tags and search fields."""
    meta = {"key": PINNED[0], "version": PINNED[1], "tags": tags}
    spec = define_workflow(meta=meta, search=search, steps=[{"id": "a", "operation": "do.it"}])
    return compile_plan(spec, {"do.it": OperationInfo("do.it", "1.0.0", Effect.NONE, idempotent=True)}, digest="")


def fields(search: dict[str, str], **roots: Any) -> set[str]:
    """The indexes that a run is in because of its search fields."""
    return {name for name in start_indexes(plan(search), roots) if name.startswith("value:")}


def test_a_run_is_in_the_indexes_of_its_workflow_tags_and_search_fields() -> None:
    """From its start on, whatever its status."""
    roots = {"input": {"customer": "ada"}, "ctx": {"tenant": 7}}
    search = {"customer": "input.customer", "tenant": "ctx.tenant"}

    names = start_indexes(plan(search, ("paid", "eu")), roots)

    assert set(names) == {
        ALL_RUNS,
        workflow_index("test.flow"),
        tag_index("paid"),
        tag_index("eu"),
        value_index("customer", "ada"),
        value_index("tenant", 7),
    }


def test_a_search_field_that_raises_or_is_no_scalar_is_left_out() -> None:
    """It keeps no run from starting, and the others are there."""
    given = {"raises": "input.none", "list": "input.lines", "null": "input.nothing", "there": "input.n + 1"}

    assert fields(given, input={"lines": [1], "nothing": None, "n": 1}) == {value_index("there", 2)}


@pytest.mark.parametrize("values", [(5, 5.0, "5"), (True, "true"), (1.5, "1.5"), ("x" * 5_000,)])
def test_values_are_compared_as_text(values: tuple[Scalar, ...]) -> None:
    """A command line knows only texts; long ones make no long keys."""
    names = {value_index("name", value) for value in values}

    assert len(names) == 1
    assert len(names.pop()) < LONGEST_VALUE + 20


def test_long_values_that_begin_alike_are_told_apart() -> None:
    """By their hashes; so are those that differ in their type's sense only."""
    assert value_index("n", "x" * 200) != value_index("n", "x" * 201)
    assert value_index("n", 1) != value_index("n", value=True)


@pytest.mark.parametrize("before", [RunStatus.RUNNING, RunStatus.COMPENSATING])
@pytest.mark.parametrize("after", sorted(OVER))
def test_a_run_that_ends_is_live_and_paused_no_more(before: RunStatus, after: RunStatus) -> None:
    """It leaves what its status held it in, and enters what the new one does."""
    assert moved(before, after, PINNED) == {
        status_index(before): False,
        status_index(before, "test.flow"): False,
        live_index(*PINNED): False,
        PAUSED_RUNS: False,
        status_index(after): True,
        status_index(after, "test.flow"): True,
    }


def test_a_run_that_stops_is_still_live() -> None:
    """Its undo belongs to it, and a pause may be set."""
    changes = moved(RunStatus.RUNNING, RunStatus.COMPENSATING, PINNED)

    assert changes[live_index(*PINNED)] is True
    assert PAUSED_RUNS not in changes
