"""Limits on real workers: never more holders than slots, whoever is killed."""

from __future__ import annotations

from typing import Any

from orchestrator import WorkflowSpec
from orchestrator.client.handle import RedisRunHandle
from tests.integration.system import System, ended, events, happened, until
from tests.integration.workflows import charge_step, upper_step, workflow


def limited_step(key: str, **limit: Any) -> WorkflowSpec:
    """A workflow whose charge is limited by tenant."""
    return workflow(key, charge_step(limits=[{"key": "${input.tenant}", **limit}]))


def limited_run(key: str, **limit: Any) -> WorkflowSpec:
    """A workflow of which so many runs go on at once by tenant."""
    return workflow(key, charge_step(), upper_step("after"), limits=[{"key": "${input.tenant}", **limit}])


def begin(system: System, key: str, gate: str, tenant: str = "a") -> RedisRunHandle:
    """Start a run whose charge stops at a gate."""
    return system.client.start(f"tests.{key}", {"method": f"pm_gate_{gate}", "tenant": tenant})


def waits(run: RedisRunHandle) -> bool:
    """Whether the run stands in line."""
    return bool(events(run, "step_limited")) and not happened(run, "step_started", "charge")


def test_a_step_waits_for_a_slot_and_gets_it_when_one_is_free(system: System) -> None:
    """Another tenant's does not wait."""
    system.publish(limited_step("limited-step", max=1))
    held, free, other = system.gate(), system.gate(), system.gate()
    free.open()
    other.open()
    first = begin(system, "limited-step", held.name)
    held.reached()

    second = begin(system, "limited-step", free.name)
    third = begin(system, "limited-step", other.name, tenant="b")

    assert ended(third).status == "completed"
    until(lambda: waits(second), "the second run stands in line")
    held.open()
    assert ended(first).status == "completed"
    assert ended(second, 5.0).status == "completed"


def test_the_slot_of_a_killed_worker_is_free_after_its_lease(system: System) -> None:
    """The killed attempt is taken up again, and who waits gets its turn: no slot leaks."""
    system.publish(limited_step("limited-kill", max=1))
    held, free = system.gate(), system.gate()
    free.open()
    first = begin(system, "limited-kill", held.name)
    pid = held.reached()
    second = begin(system, "limited-kill", free.name)
    until(lambda: waits(second), "the second run stands in line")

    system.holder(pid).kill()
    held.open()

    assert ended(first).status == ended(second).status == "completed"


def test_no_more_runs_go_on_than_the_workflow_allows(system: System) -> None:
    """The second run begins when the first is over, not when its step is."""
    system.publish(limited_run("limited-run", max=1))
    held, free = system.gate(), system.gate()
    free.open()
    first = begin(system, "limited-run", held.name)
    held.reached()
    second = begin(system, "limited-run", free.name)
    until(lambda: waits(second), "the second run stands in line")

    held.open()

    assert ended(first).status == ended(second, 5.0).status == "completed"
    started = next(entry.at_ms for entry in second.history() if entry.event["type"] == "step_started")
    assert started >= first.history()[-1].at_ms


def test_a_rate_spreads_starts(system: System) -> None:
    """Two in each second: five steps take two seconds, give or take the time between a slot and its start."""
    system.publish(workflow("rated", upper_step("up", limits=[{"key": "all", "rate": "2/s"}])))

    runs = [system.client.start("tests.rated") for _ in range(5)]
    for run in runs:
        run.result(20)

    starts = sorted(entry.at_ms for run in runs for entry in run.history() if entry.event["type"] == "step_started")
    assert starts[2] - starts[0] >= 700
    assert starts[4] - starts[0] >= 1_700
