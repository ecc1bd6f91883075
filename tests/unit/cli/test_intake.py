"""Commands about external events."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import intake
from orchestrator.cli.app import app
from orchestrator.cli.output import Output
from orchestrator.store.events import Burial
from orchestrator.triggers.listener import Listener
from tests.unit.surroundings import Surroundings


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """A system that the commands are connected to."""
    around = Surroundings()
    monkeypatch.setattr(intake, "connect", lambda: around.client)
    return around


def command(*arguments: str, given: str = "") -> Result:
    """What a command answers."""
    return CliRunner().invoke(app, ["events", *arguments], input=given)


def came_in(around: Surroundings) -> list[tuple[str, str]]:
    """Type and id of the events."""
    return [(entry.event.type, entry.event.id) for entry in around.client.events.tail(100) if entry.event]


def test_an_event_is_emitted_by_its_attributes(around: Surroundings) -> None:
    """Data as JSON; it is told what was emitted."""
    result = command(
        "emit", "--type", "order.created", "--data", '{"n": 1}', "--id", "7", "--source", "/shop", "--json"
    )

    event = json.loads(result.stdout)
    assert (event["type"], event["data"], event["source"]) == ("order.created", {"n": 1}, "/shop")
    assert came_in(around) == [("order.created", "7")]


def test_events_are_emitted_whole_from_stdin(around: Surroundings) -> None:
    """One, or a list of them; options count for one only."""
    one, many = {"type": "a.b", "id": "1"}, [{"type": "a.b", "id": "2"}, {"type": "a.b", "id": "3"}]

    assert "emitted a.b 1" in command("emit", "-", given=json.dumps(one)).stdout
    assert len(json.loads(command("emit", "-", "--json", given=json.dumps(many)).stdout)) == 2
    assert command("emit", "-", "--type", "x", given=json.dumps(many)).exit_code == 1
    assert came_in(around) == [("a.b", "1"), ("a.b", "2"), ("a.b", "3")]


def test_what_is_no_event_is_refused_with_all_that_is_wrong(around: Surroundings) -> None:
    """And nothing comes in."""
    result = command("emit", "--id", "1", "--json")

    assert (result.exit_code, json.loads(result.stderr)["code"]) == (1, "invalid_event")
    assert came_in(around) == []


def test_the_tail_is_one_line_an_event(around: Surroundings) -> None:
    """For people and for programs; what is no event shows as such."""
    around.client.events.emit(type="order.created", id="1")
    around.events.append(["nonsense"])

    lines = command("tail").stdout.splitlines()
    records = [json.loads(line) for line in command("tail", "--json", "-n", "1").stdout.splitlines()]

    assert ["order.created  1  /orchestrator" in lines[0], "no CloudEvent" in lines[1]] == [True, True]
    assert [record["body"] for record in records] == ["nonsense"]


def test_what_was_given_up_is_shown_replayed_and_discarded(around: Surroundings) -> None:
    """With why, and by whom."""
    assert command("dead").stdout == "none\n"
    around.events.bury([Burial("1-0", "{}", "no event", 5), Burial("2-0", "{}", "no input", 1, "a.b/placed")])

    shown = command("dead").stdout
    letters = json.loads(command("dead", "--json").stdout)["dead"]

    assert "a.b/placed" in shown
    assert [letter["reason"] for letter in letters] == ["no event", "no input"]
    assert command("replay", letters[0]["id"]).stdout == "replayed 1 event\n"
    assert json.loads(command("discard", "all", "--json").stdout) == {"discarded": 1}
    assert command("replay", "1-1").exit_code == 1


def test_the_listener_ends_with_sigterm(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finishes what it has in hand; a second signal ends the process as usual."""
    begun = threading.Event()
    turn = Listener.turn

    def turn_once(listener: Listener, block_ms: int = 0) -> int:
        begun.set()
        return turn(listener, block_ms)

    monkeypatch.setattr(Listener, "turn", turn_once)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def kill() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    killer = threading.Thread(target=kill)
    try:
        killer.start()
        intake.listen(Output())
        after = signal.getsignal(signal.SIGTERM)
    finally:
        killer.join()
        for number, handler in before.items():
            signal.signal(number, handler)

    assert after is signal.SIG_DFL
    assert around.registry.listeners() != []
