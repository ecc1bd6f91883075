"""A worker tells each operation what it is part of."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestrator import StepContext
from orchestrator.engine.commit import Commit, Reply
from orchestrator.runtime.worker import MESSAGE_S
from orchestrator.store.memory import MemoryStore
from tests.unit.surroundings import Surroundings, made

pytestmark = pytest.mark.timeout(method="thread")


def test_an_operation_is_told_who_the_run_is_for_whatever_its_inputs_read() -> None:
    """Steps and undos have the run's ctx, and an idempotency key of their own, also if no expression names `ctx`."""
    told: list[tuple[str, Any, str]] = []

    def note(given: Any, context: StepContext) -> None:
        told.append((context.step, context.user, context.idempotency_key))

    def fail(given: Any) -> None:
        raise ValueError("no")

    around = Surroundings({"do.write": note, "undo.write": note})
    around.operations.register(made("do.fail", fail))
    around.publish(
        {"id": "a", "operation": "do.write", "compensation": "undo.write"},
        {"id": "b", "operation": "do.fail"},
    )
    run = around.start(ctx={"user_id": "u-1"})

    around.work(run, "a")
    around.work(run, "~")

    assert run.describe().compensation == "completed"
    assert told == [
        ("a", {"user_id": "u-1"}, f"{run.run_id}:a:1"),
        ("a~", {"user_id": "u-1"}, f"{run.run_id}:a~:1"),
    ]


def beside_each_other(around: Surroundings, width: int) -> None:
    """Publish a step, then so many branches of one step, then a step."""
    branches = {f"b{n}": [{"id": f"step-{n}", "operation": "do.write"}] for n in range(width)}
    around.publish(
        {"id": "first", "operation": "do.write"},
        {"id": "all", "parallel": {"branches": branches}},
        {"id": "last", "operation": "do.write"},
    )


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[Commit]:
    """Every commit that is applied to a store in memory."""
    noted: list[Commit] = []
    apply = MemoryStore.apply

    def note(store: MemoryStore, commit: Commit) -> Reply:
        noted.append(commit)
        return apply(store, commit)

    monkeypatch.setattr(MemoryStore, "apply", note)
    return noted


@pytest.fixture
def always_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No operation takes longer than a message costs, or than others wait for, however busy the machine is."""
    monkeypatch.setattr("orchestrator.runtime.worker.MESSAGE_S", 60.0)
    monkeypatch.setattr("orchestrator.runtime.backlog.PATIENCE_S", 60.0)


@pytest.mark.usefixtures("always_quick")
@pytest.mark.parametrize("width", [2, 9])
def test_branches_of_quick_operations_take_one_message_and_a_commit_each(commits: list[Commit], width: int) -> None:
    """A branch is settled, and the next one claimed, by one commit; around them it takes a fixed number."""
    around = Surroundings()
    beside_each_other(around, width)
    run = around.start()
    commits.clear()

    around.work(run, "first")

    assert run.describe().status == "completed"
    assert around.dispatcher.sent == [(run.run_id, "first")]
    assert len(commits) == width + len(["claim", "settle", "begin", "join", "settle the last"])


def test_branches_of_slow_operations_are_sent() -> None:
    """What took longer than a message costs is not kept waiting behind its like."""

    def take_long(_given: Any) -> None:
        until = time.perf_counter() + 2 * MESSAGE_S
        while time.perf_counter() < until:
            pass

    around = Surroundings({"do.write": take_long})
    beside_each_other(around, 2)
    run = around.start()

    around.work(run, "first")

    assert run.describe().status == "running"
    assert around.dispatcher.sent == [(run.run_id, "first"), (run.run_id, "all[b1]/step-1")]


@pytest.mark.usefixtures("always_quick")
def test_a_branch_that_another_worker_has_taken_is_left_to_it() -> None:
    """A claim that is refused in the commit of another branch's result does not undo that result."""
    worked: list[str] = []

    def meet(_given: Any, context: StepContext) -> None:
        worked.append(context.step)
        if context.step == "all[b0]/step-0":
            around.work(run, "all[b1]/step-1")

    around = Surroundings({"do.write": meet})
    beside_each_other(around, 3)
    run = around.start()

    around.work(run, "first")

    assert run.describe().status == "completed"
    assert sorted(worked) == ["all[b0]/step-0", "all[b1]/step-1", "all[b2]/step-2", "first", "last"]
