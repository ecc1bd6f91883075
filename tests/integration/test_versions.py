"""Versions: several run at once, and none changes under a run."""

import pytest

from orchestrator import Meta, WorkflowSpec, define_workflow
from tests.integration.system import System, ended, executions
from tests.integration.workflows import charge_step, upper_step

pytestmark = pytest.mark.integration


def versioned(version: str, last: str) -> WorkflowSpec:
    """A charge, then a step that tells the versions apart."""
    return define_workflow(meta=Meta(key="tests.versioned", version=version), steps=[charge_step(), upper_step(last)])


def test_a_run_keeps_the_version_that_it_started_with(system: System) -> None:
    """1.1.0 is published while a run of 1.0.0 is in mid-step: the old run ends as 1.0.0 says, a new one takes 1.1.0."""
    gate = system.gate()
    system.publish(versioned("1.0.0", "old"))
    before = system.client.start("tests.versioned", {"method": f"pm_gate_{gate.name}"})
    gate.reached()

    system.publish(versioned("1.1.0", "new"))
    after = system.client.start("tests.versioned", {"method": "pm_ok"})
    pinned = system.client.start("tests.versioned", {"method": "pm_ok"}, version="1.0.0")
    gate.open()

    assert [ended(run).version for run in (before, after, pinned)] == ["1.0.0", "1.1.0", "1.0.0"]
    assert executions(before) == executions(pinned) == ["charge", "old"]
    assert executions(after) == ["charge", "new"]
