"""SLAs on real workers and a real sweeper: told in time, whoever dies, and judged by the moment of the end."""

from __future__ import annotations

from datetime import datetime

import pytest

from orchestrator import Step
from orchestrator.client.handle import RedisRunHandle
from tests.integration.system import System, ended, events, until
from tests.integration.workflows import charge_step, upper_step, workflow

pytestmark = pytest.mark.integration

QUICK = {"max_duration": "1200ms", "warn_at": "600ms", "escalate": [{"after": "300ms", "to": "ops"}]}
LEVELS = ["warn", "breach", "1"]
TIGHT_MS = (5, 10, 20, 40, 80, 160)


def levels(run: RedisRunHandle, step: str | None = None) -> list[str]:
    """What fired of the SLA of a step, or of the run's own."""
    told = [entry.event for entry in run.history() if entry.event["type"].startswith("sla_")]
    return [event.get("level", "met") for event in told if event.get("step") == step]


def test_a_breach_is_told_while_its_worker_lies_dead(system: System) -> None:
    """Killed in mid-charge: every level fires once, the charge is made once, by another worker."""
    system.publish(workflow("dead", charge_step(sla=QUICK), sla=QUICK))
    gate = system.gate()
    run = system.client.start("tests.dead", {"method": f"pm_pregate_{gate.name}"})
    holder = gate.reached()

    system.holder(holder).kill()
    until(lambda: levels(run) == levels(run, "charge") == LEVELS, "every level has fired")
    gate.open()
    shown = ended(run)

    assert (shown.status, len(system.charges(run))) == ("completed", 1)
    assert levels(run) == levels(run, "charge") == LEVELS
    assert shown.sla is not None
    assert shown.sla.state == "breached"


def test_what_waits_for_something_from_outside_is_measured(system: System) -> None:
    """No worker has anything to do with it; the run is found by what it came to."""
    system.publish(workflow("waits", Step(id="go", event={"signal": "go"}, sla=QUICK), sla=QUICK))
    run, other = (system.client.start("tests.waits", {}) for _ in range(2))
    until(lambda: other.describe().steps[0].state == "waiting", "the other waits")
    other.signal("go")

    until(lambda: levels(run) == levels(run, "go") == LEVELS, "every level has fired")
    run.signal("go")
    found = {sla: [one.run_id for one in system.client.search(workflow="tests.waits", sla=sla).runs] for sla in _STATES}

    assert ended(run).status == ended(other).status == "completed"
    assert levels(other)[-1] == levels(other, "go")[-1] == "met"
    assert found == {"ok": [], "warned": [], "breached": [run.run_id], "met": [other.run_id]}


_STATES = ("ok", "warned", "breached", "met")


def test_runs_that_end_about_when_they_are_due_are_judged_by_their_end(system: System) -> None:
    """One verdict each, and the one that the moment of the end gives, by the clock of Redis."""
    for ms in TIGHT_MS:
        steps = [upper_step(name) for name in ("a", "b", "c")]
        system.publish(workflow(f"tight{ms}", *steps, sla={"max_duration": f"{ms}ms"}))
    runs = [system.client.start(f"tests.tight{ms}", {}) for ms in TIGHT_MS for _ in range(5)]

    for shown in map(ended, runs):
        assert shown.sla is not None
        late = moment(str(shown.ended_at)) >= moment(shown.sla.due_at)
        assert shown.sla.state == ("breached" if late else "met")
    assert all(len(events(run, "sla_breached")) + len(events(run, "sla_met")) == 1 for run in runs)


def moment(text: str) -> datetime:
    """A moment, to the millisecond."""
    return datetime.fromisoformat(text)
