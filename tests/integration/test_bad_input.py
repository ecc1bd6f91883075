"""What is refused is refused with a code, and leaves nothing behind."""

from typing import Any

import pytest
import redis

from orchestrator import Start
from orchestrator.errors import (
    InvalidInput,
    InvalidRequest,
    OrchestratorError,
    PayloadTooLarge,
    RunConflict,
    RunOver,
    UnknownRun,
    UnknownWorkflow,
)
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended

pytestmark = pytest.mark.integration

PAYMENT = {"amount": 1250, "payment_method_id": "pm_ok"}


def stored(system: System) -> dict[str, bytes | None]:
    """Everything that Redis holds for a system, as state and as broker, but for the log of who tried what."""
    with redis.Redis.from_url(system.server.url()) as state:
        names = {name.decode() for name in state.scan_iter(f"{system.client.settings.namespace}:*")}
        ours = {name: state.dump(name) for name in names if ":audit" not in name}
    return ours | {name.decode(): system.broker.dump(name) for name in system.broker.scan_iter()}


@pytest.mark.parametrize(
    ("start", "error", "code"),
    [
        ({"workflow": "no.such"}, UnknownWorkflow, "unknown_workflow"),
        ({"version": "9.9.9"}, UnknownWorkflow, "unknown_workflow"),
        ({"input": {"amount": 1250}}, InvalidInput, "invalid_input"),
        ({"input": {**PAYMENT, "amount": "much"}}, InvalidInput, "invalid_input"),
        ({"input": ["a list"]}, InvalidInput, "invalid_input"),
        ({"input": {**PAYMENT, "note": object()}}, InvalidInput, "invalid_input"),
        ({"input": {**PAYMENT, "note": float("nan")}}, InvalidInput, "invalid_input"),
        ({"input": {**PAYMENT, "note": "\ud800"}}, InvalidInput, "invalid_input"),
        ({"input": {**PAYMENT, "note": "x" * 262_144}}, PayloadTooLarge, "payload_too_large"),
        ({"ctx": {"note": "x" * 262_144}}, PayloadTooLarge, "payload_too_large"),
        ({"run_id": "not an id"}, InvalidRequest, "invalid_request"),
        ({"run_id": "a", "idempotency_key": "b"}, InvalidRequest, "invalid_request"),
    ],
)
def test_a_start_that_is_refused_stores_nothing(
    make_system: MakeSystem, start: dict[str, Any], error: type[OrchestratorError], code: str
) -> None:
    """Neither run, nor index, nor message: Redis is as it was."""
    system = make_system()
    system.publish()
    before = stored(system)

    with pytest.raises(error) as refused:
        system.client.start(**{"workflow": "payment.flow", "input": PAYMENT, **start})

    assert refused.value.code == code
    assert stored(system) == before
    assert [entry.outcome for entry in system.client.access.read(None, 1, "start")] == [code]


def test_one_bad_input_refuses_all_of_start_many(make_system: MakeSystem) -> None:
    """Inputs are checked before the first run is started."""
    system = make_system()
    system.publish()
    before = stored(system)

    with pytest.raises(InvalidInput):
        system.client.start_many([Start("payment.flow", PAYMENT), Start("payment.flow", {})])

    assert stored(system) == before


@pytest.mark.parametrize("other", [{"amount": 1}, {"workflow": "examples.sequence", "input": {"name": "Ada"}}])
def test_a_run_id_belongs_to_one_start(make_system: MakeSystem, other: dict[str, Any]) -> None:
    """The same id with another input or workflow is a conflict; the run stays as it is."""
    system = make_system()
    system.publish()
    system.client.start("payment.flow", PAYMENT, run_id="order-1")
    before = stored(system)
    given = {"workflow": "payment.flow", "input": {**PAYMENT, **other}} if "workflow" not in other else other

    with pytest.raises(RunConflict) as refused:
        system.client.start(run_id="order-1", **given)

    assert refused.value.code == "run_conflict"
    assert stored(system) == before


def test_a_run_that_is_not_there_is_unknown(make_system: MakeSystem) -> None:
    """Whatever is asked of it; asking does not make it."""
    system = make_system()
    system.publish()
    run = system.pay("pm_ok")
    before = stored(system)
    absent = type(run)("absent", run.store, run.versions, run.dispatcher)

    for ask in (lambda: system.client.get("absent"), absent.status, absent.describe, absent.cancel, absent.result):
        with pytest.raises(UnknownRun) as refused:
            ask()
        assert refused.value.code == "unknown_run"

    assert stored(system) == before


def test_a_run_that_is_over_cannot_be_cancelled(system: System) -> None:
    """It stays as it ended."""
    run = system.pay("pm_ok")
    shown, told = ended(run), run.history()

    with pytest.raises(RunOver) as refused:
        run.cancel()

    assert refused.value.code == "run_over"
    assert (run.describe(), run.history()) == (shown, told)
