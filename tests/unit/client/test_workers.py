"""Workers as the register and the notes tell of them, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.broker.control import DRAIN, RESUME, SHUT_DOWN, TELL
from orchestrator.broker.queues import Depth
from orchestrator.client.audit import Actor, Audit
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.shown_fleet import ActiveMessage, WorkerState
from orchestrator.errors import Conflict, InvalidRequest, OrchestratorError, PoolFixed, UnknownWorker, WorkerSilent
from orchestrator.spec.operations import Effect, OperationInfo
from orchestrator.store.access import MemoryAccess
from orchestrator.store.keys import WORKER_LIFETIME_MS
from orchestrator.store.registry import WorkerRecord
from orchestrator.store.watch import Held, MemoryWatch
from tests.unit.surroundings import WORKFLOW, Surroundings

WRITE = OperationInfo("do.write", "1.2.0", Effect.WRITE, idempotent=True).to_json()
WORKER = WorkerRecord("w@h", ("default",), (WRITE,), 7, "h", concurrency=2, pool="prefork", started_at=1_000)
ACTIVE = {"name": "test.flow@1.0.0/a", "run_id": "run-1", "step": "a", "since_ms": 2_000, "pid": 8}


class Told:
    """What workers were told."""

    def __init__(self) -> None:
        self.orders: list[tuple[Any, ...]] = []
        self.silent: set[str] = set()

    def order(self, _: object, worker: str, command: str, **arguments: Any) -> Any:
        """Note it."""
        if command in self.silent:
            raise WorkerSilent
        self.orders.append((worker, command, arguments))
        return {"of": command}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Workers that do what they are told."""
    told = Told()
    monkeypatch.setattr("orchestrator.client.workers.control.order", told.order)
    monkeypatch.setattr("orchestrator.client.queues.look", lambda _, names: dict.fromkeys(names, Depth(2)))
    return told


@pytest.fixture
def around() -> Surroundings:
    """A fleet of one worker."""
    around = Surroundings()
    around.client.watch = MemoryWatch(around.clock)
    around.client.audit = Audit(MemoryAccess(around.clock), Actor("ada"))
    around.registry.announce(WORKER)
    return around


def fleet(around: Surroundings) -> Fleet:
    """Its surface."""
    return around.client.fleet


def test_a_worker_is_told_of_with_what_it_holds(around: Surroundings) -> None:
    """What it said, and the leases that its processes renewed."""
    now_ms = around.clock.now_ms
    around.registry.announce(replace(WORKER, active=(ACTIVE,), vitals={"rss_bytes": 5, "load": 0.5}))
    around.client.watch.hold("w@h", 8, [Held("run-1", "test.flow", "b", now_ms, now_ms + 15_000, 8)])

    (shown,) = fleet(around).workers()

    assert (shown.state, shown.operations, shown.pool) == (WorkerState.ONLINE, ("do.write@1.2.0",), "prefork")
    assert shown.active == (ActiveMessage("test.flow@1.0.0/a", "run-1", "a", "1970-01-01T00:00:02.000Z", 8),)
    assert [(one.step, one.until) for one in shown.leases] == [("b", "2023-11-14T22:13:35.000Z")]
    assert (shown.rss_bytes, shown.cpu_percent, shown.load, shown.serves) == (5, None, 0.5, None)


def test_one_worker_says_which_versions_it_serves(around: Surroundings) -> None:
    """Those in use of which it has every operation."""
    around.publish()
    around.publish({"id": "a", "operation": "do.write", "compensation": "undo.write"}, key="test.undone")

    assert fleet(around).worker("w@h").serves == (f"{WORKFLOW}@1.0.0",)


def test_a_silent_worker_is_lost_and_may_be_forgotten(around: Surroundings, told: Told) -> None:
    """It holds nothing, takes no orders and consumes no queue; who lives is not forgotten."""
    around.publish()
    with pytest.raises(Conflict):
        fleet(around).forget("w@h")
    seen_at = fleet(around).worker("w@h").seen_at
    around.clock.move(WORKER_LIFETIME_MS)

    shown = fleet(around).worker("w@h")

    assert (shown.state, shown.lost_since, shown.leases) == (WorkerState.LOST, seen_at, ())
    with pytest.raises(WorkerSilent):
        fleet(around).drain("w@h")
    assert [one.workers for one in fleet(around).queues().queues] == [()]
    fleet(around).forget("w@h")
    assert (fleet(around).workers(), told.orders) == ([], [])


def test_a_name_that_nobody_bears_is_an_error(around: Surroundings, told: Told) -> None:
    """Which names what comes near."""
    with pytest.raises(UnknownWorker, match="did you mean w@h"):
        fleet(around).drain("w@")


@pytest.mark.parametrize(
    ("tell", "command", "arguments"),
    [
        (lambda fleet: fleet.grow("w@h", 2), "pool_grow", {"n": 2}),
        (lambda fleet: fleet.shrink("w@h"), "pool_shrink", {"n": 1}),
        (lambda fleet: fleet.add_consumer("w@h", "slow"), "add_consumer", {"queue": "slow"}),
        (lambda fleet: fleet.cancel_consumer("w@h", "default"), "cancel_consumer", {"queue": "default"}),
        (
            lambda fleet: fleet.limit_time("w@h", "own.task", soft_s=5),
            "time_limit",
            {"task_name": "own.task", "soft": 5, "hard": None},
        ),
        (
            lambda fleet: fleet.limit_rate("w@h", "own.task", "5/m"),
            "rate_limit",
            {"task_name": "own.task", "rate_limit": "5/m"},
        ),
    ],
)
def test_what_celery_does_is_told_to_the_register_at_once(
    around: Surroundings, told: Told, tell: Callable[[Fleet], None], command: str, arguments: dict[str, Any]
) -> None:
    """One command of Celery's, then one of ours; if that one gets lost, the register knows some seconds later."""
    tell(fleet(around))
    told.silent.add(TELL)
    tell(fleet(around))

    assert told.orders == [("w@h", command, arguments), ("w@h", TELL, {}), ("w@h", command, arguments)]


@pytest.mark.parametrize(
    ("verb", "command", "action"),
    [
        ("drain", DRAIN, "drain_worker"),
        ("resume", RESUME, "resume_worker"),
        ("shutdown", SHUT_DOWN, "shut_down_worker"),
    ],
)
def test_whoever_tells_a_worker_something_stands_in_the_audit_log(
    around: Surroundings, told: Told, verb: str, command: str, action: str
) -> None:
    """With the reason, and what came of it."""
    getattr(fleet(around), verb)("w@h", "a new kernel")
    told.silent.add(command)
    with pytest.raises(WorkerSilent):
        getattr(fleet(around), verb)("w@h")

    after, before = around.client.access.read(None, 10)
    assert told.orders == [("w@h", command, {})]
    assert (before.action, before.target, before.user, before.reason) == (action, "workers/w@h", "ada", "a new kernel")
    assert (before.outcome, after.outcome) == ("done", "worker_silent")


@pytest.mark.parametrize(
    ("tell", "error"),
    [
        (lambda fleet: fleet.grow("w@h", 0), InvalidRequest),
        (lambda fleet: fleet.shrink("w@h", 2), InvalidRequest),
        (lambda fleet: fleet.grow("s@h"), PoolFixed),
        (lambda fleet: fleet.shrink("s@h"), PoolFixed),
        (lambda fleet: fleet.add_consumer("w@h", " "), InvalidRequest),
        (lambda fleet: fleet.cancel_consumer("w@h", "other"), Conflict),
        (lambda fleet: fleet.limit_time("w@h", "orchestrator.step", hard_s=5), InvalidRequest),
        (lambda fleet: fleet.limit_time("w@h", "own.task", hard_s=0), InvalidRequest),
    ],
)
def test_what_cannot_be_is_told_to_no_worker(
    around: Surroundings, told: Told, tell: Callable[[Fleet], None], error: type[OrchestratorError]
) -> None:
    """The error says why, and the audit log has it."""
    around.registry.announce(replace(WORKER, name="s@h", pool="solo"))

    with pytest.raises(error):
        tell(fleet(around))

    (entry,) = around.client.access.read(None, 10)
    assert told.orders == []
    assert entry.outcome == error.code


def test_a_worker_is_asked_for_all_that_celery_knows(around: Surroundings, told: Told) -> None:
    """But not for its settings: there are passwords in them."""
    found = fleet(around).inspect("w@h")

    assert found["stats"] == {"of": "stats"}
    assert "conf" not in found


def test_queues_are_told_of_with_who_takes_and_who_sends(around: Surroundings, told: Told) -> None:
    """And how much workers hold of each."""
    around.publish({"id": "a", "operation": "do.write", "queue": "nobodys"})
    around.registry.announce(replace(WORKER, unacknowledged={"default": 3}))

    found = fleet(around).queues()

    told_of = [(one.name, one.waiting, one.unacknowledged, one.workers, one.workflows) for one in found.queues]
    assert told_of == [("default", 2, 3, ("w@h",), ()), ("nobodys", 2, 0, (), (f"{WORKFLOW}@1.0.0",))]
    assert found.dead == {"events": 0}
