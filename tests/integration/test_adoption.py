"""An existing Celery app works off our steps beside its own tasks."""

from __future__ import annotations

import pytest
from celery import Celery

from orchestrator import Meta, Orchestrator, Retry, Step, define_workflow
from orchestrator.local import beat_command, worker_command
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, executions, until

pytestmark = pytest.mark.integration

APP = "tests.integration.shop"
OWN = {"accept_content": ["yaml"], "task_serializer": "yaml", "result_serializer": "yaml"}
ORDER = define_workflow(
    meta=Meta(key="tests.order", version="1.0.0"),
    steps=[
        Step(id="price", operation="shop.price", inputs={"sku": "${input.sku}", "amount": 3}),
        Step(id="pause", wait="5500ms"),  # too long for a countdown: only a sweep ends it
        Step(id="pack", operation="shop.pack", inputs={"order": "${run.id}"}, retry=Retry(max_attempts=2)),
    ],
    output={"price": "${steps.price.output}", "pack": "${steps.pack.output}"},
)


def of_shop(command: list[str], *without: str) -> list[str]:
    """A command of ours for the team's app, without these options and their values."""
    command[command.index("workers")] = APP
    for option in without:
        del command[command.index(option) : command.index(option) + 2]
    return command


@pytest.fixture
def shop(make_system: MakeSystem) -> System:
    """A worker of the app on the queue that it routes to, one without -Q, and its own beat."""
    system = make_system(operations=[])
    system.fleet.start("shop", of_shop(worker_command(name="shop"), "-Q")).wait_for_line("ready.")
    system.fleet.start("packing", of_shop(worker_command(["packing"], name="packing"))).wait_for_line("ready.")
    schedule = ("-s", str(system.folder / "schedule"))
    system.fleet.start("beat", of_shop(beat_command(extra=schedule))).wait_for_line("beat: Starting")
    (system.folder / "gates").mkdir(exist_ok=True)
    return system


def own_client(system: System) -> Celery:
    """The team's producer, which knows nothing of us."""
    app = Celery("shop", broker=system.client.settings.broker, backend=system.server.url(), set_as_current=False)
    app.conf.update(OWN)
    return app


def test_an_existing_app_runs_workflows_of_its_own_tasks(shop: System) -> None:
    """Its tasks are steps, on their own queues; a retry is an attempt; its beat sweeps."""
    until(lambda: len(shop.client.registry.workers()) == 2, "both workers are registered")
    shop.publish(ORDER)
    with own_client(shop) as app:
        run = Orchestrator.attach(app, settings=shop.client.settings).start("tests.order", {"sku": "abc"})

        shown = ended(run)

    assert shown.output == {"price": 9, "pack": {"packed": run.run_id, "retries": 1}}
    assert executions(run) == ["price", "pack", "pack"]
    assert {one.name.partition("@")[0]: one.queues for one in shop.client.registry.workers()} == {
        "shop": ("default", "shop"),
        "packing": ("packing",),
    }


def test_its_own_tasks_and_schedule_go_on_as_before(shop: System) -> None:
    """By its own names, queues and serializer, with its own retries."""
    with own_client(shop) as app:
        price = app.send_task("shop.price", ["abcd"], queue="shop")
        pack = app.send_task("shop.pack", ["o-1"], queue="packing")

        answers = [price.get(timeout=10), pack.get(timeout=10)]
        for result in (price, pack):
            result.forget()

    assert answers == [4, {"packed": "o-1", "retries": 1}]
    until((shop.folder / "gates" / "tick").exists, "its periodic task was executed")
