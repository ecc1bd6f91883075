import json
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, Field, ValidationError

from orchestrator.errors import UnknownOperation
from orchestrator.spec import operations
from orchestrator.spec.operations import (
    Effect,
    Operation,
    OperationInfo,
    OperationRegistry,
    StepContext,
    load_operations,
    operation,
    parse_reference,
)


class Charge(BaseModel):
    """An input with an alias and a type that JSON does not have."""

    amount: Decimal
    method_id: str = Field(alias="methodId")


class Receipt(BaseModel):
    """An output with an alias."""

    charge_id: str = Field(alias="chargeId")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> OperationRegistry:
    """A register of the test's own, in place of the process's."""
    fresh = OperationRegistry()
    monkeypatch.setattr(operations, "OPERATIONS", fresh)
    return fresh


def charge(payment: Charge, context: StepContext) -> Receipt:
    """Give a receipt that shows what came in."""
    return Receipt(chargeId=f"{payment.method_id}:{context.attempt}")


def declare(function: Any = charge, key: str = "payments.charge", **said: Any) -> Operation:
    """An operation that is declared well, but for what is said otherwise."""
    return operation(key, **{"version": "1.2.0", "effect": "write", "idempotent": True, **said})(function)


def test_an_operation_is_still_its_function() -> None:
    """Declared code can be called and tested as if it were not."""
    made = declare(errors=["declined"], queue="payments", timeout="30s")

    assert made(Charge(amount=Decimal(1), methodId="m"), StepContext("run", "step")).charge_id == "m:1"
    assert (made.reference, made.effect, made.timeout) == ("payments.charge@1", Effect.WRITE, timedelta(seconds=30))
    assert (made.takes_context, made.is_async, made.input_type, made.output_type) == (True, False, Charge, Receipt)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"key": "charge"}, "at least one dot"),
        ({"key": "payments."}, "at least one dot"),
        ({"version": "1.2"}, "is not a version"),
        ({"effect": "some"}, "none, write, irreversible"),
        ({"idempotent": None}, "must say whether it is idempotent"),
        ({"errors": "declined"}, "list of codes"),
        ({"timeout": 0}, "no time to run"),
        ({"timeout": "soon"}, "not a duration"),
        ({"function": lambda: None}, "takes its input"),
        ({"function": lambda a, b, c: None}, "takes its input"),
        ({"function": lambda a, *, b: None}, "takes its input"),
    ],
)
def test_a_declaration_that_cannot_be_right_is_refused(said: dict[str, Any], says: str) -> None:
    """It is refused where it is written, with what to write instead."""
    with pytest.raises(ValueError, match=says):
        declare(**said)


def test_an_operation_without_effect_is_idempotent() -> None:
    """What changes nothing may always be executed again."""
    assert declare(effect=Effect.NONE, idempotent=None).idempotent


def test_input_and_output_pass_the_declared_types_by_alias() -> None:
    """JSON comes in as the model and goes out as JSON; a mapping may name fields by alias or by name."""
    made = declare()

    assert made.validate_input({"amount": "1.50", "methodId": "m"}).amount == Decimal("1.50")
    for given in (Receipt(chargeId="c"), {"chargeId": "c"}, {"charge_id": "c"}):
        assert json.loads(made.serialize_output(given)) == {"chargeId": "c"}


def test_what_does_not_fit_the_declared_types_is_refused() -> None:
    """Input and output alike, with pydantic's error for the caller to wrap."""
    made = declare()

    with pytest.raises(ValidationError):
        made.validate_input({"amount": 1})
    with pytest.raises(ValidationError):
        made.serialize_output({"charge": 1})


def test_what_json_does_not_have_is_refused_as_output() -> None:
    """Also where no type was declared."""
    with pytest.raises(ValueError, match="serialize"):
        declare(lambda given: given).serialize_output(object())


def test_an_operation_without_annotations_takes_and_gives_any_json() -> None:
    """Nothing is checked, and there is no schema to show."""
    made = declare(lambda given: given)

    assert made.validate_input({"a": 1}) == {"a": 1}
    assert made.serialize_output([None, "é"]) == '[null,"é"]'
    assert (made.input_schema(), made.output_schema(), made.takes_context) == (None, None, False)


def test_a_coroutine_function_is_seen_as_one() -> None:
    """The runtime must know whether to await."""

    async def fetch(url: str) -> str:
        return url

    assert declare(fetch).is_async


def test_a_description_survives_json() -> None:
    """What is stored with a version is what the worker declared, schemas by alias included."""
    described = declare(errors=["declined"], timeout="1m").describe()

    assert OperationInfo.from_json(json.loads(json.dumps(described.to_json()))) == described
    assert OperationInfo.from_json({**described.to_json(), "added_later": 1}) == described
    assert described.timeout_ms == 60_000
    assert described.input_schema is not None
    assert set(described.input_schema["properties"]) == {"amount", "methodId"}


def test_a_key_means_its_highest_major(registry: OperationRegistry) -> None:
    """Majors live side by side, whichever was registered first."""
    second = declare(version="2.0.0")
    first = declare(version="1.9.0")

    assert registry.get("payments.charge") is second
    assert registry.get("payments.charge@1") is first
    assert [info.reference for info in registry.infos()] == ["payments.charge@1", "payments.charge@2"]


@pytest.mark.parametrize(
    ("asked", "near"), [("payments.chrage", "payments.charge"), ("payments.charge@3", "payments.charge@1")]
)
def test_an_unknown_operation_names_what_is_like_it(registry: OperationRegistry, asked: str, near: str) -> None:
    """A slip of the pen is answered with the name that was meant."""
    declare()

    with pytest.raises(UnknownOperation, match=f"did you mean .*{near}"):
        registry.get(asked)


def test_a_function_may_be_registered_again_but_not_ousted(registry: OperationRegistry) -> None:
    """A reloaded module replaces its own operations; another function under the same name is an error."""
    declare()
    again = declare(version="1.3.0")

    assert registry.get("payments.charge@1") is again
    assert registry.get("payments.charge") is again
    with pytest.raises(ValueError, match="already registered by"):
        declare(lambda given: given)


def test_loading_modules_registers_what_they_declare(
    registry: OperationRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing is enough."""
    (tmp_path / "shop_operations.py").write_text(
        "from orchestrator.spec.operations import operation\n"
        "@operation('shop.price', version='1.0.0', effect='none')\n"
        "def price(given): return 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    load_operations(["shop_operations"])

    assert "shop.price@1" in registry
    sys.modules.pop("shop_operations")


@pytest.mark.parametrize("reference", ["charge", "a.b@", "a.b@1.0.0", "a..b", "a.b@x", ""])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    """A reference is a key, or a key and a major version."""
    assert parse_reference("a.b-c@12") == ("a.b-c", 12)
    assert parse_reference("a.b") == ("a.b", None)
    with pytest.raises(ValueError, match="not an operation reference"):
        parse_reference(reference)


def test_a_context_passes_heartbeats_on_and_sees_cancellation() -> None:
    """The runtime gives both; an operation only sees their meaning."""
    beats: list[Any] = []
    cancelled = False
    context = StepContext("run", "step", on_heartbeat=beats.append, is_cancelled=lambda: cancelled)

    context.heartbeat({"done": 3})

    assert beats == [{"done": 3}]
    assert not context.cancelled
    cancelled = True
    assert context.cancelled


def test_a_context_makes_its_logger_once_and_only_when_asked() -> None:
    """Steps that log nothing pay nothing."""
    loggers = iter(["first", "second"])
    context = StepContext("run", "step", make_log=lambda _: next(loggers))

    assert context._log is None
    assert (context.log, context.log) == ("first", "first")


def test_a_context_of_an_operations_own_test_is_harmless() -> None:
    """Without a runtime it beats silently, is never cancelled, and logs with what it knows bound."""
    context = StepContext("run-1", "charge", attempt=2)

    context.heartbeat()

    assert not context.cancelled
    assert structlog.get_context(context.log)["run_id"] == "run-1"
