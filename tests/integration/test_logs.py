"""What real processes write to their logs: one JSON object a line, whoever writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator import Step
from orchestrator.local import ManagedProcess
from tests.integration.conftest import MakeSystem
from tests.integration.system import OPERATIONS, ended, until
from tests.integration.workflows import workflow

pytestmark = pytest.mark.integration

SAYING = workflow(
    "saying",
    Step(id="say", operation="talking.say", inputs={"pin": "${input.pin}"}),
    redact=["input.pin"],
)


def lines(process: ManagedProcess) -> list[dict[str, Any]]:
    """What a process has written, without Celery's banner."""
    return [json.loads(line) for line in process.tail(1_000).splitlines() if line.startswith("{")]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_every_line_of_a_worker_is_json_and_says_what_it_is_about(make_system: MakeSystem, pool: str) -> None:
    """Ours, those of `logging`, structlog's and Celery's, each once; what is to be redacted by its name is masked."""
    system = make_system(operations=[*OPERATIONS, "tests.integration.talking"], log_json=True)
    system.publish(SAYING)
    worker = system.start_worker(pool=pool)
    system.start_beat()
    system.ready()
    run = system.client.start("tests.saying", {"pin": "4711"})
    ended(run)
    until(lambda: len([line for line in lines(worker) if line["event"] == "said"]) == 3, "all three are written")

    said = [line for line in lines(worker) if line["event"] == "said"]

    assert [line["by"] for line in said] == ["context", "logging", "structlog"]
    about = {"run_id": run.run_id, "step": "say", "attempt": 1, "workflow": "tests.saying", "version": "1.0.0"}
    assert all(line.items() >= {**about, "pin": "[redacted]", "level": "info"}.items() for line in said)
    assert any(line["logger_name"] == "celery.apps.worker" and "ready." in line["event"] for line in lines(worker))
    assert not any("4711" in line or '\\"event\\"' in line for line in worker.tail(1_000).splitlines())


def test_what_a_failed_step_says_stands_in_the_run_and_in_no_log(make_system: MakeSystem) -> None:
    """Celery logs the error's code alone: its message may hold what is to be redacted."""
    system = make_system(operations=["tests.integration.talking"], log_json=True)
    system.publish(workflow("refused", Step(id="refuse", operation="talking.refuse", inputs={"pin": "${input.pin}"})))
    worker = system.start_worker()
    system.start_beat()
    run = system.ready().client.start("tests.refused", {"pin": "4711"})

    shown = ended(run)
    until(lambda: "StepFailed" in worker.tail(1_000), "Celery has written that it failed")

    assert shown.error["message"] == "not with 4711"
    assert f"{run.run_id} refuse: refused" in worker.tail(1_000)
    assert "4711" not in worker.tail(1_000)
