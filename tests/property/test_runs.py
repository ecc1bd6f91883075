from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.faults import Act, stories
from tests.property.specs import plan_of, workflows
from tests.property.world import World

pytestmark = pytest.mark.property


@settings(max_examples=700, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=workflows(), flag=st.booleans(), fuses=st.booleans(), acts=stories())
def test_every_run_ends_as_promised_whatever_happens_to_it(
    workflow: dict[str, Any], flag: bool, fuses: bool, acts: list[Act]
) -> None:
    """No crash, loss, delay or failure leaves a run unfinished, half undone, or undone twice (laws.py has the laws)."""
    steps, terms = workflow["steps"], {name: value for name, value in workflow.items() if name != "steps"}
    world = World(plan_of(*steps, **terms), {"flag": flag}, fuses=fuses)

    for act in acts:
        act.do(world)

    world.settle_down()
