from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.awaiting import NUMBERS, stories_from_outside, waiting_workflows
from tests.property.behaviours import Behaviour
from tests.property.faults import Act, live_through, stories
from tests.property.nested import habits, nested_workflows
from tests.property.specs import only_reading, workflows

pytestmark = pytest.mark.property


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=workflows(), acts=stories(), flag=st.booleans(), fuses=st.booleans(), shares=st.booleans())
def test_every_run_ends_as_promised_whatever_happens_to_it(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, shares: bool
) -> None:
    """No crash, loss, delay or failure leaves a run unfinished, half undone, or undone twice (laws.py has the laws)."""
    live_through(workflow, acts, flag=flag, fuses=fuses, shares=shares)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=nested_workflows(),
    acts=stories(),
    flag=st.booleans(),
    fuses=st.booleans(),
    shares=st.booleans(),
    habits=habits(),
)
def test_every_run_of_flows_within_flows_ends_as_promised(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, shares: bool, habits: dict[str, Behaviour]
) -> None:
    """Joins, maps, races, graphs, loops: the same laws, and those of flows, in every scope (laws_of_flows.py)."""
    live_through(workflow, acts, flag=flag, fuses=fuses, shares=shares, habits=habits)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=waiting_workflows(),
    acts=stories_from_outside(),
    flag=st.booleans(),
    fuses=st.booleans(),
    habits=habits(),
    n=NUMBERS,
)
def test_every_run_that_waits_for_something_from_outside_ends_as_promised(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, habits: dict[str, Behaviour], n: float | str
) -> None:
    """Events and signals, early, doubled, half delivered: taken once by whom they are for (laws_of_awaiting.py)."""
    live_through(workflow, acts, flag=flag, fuses=fuses, habits=habits, n=n)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=st.one_of(workflows(), nested_workflows()).map(only_reading), acts=stories(), flag=st.booleans())
def test_every_run_whose_steps_share_commits_ends_as_promised(
    workflow: dict[str, Any], acts: list[Act], flag: bool
) -> None:
    """RULES 6: steps without effect; what they saw is what is recorded, whoever died in between (sharing.py)."""
    live_through(workflow, acts, flag=flag, fuses=True, shares=True)
