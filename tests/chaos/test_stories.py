from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.awaiting import NUMBERS, stories_from_outside, waiting_workflows
from tests.property.behaviours import Behaviour
from tests.property.faults import Act, live_through, stories
from tests.property.measured import measured_workflows
from tests.property.nested import habits, nested_workflows
from tests.property.specs import only_reading, workflows

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3_600)]


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=workflows(), acts=stories(20, 90), flag=st.booleans(), fuses=st.booleans())
def test_every_run_ends_as_promised_after_a_long_story(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool
) -> None:
    """The laws of tests/property, over many and long stories."""
    live_through(workflow, acts, flag=flag, fuses=fuses)


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=nested_workflows(), acts=stories(20, 90), flag=st.booleans(), fuses=st.booleans(), habits=habits())
def test_every_run_of_flows_within_flows_ends_as_promised_after_a_long_story(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, habits: dict[str, Behaviour]
) -> None:
    """The laws of tests/property, in every scope of nested flows."""
    live_through(workflow, acts, flag=flag, fuses=fuses, habits=habits)


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=waiting_workflows(),
    acts=stories_from_outside(20, 90),
    flag=st.booleans(),
    fuses=st.booleans(),
    habits=habits(),
    n=NUMBERS,
)
def test_every_run_that_waits_for_something_from_outside_ends_as_promised_after_a_long_story(
    workflow: dict[str, Any], acts: list[Act], flag: bool, fuses: bool, habits: dict[str, Behaviour], n: float | str
) -> None:
    """The laws of tests/property, where events and signals come early, doubled, and half delivered."""
    live_through(workflow, acts, flag=flag, fuses=fuses, habits=habits, n=n)


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=st.one_of(workflows(), nested_workflows()).map(only_reading), acts=stories(20, 90), flag=st.booleans())
def test_every_run_whose_steps_share_commits_ends_as_promised_after_a_long_story(
    workflow: dict[str, Any], acts: list[Act], flag: bool
) -> None:
    """The laws of tests/property, where steps without effect are kept back and written together."""
    live_through(workflow, acts, flag=flag, fuses=True, shares=True)


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=measured_workflows(st.one_of(workflows(), nested_workflows())),
    acts=stories(20, 90),
    flag=st.booleans(),
    shares=st.booleans(),
    habits=habits(),
)
def test_every_run_that_is_measured_ends_as_promised_after_a_long_story(
    workflow: dict[str, Any], acts: list[Act], flag: bool, shares: bool, habits: dict[str, Behaviour]
) -> None:
    """The laws of tests/property, where steps and runs have SLAs."""
    live_through(workflow, acts, flag=flag, fuses=True, shares=shares, habits=habits)
