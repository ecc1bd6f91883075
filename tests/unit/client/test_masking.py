"""What leaves the client of a run with redacted values."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.receiving import Receiving
from orchestrator.client.redaction import MASK
from orchestrator.errors import InvalidInput, OperationError, RunFailed
from tests.unit.surroundings import Surroundings

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""

CARD = "4111-1111"
SCHEMA = {"type": "object", "properties": {"card": {"type": "string", "maxLength": 9}}}


def refuse(given: Any) -> Any:
    """Fail, and say too much."""
    raise OperationError("declined", f"card {given['card']} declined", details={"card": given["card"]}, retryable=False)


def started(behaviour: Any, **options: Any) -> tuple[Surroundings, RedisRunHandle]:
    """A run that was given a card, and has ended."""
    around = Surroundings({"do.write": behaviour})
    step = {"id": "a", "operation": "do.write", "inputs": "${input}"}
    around.publish(step, input=SCHEMA, redact=["input.card"], **options)
    run = around.start(input={"card": CARD})
    around.work(run, "a")
    around.work(run, "~")
    return around, run


def test_a_copy_is_hidden_in_outputs_and_results() -> None:
    """The step has returned its input; what is stored stays."""
    around, run = started(lambda given: {"used": given["card"]})

    shown = run.describe()

    assert (shown.input, shown.output, shown.steps[0].output) == ({"card": MASK}, {"used": MASK}, {"used": MASK})
    assert run.result(1) == {"used": MASK}
    assert CARD in (around.store.read(run.run_id, ("input",))[1]["input"] or "")


def test_a_failure_tells_no_secret() -> None:
    """Not in the error of the run, of the step, of the history, of lists, and not in what `result` raises."""
    around, run = started(refuse)

    with pytest.raises(RunFailed) as failed:
        run.result(1)
    told = [run.describe(), run.history(), list(run.follow()), around.client.search().runs, failed.value.as_dict()]

    assert CARD not in repr(told)
    assert f"card {MASK} declined" in repr(told[0])
    assert [len(one) for one in (told[1], told[3])] == [len(around.store.history(run.run_id)), 1]  # type: ignore[arg-type]


def test_what_a_step_waits_for_tells_no_secret() -> None:
    """Neither the value that it is correlated by, nor the near miss of an event."""
    around = Surroundings()
    correlation = {"event": "event.data.card", "value": "input.card"}
    around.publish({"id": "a", "event": {"type": "paid", "correlation": correlation}}, redact=["input.card"])
    run = around.start(input={"card": CARD})
    around.work(run, "a")
    event = {"id": "e", "type": "paid", "source": "/bank", "time": "t", "data": {"card": "other"}}
    Receiving(around.settings, around.store, around.client.catalogue, around.dispatcher).deliver(event, ["paid"])

    (step,) = run.describe().steps

    assert step.waits_for == {"event": "paid", "correlation": MASK}
    assert step.near_miss is not None
    assert (step.near_miss["wanted"], step.near_miss["found"]) == (MASK, "other")


def test_a_refused_input_is_not_quoted() -> None:
    """The problem says where it is."""
    around, _ = started(lambda given: given)

    with pytest.raises(InvalidInput) as refused:
        around.start(input={"card": "4111-1111-1111"})

    assert "4111" not in repr(refused.value.as_dict())
    assert refused.value.details["problems"][0]["path"] == "input.card"


def test_an_undo_preview_tells_no_secret() -> None:
    """Its inputs hold what the step was given."""
    around = Surroundings()
    step = {"id": "a", "operation": "do.write", "inputs": "${input}", "compensation": "undo.write"}
    around.publish(step, {"id": "b", "wait": "1h"}, redact=["**.card"])
    run = around.start(input={"card": CARD})
    around.work(run, "a")

    preview = run.undo_preview()

    assert [undo.address for undo in preview.undos] == ["a~"]
    assert CARD not in repr(preview)


def test_settings_redact_in_all_workflows() -> None:
    """Beside what a spec says."""
    around = Surroundings()
    around.publish({"id": "a", "operation": "do.write"})
    around.dispatcher.settings = around.settings.model_copy(update={"redact": ["**.password"]})

    run = around.start(input={"user": {"password": "xy", "name": "ada"}})

    assert run.describe().input == {"user": {"password": MASK, "name": "ada"}}
