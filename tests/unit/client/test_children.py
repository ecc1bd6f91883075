from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.children import prepare, wake_kin
from orchestrator.engine.effects import PrepareChild, PreparedChild, Wake
from orchestrator.engine.outcome import Failure
from tests.unit.surroundings import WORKFLOW, Surroundings

SCHEMA = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"type": "integer"}, "currency": {"type": "string", "default": "EUR"}},
}


@pytest.fixture
def around() -> Surroundings:
    """Two versions of a workflow that wants an amount."""
    around = Surroundings()
    for version in ("1.0.0", "1.1.0"):
        around.publish(version=version, input=SCHEMA)
    return around


def prepared(around: Surroundings, version: str, inputs: Any, *, key: str = WORKFLOW) -> PreparedChild | Failure:
    """What becomes of a child that a step wants."""
    return prepare(around.client.catalogue, 200, PrepareChild(key, version, inputs, {"user_id": "u"}, "run/a:1"))


@pytest.mark.parametrize(("version", "found"), [("1.0.0", "1.0.0"), ("^1.0.0", "1.1.0"), ("latest", "1.1.0")])
def test_a_child_takes_the_version_that_is_asked_for_when_it_starts(
    around: Surroundings, version: str, found: str
) -> None:
    """As any start does; with the schema's defaults in its input."""
    child = prepared(around, version, {"amount": 1})

    assert isinstance(child, PreparedChild)
    assert child.plan.version == found
    assert (child.input, child.ctx) == ('{"amount":1,"currency":"EUR"}', '{"user_id":"u"}')


def test_a_split_of_traffic_holds_for_children(around: Surroundings) -> None:
    """They are new runs like others."""
    around.client.traffic(WORKFLOW, {"1.0.0": 100})

    child = prepared(around, "latest", {"amount": 1})

    assert isinstance(child, PreparedChild)
    assert child.plan.version == "1.0.0"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"version": "latest", "inputs": {"amount": "much"}}, "invalid_input"),
        ({"version": "latest", "inputs": ["amount"]}, "invalid_input"),
        ({"version": "latest", "inputs": {"amount": 1, "note": "x" * 300}}, "payload_too_large"),
        ({"version": "9.9.9", "inputs": {"amount": 1}}, "unknown_workflow"),
        ({"version": "^9.0.0", "inputs": {"amount": 1}}, "unknown_workflow"),
        ({"version": "latest", "inputs": {}, "key": "no.such"}, "unknown_workflow"),
    ],
)
def test_what_cannot_be_started_is_a_failure_of_the_step(
    around: Surroundings, wanted: dict[str, Any], code: str
) -> None:
    """Whose message names the workflow."""
    failure = prepared(around, **wanted)

    assert isinstance(failure, Failure)
    assert failure.code == code
    assert str(wanted.get("key", WORKFLOW)) in failure.message


def test_kin_is_woken_at_each_address_if_it_is_there(around: Surroundings) -> None:
    """A broker that is away is no error: the ledger sends."""
    run = around.start(input={"amount": 1})
    client, sent = around.client, around.dispatcher.sent
    sent.clear()

    wake_kin(client.store, client.catalogue, around.dispatcher, Wake(run.run_id, ("a", "~")))
    wake_kin(client.store, client.catalogue, around.dispatcher, Wake("nobody", ("a",)))
    around.dispatcher.away = True
    wake_kin(client.store, client.catalogue, around.dispatcher, Wake(run.run_id, ("a",)))

    assert sent == [(run.run_id, "a"), (run.run_id, "~")]
