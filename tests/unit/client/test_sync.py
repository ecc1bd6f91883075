"""Starting runs and finding them again, without a server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field

from orchestrator.client.run_surface import Start
from orchestrator.client.starting import RUN_ID
from orchestrator.engine import fields
from orchestrator.engine.state import RunStatus
from orchestrator.errors import InvalidInput, InvalidRequest, RunConflict, UnknownRun, UnknownWorkflow
from tests.unit.surroundings import WORKFLOW, Surroundings


@pytest.fixture
def around() -> Surroundings:
    """The workflow of one step is published."""
    around = Surroundings()
    around.publish(input={"type": "object", "properties": {"n": {"type": "integer", "default": 1}}})
    return around


def deadline_ms(around: Surroundings, run_id: str) -> int | None:
    """How long a run may take, from now."""
    _, values = around.store.read(run_id, (fields.RUN_DEADLINE,))
    text = values[fields.RUN_DEADLINE]
    return None if text is None else int(text) - around.clock()


def test_a_start_stores_the_run_and_sends_its_first_step(around: Surroundings) -> None:
    """Pinned to a version, with its input as checked."""
    run = around.start()

    shown = run.describe()
    assert (shown.workflow, shown.version, shown.input) == (WORKFLOW, "1.0.0", {"n": 1})
    assert run.status() is RunStatus.RUNNING
    assert around.dispatcher.sent == [(run.run_id, "a")]


def test_each_start_without_an_id_is_a_run_of_its_own(around: Surroundings) -> None:
    """Its id is one that a starter might give."""
    first, second = around.start().run_id, around.start().run_id

    assert first != second
    assert RUN_ID.fullmatch(first)


@pytest.mark.parametrize("run_id", ["a", "order-7", "A.b_c:9", "x" * 200])
def test_a_run_id_may_be_chosen(around: Surroundings, run_id: str) -> None:
    """It is the handle's."""
    assert around.start(run_id=run_id).run_id == run_id
    assert around.client.get(run_id).status() is RunStatus.RUNNING


@pytest.mark.parametrize("run_id", ["", "a/b", "a b", "é", "a\n", "{a}", "x" * 201])
def test_a_run_id_that_could_break_a_key_is_refused(around: Surroundings, run_id: str) -> None:
    """`/` separates children, braces are a cluster's."""
    with pytest.raises(InvalidRequest, match="a run id has"):
        around.start(run_id=run_id)

    assert around.client.runs() == []


def test_an_idempotency_key_derives_one_id_a_workflow(around: Surroundings) -> None:
    """The same key finds the same run; another key starts another."""
    first = around.start(idempotency_key="order 7/€").run_id
    again = around.start(idempotency_key="order 7/€").run_id
    other = around.start(idempotency_key="order 8").run_id

    assert first == again != other
    assert RUN_ID.fullmatch(first)


def test_an_id_and_a_key_together_are_refused(around: Surroundings) -> None:
    """Only one of them could be meant."""
    with pytest.raises(InvalidRequest, match="not both"):
        around.start(run_id="a", idempotency_key="b")


def test_a_start_that_is_repeated_sends_nothing_again(around: Surroundings) -> None:
    """It is the existing run, with one event and one message."""
    run, again = (around.start(run_id="once", input={"n": 2}) for _ in range(2))

    assert run == again
    assert around.types(run).count("run_started") == 1
    assert around.dispatcher.sent == [("once", "a")]


def test_the_same_id_for_another_input_is_a_conflict(around: Surroundings) -> None:
    """The first start stands."""
    run = around.start(run_id="once", input={"n": 2})

    with pytest.raises(RunConflict) as raised:
        around.start(run_id="once", input={"n": 3})

    assert raised.value.details == {"run_id": "once"}
    assert run.describe().input == {"n": 2}


def test_an_accepted_run_survives_a_broker_that_is_away(around: Surroundings) -> None:
    """The ledger holds its first step, so a sweeper will send it."""
    around.dispatcher.away = True

    run = around.start()

    assert run.status() is RunStatus.RUNNING
    assert around.store.entries(run.run_id)["a"] <= around.clock() + around.settings.resend_ms


def test_many_starts_are_all_checked_before_the_first(around: Surroundings) -> None:
    """One that is refused leaves no run behind."""
    with pytest.raises(InvalidInput):
        around.client.start_many([Start(WORKFLOW, {"n": 1}), Start(WORKFLOW, {"n": "one"})])

    assert around.client.runs() == []


def test_many_starts_give_their_handles_in_order(around: Surroundings) -> None:
    """Those that existed among them."""
    around.start(run_id="b")

    runs = around.client.start_many([Start(WORKFLOW, run_id=run_id) for run_id in ("c", "b", "a")])

    assert [run.run_id for run in runs] == ["c", "b", "a"]
    assert around.dispatcher.sent == [("b", "a"), ("c", "a"), ("a", "a")]


@pytest.mark.parametrize("timeout", ["2s", 2_000, timedelta(seconds=2)])
def test_a_starter_may_shorten_a_runs_time(around: Surroundings, timeout: Any) -> None:
    """A duration as in specs."""
    assert deadline_ms(around, around.start(timeout=timeout).run_id) == 2_000
    assert deadline_ms(around, around.start().run_id) is None


def test_a_starters_timeout_is_never_longer_than_the_workflows() -> None:
    """The earlier of the two."""
    around = Surroundings()
    around.publish(timeout="10s")

    assert deadline_ms(around, around.start(timeout="1m").run_id) == 10_000
    assert deadline_ms(around, around.start(timeout="1s").run_id) == 1_000


def test_a_timeout_that_is_none_is_refused(around: Surroundings) -> None:
    """Before a run is stored."""
    with pytest.raises(InvalidRequest, match="the timeout"):
        around.start(timeout="soon")

    assert around.client.runs() == []


def test_a_model_is_an_input(around: Surroundings) -> None:
    """By its aliases, as a schema names them."""

    class Given(BaseModel):
        number: int = Field(alias="n")

    assert around.start(input=Given(n=5)).describe().input == {"n": 5}


def test_who_and_what_is_unknown_is_an_error(around: Surroundings) -> None:
    """A run that nobody started, a workflow that nobody published, a status that there is not."""
    with pytest.raises(UnknownRun, match="no-run"):
        around.client.get("no-run")
    with pytest.raises(UnknownWorkflow):
        around.client.start("no.such")
    with pytest.raises(InvalidRequest, match="'sleeping'"):
        around.client.runs(status="sleeping")


def test_runs_are_listed_newest_first(around: Surroundings) -> None:
    """Over all shards, by workflow and by status, and no more than asked for."""
    for run_id in ("first", "second", "third"):
        around.start(run_id=run_id)
        around.clock.move(10)
    around.work(around.client.get("second"), "a")

    def ids(**which: Any) -> list[str]:
        return [run.run_id for run in around.client.runs(**which)]

    assert ids() == ["third", "second", "first"]
    assert ids(limit=2) == ["third", "second"]
    assert ids(status="completed") == ["second"]
    assert ids(workflow=WORKFLOW, status="running") == ["third", "first"]
    assert ids(workflow="no.such") == []
