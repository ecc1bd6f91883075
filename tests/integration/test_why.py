"""Why runs do not move, with real processes: who has which lease, which queue nobody takes from."""

import pytest

from orchestrator import Orchestrator, Step, define_workflow
from orchestrator.client.reasons import Reason
from tests.integration.system import System, ended, server_of, token, until

pytestmark = pytest.mark.integration


def test_a_lease_is_told_with_its_worker(system: System) -> None:
    """While its operation runs; once that worker is dead, its lease runs out, and another goes on with the step."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    holder = gate.reached()
    worker = system.holder(holder)

    running = next(step for step in run.why().steps if step.address == "charge-payment")
    worker.kill()
    another = gate.reached(not_by=holder)
    taken_up = next(step for step in run.why().steps if step.address == "charge-payment")

    assert running.reason is taken_up.reason is Reason.RUNNING
    assert str(running.worker).startswith(worker.name)
    assert str(taken_up.worker).startswith(system.holder(another).name)
    gate.open()
    assert ended(run).status == "completed"


def test_a_queue_that_nobody_takes_from_is_told_with_what_waits_there(system: System) -> None:
    """Over Redis and over HTTP alike."""
    spec = define_workflow(
        meta={"key": "why.lonely", "version": "1.0.0"},
        steps=[Step(id="a", operation="text.upper", inputs={"text": "x"}, queue="lonely")],
    )
    system.client.publish(spec)
    run = system.client.start("why.lonely")
    until(lambda: system.queued("lonely") > 0, "the message is in its queue")

    (step,) = run.why().steps

    assert (step.reason, step.queue) == (Reason.QUEUE_WITHOUT_WORKER, "lonely")
    assert "in which" in step.sentence
    run.cancel()
    assert run.why().reason in (Reason.OVER, Reason.STOPPING)


@pytest.mark.usefixtures("api_url")
def test_it_is_told_over_http_as_over_redis(system: System) -> None:
    """Value for value, but for how far moments are away."""
    run = system.client.start("examples.wait", {"text": "x"})
    until(lambda: [step.reason for step in run.why().steps] == [Reason.TIMER], "the step waits")

    with Orchestrator.connect(server_of(system), api_key=token(system, "viewer")) as remote:
        there, here = remote.handle(run.run_id).why(), run.why()

    assert (there.reason, there.live, there.next_look_at) == (here.reason, here.live, here.next_look_at)
    assert [(step.address, step.reason, step.until) for step in there.steps] == [
        (step.address, step.reason, step.until) for step in here.steps
    ]
    run.cancel()
