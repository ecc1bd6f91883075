"""Messages are hints: doubled, or met by a worker that cannot serve them, they change nothing."""

import pytest

from orchestrator.engine import fields
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, executions, until

pytestmark = pytest.mark.integration

PATH = ["validate-payment", "charge-payment", "send-receipt"]


def test_a_message_that_is_delivered_twice_is_executed_once(make_system: MakeSystem) -> None:
    """The very same message, three times in the queue, for two workers."""
    system = make_system()
    system.publish()
    run = system.pay("pm_ok")
    [key] = system.broker.scan_iter("default*")
    [message] = system.broker.lrange(key, 0, -1)

    system.broker.lpush(key, message, message)
    for name in ("worker-1", "worker-2"):
        system.start_worker(name)
    system.ready()
    ended(run)
    until(lambda: system.queued() == 0, "all three messages are taken")

    assert executions(run) == PATH
    assert [len(system.calls(run, kind)) for kind in ("validate", "charge")] == [1, 1]


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@invalid"])
def test_a_canvas_that_is_sent_at_any_moment_is_harmless(system: System, email: str) -> None:
    """Every address of the run is looked at again, before, while and after its turn."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}", email=email)
    plan = run.versions.plan("payment.flow", "1.0.0")
    undone = email == "nobody@invalid"

    def send_all() -> None:
        for address in (*PATH, "charge-payment~", "~"):
            run.dispatcher.send(plan, run.run_id, address)

    send_all()
    gate.reached()
    send_all()
    gate.open()
    shown = ended(run)
    send_all()
    until(lambda: system.queued() == 0, "every message is taken")

    assert executions(run) == [*PATH, *(["charge-payment~"] if undone else [])]
    assert run.describe() == shown
    assert [len(system.calls(run, kind)) for kind in ("charge", "refund")] == [1, int(undone)]


def test_a_worker_without_the_operation_leaves_the_step_to_another(make_system: MakeSystem) -> None:
    """It drops the message, and the run goes on wherever the operation is."""
    system = make_system()
    system.publish()
    system.start_worker("unable", concurrency=1, operations=["workers.operations.examples"])
    system.ready()
    run = system.pay("pm_ok")
    until(lambda: system.queued() == 0, "the message is taken")
    system.fleet["unable"].wait_for_line("succeeded")
    untouched = run.store.read(run.run_id, [fields.state("validate-payment")])[1]

    system.start_worker("able", concurrency=1)
    system.start_beat()
    system.ready()
    for _ in range(20):  # the unable one takes half of them
        run.dispatcher.send(run.versions.plan("payment.flow", "1.0.0"), run.run_id, "validate-payment")

    assert ended(run).status == "completed"
    assert list(untouched.values()) == ["ready"]
    assert executions(run) == PATH
