"""SLAs in the stories of everything else: whatever happens, each level fires once, in time, and never after the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.awaiting import NUMBERS, stories_from_outside, waiting_workflows
from tests.property.behaviours import Behaviour
from tests.property.faults import Act, live_through, stories
from tests.property.nested import habits, nested_workflows
from tests.property.specs import workflows

pytestmark = pytest.mark.property

_RUNG = {"to": "ops"}
_SLAS = st.sampled_from(
    [
        None,
        {"max_duration": "1ms"},
        {"max_duration": "4s", "warn_at": "50%"},
        {"max_duration": "20s", "warn_at": "3s", "escalate": [{"after": "0s", **_RUNG}, {"after": "9s", **_RUNG}]},
        {"max_duration": "2m", "warn_at": "16s", "alert_on_breach": False},
    ]
)


def with_slas(workflow: Any, draw: st.DrawFn) -> Any:
    """The same workflow, with SLAs drawn for its steps, those within others included."""
    if isinstance(workflow, list):
        return [with_slas(one, draw) for one in workflow]
    if not isinstance(workflow, dict):
        return workflow
    inner = {name: with_slas(one, draw) for name, one in workflow.items()}
    is_step = "id" in inner and "transitions" not in inner and not str(inner.get("operation", "")).startswith("undo.")
    sla = draw(_SLAS) if is_step else None
    return inner if sla is None else {**inner, "sla": sla}


@st.composite
def measured_workflows(draw: st.DrawFn, of: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """A workflow with SLAs of its steps and, mostly, one of the run."""
    workflow = with_slas(draw(of), draw)
    sla = draw(_SLAS)
    return workflow if sla is None else {**workflow, "sla": sla}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
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


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
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
