"""A deploy in mid-run: another version, and one worker after the other replaced."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator import Meta, Retry, Step, WorkflowSpec, define_workflow
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.run_surface import Start
from tests.integration import release_new
from tests.integration.conftest import MakeSystem
from tests.integration.system import Gate, System, ended, executions

pytestmark = pytest.mark.integration

KEY = "tests.rolling"
OLD_RUNS = 200
GRACE_S = 4.0
OLD, NEW = (f"tests.integration.release_{name}" for name in ("old", "new"))
PATIENCE = Retry(max_attempts=1_000, backoff="constant", delay="2s")
OF_RUN = {"run": "${run.version}"}

OLD_STEPS = [
    Step(id="begin", operation="rolling.mark@1", inputs=OF_RUN),
    Step(id="pause", wait="1s"),
    Step(id="hold", operation="rolling.held", inputs={"gate": "${input.gate}"}, retry=PATIENCE),
    Step(id="finish", operation="rolling.mark@1", inputs=OF_RUN),
]
NEW_STEPS = [
    Step(id="start", operation=release_new.mark_anew, inputs=OF_RUN),
    Step(id="pause", wait="100ms"),
    Step(id="stop", operation="rolling.mark@1", inputs=OF_RUN),
]


def release(version: str, steps: list[Step]) -> WorkflowSpec:
    """A version of the workflow, whose output is that of all its marks."""
    marks = {one.id: f'${{steps["{one.id}"].output}}' for one in steps if one.operation not in (None, "rolling.held")}
    return define_workflow(meta=Meta(key=KEY, version=version), steps=steps, output=marks)


@contextmanager
def producing(system: System, gate: Gate) -> Iterator[list[RedisRunHandle]]:
    """Start a run every few milliseconds all the while; a start that is refused is raised in the end."""
    started: list[RedisRunHandle] = []
    refused: list[Exception] = []
    enough = threading.Event()

    def produce() -> None:
        while not enough.wait(0.05):
            try:
                started.append(system.client.start(KEY, {"gate": gate.name}))
            except Exception as error:  # noqa: BLE001  # whatever it is: a start was refused
                refused.append(error)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        yield started
    finally:
        enough.set()
        producer.join()
    assert refused == []


def replace_worker(system: System, name: str) -> None:
    """SIGTERM to one of the old release, SIGKILL if it takes long; one of the new release in its place."""
    system.fleet[name].terminate(GRACE_S)
    system.start_worker(f"new-{name}", operations=[NEW]).wait_for_line("ready.")


def test_a_rolling_deploy_changes_nothing_for_runs_under_way(make_system: MakeSystem) -> None:
    """Every old run ends on 1.0.0 as its plan says, every new one on 1.1.0; no start is refused, nothing fails."""
    system = make_system()
    for name in ("first", "second"):
        system.start_worker(name, operations=[OLD])
    system.start_beat()
    system.ready()
    gate = system.gate()
    system.publish(release("1.0.0", OLD_STEPS))
    old = system.client.start_many([Start(KEY, {"gate": gate.name})] * OLD_RUNS)

    with producing(system, gate) as produced:
        system.publish(release("1.1.0", NEW_STEPS))
        for name in ("first", "second"):
            replace_worker(system, name)
        live = {one.version: one.live_runs for one in system.client.versions(KEY)}
        gate.open()

    assert live["1.0.0"] >= OLD_RUNS
    by_version = {"1.0.0": list(old), "1.1.0": list[RedisRunHandle]()}
    for run in produced:
        by_version[run.describe().version].append(run)
    for run in by_version["1.0.0"]:
        shown = ended(run)
        assert (shown.version, shown.status, executions(run)[-1]) == ("1.0.0", "completed", "finish")
        assert shown.output["begin"] in ("old 1.0.0", "new 1.0.0")
        assert shown.output["finish"] == "new 1.0.0"
    assert {tuple(ended(run).output.values()) for run in by_version["1.1.0"]} == {("anew 1.1.0", "new 1.1.0")}
    assert system.client.versions(KEY)[-1].live_runs == 0
