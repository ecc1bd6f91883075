"""What reaches the broker is what `orchestrator plan` prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from kombu.message import Message
from typer.testing import CliRunner

from orchestrator.broker.app import TOP_PRIORITY
from orchestrator.cli.app import app as command_line
from orchestrator.spec.loader import load_path
from tests.integration.conftest import MakeSystem
from tests.integration.system import ROOT, System, ended, executions
from tests.integration.workflows import upper_step, workflow

pytestmark = pytest.mark.integration

MESSAGE_BYTES = 16_384
STEPS = 60
SPEC = """
meta: {key: tests.canvas, version: 1.2.0}
steps:
  - {id: first, operation: text.upper, queue: left, priority: 9, inputs: {text: a}, timeout: 90s,
     retry: {max_attempts: 4, backoff: linear, delay: 2s, max_delay: 1m, jitter: 100ms}}
  - {id: second, operation: text.upper, queue: right, priority: 0, inputs: {text: b}, timeout: 1500ms}
  - {id: a-while, wait: 1s}
  - {id: third, operation: text.upper, queue: right, inputs: {text: c}, retry: {max_attempts: 2, jitter: full}}
"""
CHORD = """
meta: {key: tests.chord, version: 1.0.0}
steps:
  - id: both
    parallel:
      branches:
        here: [{id: here, operation: text.upper, queue: left, inputs: {text: a}}]
        there: [{id: there, operation: text.upper, queue: right, priority: 7, inputs: {text: b}, timeout: 90s}]
        yonder: [{id: yonder, operation: text.upper, queue: far, inputs: {text: c}}]
  - {id: last, operation: text.upper, queue: left, inputs: {text: d}}
"""


def printed(path: Path) -> dict[str, Any]:
    """The canvas that `orchestrator plan PATH --format json` prints."""
    result = CliRunner().invoke(command_line, ["plan", str(path), "--format", "json"], catch_exceptions=False)
    canvas: dict[str, Any] = json.loads(result.stdout)["canvas"]
    assert (canvas["kind"], canvas["cut"]) == ("chain", False)
    return canvas


def printed_canvas(path: Path) -> list[dict[str, Any]]:
    """The signatures of the chain that the canvas begins with."""
    signatures: list[dict[str, Any]] = printed(path)["signatures"]
    return signatures


def taken(system: System, queue: str) -> Message:
    """The next message of a queue, as a worker would get it."""
    with system.client.dispatcher.app.connection_for_read() as connection, connection.SimpleQueue(queue) as messages:
        message = messages.get(timeout=10)
        message.ack()
        return message


def sent_canvas(message: Message, run_id: str) -> list[dict[str, Any]]:
    """A message and the chain in it, in the words of the plan; all of it about one run."""
    args, kwargs, embedded = message.payload
    errbacks, headers = embedded["errbacks"], message.headers
    first = {
        "task": headers["task"],
        "args": args,
        "kwargs": kwargs,
        "options": {
            "task_id": headers["id"],
            "queue": message.delivery_info["routing_key"],
            "priority": message.properties["priority"],
            "shadow": headers["shadow"],
            "headers": {name: headers[name] for name in ("workflow", "retry") if name in headers},
            "time_limit": headers["timelimit"][0],
            "link_error": errbacks,
        },
        "immutable": True,
    }
    signatures = [first, *reversed(embedded["chain"] or [])]
    assert (embedded["callbacks"], embedded["chord"]) == (None, None)
    assert {signature["args"][0] for signature in signatures} == {run_id}
    assert all(signature["immutable"] and not signature["kwargs"] for signature in signatures)
    assert len({signature["options"]["task_id"] for signature in signatures}) == len(signatures)
    return [_in_words_of_the_plan(signature) for signature in signatures]


def links_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The signatures of a chord's body, a chain, in order."""
    links: list[dict[str, Any]] = body["kwargs"]["tasks"]
    return links


def _in_words_of_the_plan(signature: dict[str, Any]) -> dict[str, Any]:
    options = signature["options"]
    [errback] = options["link_error"]
    assert (errback["task"], errback["args"][0], errback["immutable"]) == (
        "orchestrator.step",
        signature["args"][0],
        True,
    )
    return {
        "task": signature["task"],
        "address": signature["args"][1],
        "queue": options["queue"],
        "priority": TOP_PRIORITY - options["priority"],  # Redis takes its lowest number first
        "shadow": options["shadow"],
        "headers": options["headers"],
        "time_limit": options.get("time_limit"),
        "errback": errback["args"][1],
    }


def test_a_start_sends_the_canvas_that_plan_prints(make_system: MakeSystem) -> None:
    """Task, chain, errbacks, headers, queue, priority, time limits and shadow names, of the payment workflow."""
    system = make_system()
    system.publish()

    runs = [system.pay("pm_ok") for _ in range(2)]
    messages = [taken(system, "default") for _ in range(2)]

    expected = printed_canvas(ROOT / "specs" / "payment_flow.py")
    assert [sent_canvas(message, run.run_id) for message, run in zip(messages, runs, strict=True)] == [expected] * 2
    assert len({message.headers["id"] for message in messages}) == 2


def test_every_option_of_a_step_reaches_the_broker(make_system: MakeSystem, tmp_path: Path) -> None:
    """At the start, and when a worker hands the run over to another queue: the rest of the same chain."""
    system = make_system()
    path = tmp_path / "canvas.yaml"
    path.write_text(SPEC)
    system.publish(*(loaded.spec for loaded in load_path(path)))
    expected = printed_canvas(path)

    run = system.client.start("tests.canvas")
    assert sent_canvas(taken(system, "left"), run.run_id) == expected

    system.start_worker(queues=["left"])
    system.ready()
    system.client.dispatcher.send(run.versions.plan("tests.canvas", "1.2.0"), run.run_id, "first")
    assert sent_canvas(taken(system, "right"), run.run_id) == expected[1:]


def test_a_step_on_another_queue_is_executed_there(make_system: MakeSystem, tmp_path: Path) -> None:
    """Two workers, a queue each: the run goes from one to the other; a wait is where the step behind it will be."""
    system = make_system()
    path = tmp_path / "canvas.yaml"
    path.write_text(SPEC)
    system.publish(*(loaded.spec for loaded in load_path(path)))
    system.start_worker("left", queues=["left"])
    system.start_worker("right", queues=["right"])
    system.ready()

    run = system.client.start("tests.canvas")

    assert run.result(20.0) == {"text": "C"}
    for name, step in (("left", "first"), ("right", "second"), ("right", "a-while")):
        system.fleet[name].wait_for_line(f"tests.canvas@1.2.0/{step}")
    assert executions(run) == ["first", "second", "third"]


def test_branches_are_the_chord_that_was_printed(make_system: MakeSystem, tmp_path: Path) -> None:
    """The header: each branch beside the message's own. The body: from the container on."""
    system = make_system()
    path = tmp_path / "chord.yaml"
    path.write_text(CHORD)
    system.publish(*(loaded.spec for loaded in load_path(path)))
    [fork] = printed(path)["forks"]
    system.start_worker(queues=["left"])
    system.ready()

    system.client.start("tests.chord")
    messages = [taken(system, queue) for queue in ("right", "far")]

    assert fork["kind"] == "chord"
    options = [
        (message.headers["shadow"], TOP_PRIORITY - int(message.properties["priority"]), message.headers["timelimit"][0])
        for message in messages
    ]
    signatures = [flow["signatures"][0] for flow in fork["flows"][1:]]
    assert options == [(one["shadow"], one["priority"], one["time_limit"]) for one in signatures]
    [body] = {json.dumps([link["args"][1] for link in links_of(message.payload[2]["chord"])]) for message in messages}
    assert json.loads(body) == [signature["address"] for signature in fork["body"]["signatures"]]


@pytest.mark.parametrize("slice_ms", [0, 50])
def test_messages_of_a_long_chain_stay_small(make_system: MakeSystem, slice_ms: int) -> None:
    """Sixty steps: the chain is cut so that no message is over 16 KiB, and compiled again where it was cut."""
    system = make_system(slice_ms=slice_ms)
    system.publish(workflow("long", *(upper_step(f"s{number}") for number in range(STEPS))))
    system.start_worker()
    system.ready()

    broker: Any = system.broker  # Any: redis-py has no types for its monitor
    with broker.monitor() as monitor:
        run = system.client.start("tests.long")
        ended(run)
        broker.echo("over")
        commands = iter(lambda: str(monitor.next_command()["command"]), "ECHO over")
        sizes = [len(command) for command in commands if command.startswith("LPUSH")]

    assert executions(run) == [f"s{number}" for number in range(STEPS)]
    assert max(sizes) <= MESSAGE_BYTES
    if not slice_ms:
        assert len(sizes) >= STEPS, "each step was a message"
