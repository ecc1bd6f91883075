"""SLAs in the stories of everything else: whatever happens, each level fires once, in time, and never after the end."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.awaiting import NUMBERS, stories_from_outside, waiting_workflows
from tests.property.behaviours import Behaviour
from tests.property.faults import Act, live_through, stories
from tests.property.laws_of_slas import VERDICTS, check_found, measured_in
from tests.property.measured import measured_workflows
from tests.property.nested import habits, nested_workflows
from tests.property.specs import workflows
from tests.property.test_incarnations import World as Lives
from tests.property.test_incarnations import live_many_lives

pytestmark = pytest.mark.property


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=measured_workflows(st.one_of(workflows(), nested_workflows())),
    acts=stories(),
    flag=st.booleans(),
    fuses=st.booleans(),
    shares=st.booleans(),
    habits=habits(),
)
def test_every_run_that_is_measured_ends_as_promised(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, shares: bool, habits: dict[str, Behaviour]
) -> None:
    """The laws of runs hold as without SLAs, and those of SLAs besides (laws_of_slas.py)."""
    live_through(workflow, acts, flag=flag, fuses=fuses, shares=shares, habits=habits)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=measured_workflows(waiting_workflows()),
    acts=stories_from_outside(),
    flag=st.booleans(),
    fuses=st.booleans(),
    habits=habits(),
    n=NUMBERS,
)
def test_every_run_that_waits_and_is_measured_ends_as_promised(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, habits: dict[str, Behaviour], n: float | str
) -> None:
    """What waits for something from outside is measured meanwhile."""
    live_through(workflow, acts, flag=flag, fuses=fuses, habits=habits, n=n)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=measured_workflows(st.one_of(nested_workflows(), waiting_workflows())),
    flag=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_each_life_of_a_run_is_measured_by_itself(workflow: dict[str, Any], flag: bool, chance: Random) -> None:
    """Retried, undone, waived, paused, skipped: one verdict a life; what is kept keeps what it had."""
    world = Lives(workflow, flag, chance)
    live_many_lives(world)

    lives: list[dict[str, list[str]]] = [{}]
    for event in world.run.history:
        if event["type"] == "run_retried":
            lives.append({})
        elif event["type"].startswith("sla_"):
            lives[-1].setdefault(event.get("step", "$"), []).append(event.get("level", "met"))
    handle = world.run.handle
    plan, values = handle.versions.plan(*world.view().pinned), handle.store.read_all(handle.run_id)[1]
    for told in (told for life in lives for told in life.values()):
        assert len(told) == len(set(told))
        assert len(VERDICTS & set(told)) == 1
    assert plan.sla is None or all("$" in life for life in lives)
    if plan.sla is not None:
        check_found(handle.store, handle.run_id, values)
    for address, terms in measured_in(plan, values):
        names = [name for name in (*(one.name for one in terms.levels), "met") if f"{address}:sla.{name}" in values]
        assert names == next(life[address] for life in reversed(lives) if address in life)
