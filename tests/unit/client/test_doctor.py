"""The doctor names what stands in the way of runs, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import pytest

from orchestrator.client import doctor
from orchestrator.client.doctor import check_alerts, check_beats, check_clock, check_ledger, check_server, check_workers
from orchestrator.client.shown import Finding, Level
from orchestrator.errors import Unreachable
from orchestrator.spec.operations import Effect, OperationInfo
from orchestrator.store.events import Burial, Miss
from orchestrator.store.port import Server
from orchestrator.store.registry import WorkerRecord
from tests.unit.surroundings import Surroundings, made

WELL = Server("redis", (7, 2, 4), eviction="noeviction", persists=True)


@pytest.fixture
def waiting() -> dict[str, int]:
    """What waits in queues; none in those that are not named."""
    return {}


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch, waiting: dict[str, int]) -> Surroundings:
    """A system in which nothing is wrong."""
    around = Surroundings()
    monkeypatch.setattr(doctor, "wall_ms", around.clock)
    monkeypatch.setattr(doctor, "depths", lambda _, names: {name: waiting.get(name, 0) for name in names})
    monkeypatch.setattr(around.store, "server", lambda: WELL)
    infos = tuple(
        OperationInfo(key, "1.0.0", Effect.WRITE, idempotent=True).to_json() for key in ("do.write", "undo.write")
    )
    around.registry.announce(WorkerRecord("worker", ("default",), infos, pid=7, host="host"))
    around.registry.announce(WorkerRecord("beat", (), (), pid=8, host="host", role="beat"))
    around.registry.leadership.lead("beat", 20_000)
    around.publish()
    return around


def wrong(around: Surroundings) -> dict[str, Finding]:
    """What is not well, by its code."""
    return {one.code: one for one in around.client.doctor() if one.level is not Level.OK}


def levels(found: Any) -> dict[str, Level]:
    """The findings' levels by their codes."""
    return {one.code: one.level for one in found}


def test_a_system_that_is_well_has_no_findings_but_good_ones(around: Surroundings) -> None:
    """Each tells what was looked at, and has nothing to advise."""
    around.start()

    found = around.client.doctor()

    assert {one.level for one in found} == {Level.OK}
    assert {one.advice for one in found} == {""}
    assert {"redis", "eviction", "clock", "beat", "workers", "operations", "queues", "ledger", "broker"} <= {
        one.code for one in found
    }


@pytest.mark.parametrize(
    ("server", "code", "level"),
    [
        (replace(WELL, version=(6, 0, 16)), "redis_too_old", Level.ERROR),
        (replace(WELL, eviction="allkeys-lru"), "evicting", Level.ERROR),
        (replace(WELL, eviction="volatile-ttl"), "evicting", Level.ERROR),
        (replace(WELL, persists=False), "no_append_only_file", Level.WARNING),
    ],
)
def test_a_server_that_may_lose_runs_is_named(server: Server, code: str, level: Level) -> None:
    """With what to set."""
    found = {one.code: one for one in check_server(server)}

    assert found[code].level is level
    assert found[code].advice


@pytest.mark.parametrize("server", [replace(WELL, version=(6, 2)), replace(WELL, name="valkey", version=(7, 2, 5))])
def test_a_server_that_is_new_enough_is_well(server: Server) -> None:
    """Redis 6.2, and every Valkey."""
    assert set(levels(check_server(server)).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("skew_ms", "code"), [(0, "clock"), (-2_000, "clock"), (2_001, "clock_skew"), (-9_000, "clock_skew")]
)
def test_a_clock_that_is_off_is_a_warning(skew_ms: int, code: str) -> None:
    """Runs go by the server's."""
    assert [one.code for one in check_clock(skew_ms)] == [code]


def test_without_a_beat_or_a_worker_nothing_moves() -> None:
    """Both are errors."""
    assert levels([*check_beats([]), *check_workers([])]) == {"no_beat": Level.ERROR, "no_workers": Level.ERROR}


def test_beats_of_which_none_leads_are_a_warning(around: Surroundings) -> None:
    """Schedules wait meanwhile; the one that leads is named."""
    assert "beat leads: it fires the schedules" in {one.message for one in around.client.doctor()}

    around.registry.leadership.resign("beat")

    assert wrong(around)["no_leader"].level is Level.WARNING


def test_a_beat_that_is_silent_for_20_s_is_missed(around: Surroundings) -> None:
    """As is a worker."""
    around.clock.move(20_000)

    assert {"no_beat", "no_workers"} <= set(wrong(around))


@pytest.mark.parametrize(("live", "level"), [(False, Level.WARNING), (True, Level.ERROR)])
def test_an_operation_that_nobody_has_is_named(around: Surroundings, live: bool, level: Level) -> None:
    """As a warning, until live runs call it; so are undos."""
    around.operations.register(made("do.rare", lambda given: given))
    around.publish({"id": "a", "operation": "do.write", "compensation": "do.rare"}, version="2.0.0")
    if live:
        around.start()

    finding = wrong(around)["operation_not_served"]

    assert finding.level is level
    assert "'do.rare@1'" in finding.message
    assert "test.flow@2.0.0" in finding.message


def test_another_major_version_of_an_operation_does_not_do(around: Surroundings) -> None:
    """A plan names the one that it was published with."""
    info = OperationInfo("do.write", "2.0.0", Effect.WRITE, idempotent=True).to_json()
    around.registry.announce(WorkerRecord("worker", ("default",), (info,), pid=7, host="host"))

    assert "'do.write@1'" in wrong(around)["operation_not_served"].message


@pytest.mark.parametrize(
    ("live", "count", "level"), [(False, 0, Level.WARNING), (True, 0, Level.ERROR), (False, 3, Level.ERROR)]
)
def test_a_queue_that_nobody_takes_from_is_named(
    around: Surroundings, waiting: dict[str, int], live: bool, count: int, level: Level
) -> None:
    """As an error if messages wait in it or live runs use it."""
    around.publish({"id": "a", "operation": "do.write", "queue": "lonely"}, version="2.0.0")
    waiting["lonely"] = count
    if live:
        around.start()

    finding = wrong(around)["queue_without_worker"]

    assert finding.level is level
    assert "'lonely'" in finding.message
    assert "-Q lonely" in finding.advice


def test_a_live_run_without_an_entry_is_named(around: Surroundings) -> None:
    """There should be none; one that is over has none and is well."""
    run, other = around.start(), around.start()
    around.work(other, "a")
    for state in (around.store._state.shards, around.store._state.ledgers):
        for held in (*state.values(), state):
            held.pop(run.run_id, None)

    finding = wrong(around)["runs_without_entry"]

    assert finding.level is Level.ERROR
    assert run.run_id in finding.message
    assert other.run_id not in finding.message


def test_a_run_that_ends_meanwhile_is_not_missed(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index read a moment ago named it as going on."""
    run = around.start()
    listed = around.store.newest("status:running", None, 10)
    around.work(run, "a")
    monkeypatch.setattr(around.store, "newest", lambda *_: listed)

    assert doctor.unwatched(around.store) == []


def test_of_many_runs_without_an_entry_a_few_are_named() -> None:
    """And the others are counted."""
    (finding,) = check_ledger([f"run-{n}" for n in range(8)])

    assert finding.message.endswith("run-4 and 3 more")


def test_a_redis_that_does_not_answer_is_all_that_is_found(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is kept in it; the broker is looked at all the same."""
    monkeypatch.setattr(around.store, "server", refuse)

    assert levels(around.client.doctor()) == {"redis_unreachable": Level.ERROR, "broker": Level.OK}


def test_a_broker_that_does_not_answer_is_named(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in it is not known then."""
    monkeypatch.setattr(doctor, "depths", refuse)

    assert {code: one.level for code, one in wrong(around).items()} == {"broker_unreachable": Level.ERROR}


def refuse(*_: object) -> NoReturn:
    """Not be there."""
    raise Unreachable("nobody answers")


TRIGGER = {"event": {"name": "placed", "type": "order.created"}}
WAIT = {"id": "paid", "event": {"type": "order.paid"}}


def test_a_trigger_without_a_listener_is_found(around: Surroundings) -> None:
    """New runs would not start; once one announces itself, all is well."""
    around.publish(version="1.1.0", triggers=[TRIGGER])
    assert wrong(around)["no_listener"].level is Level.WARNING

    around.registry.announce(WorkerRecord("listener", (), (), pid=9, host="host", role="listener"))

    assert wrong(around) == {}


def test_a_run_that_waits_for_an_event_without_a_listener_gets_stuck(around: Surroundings) -> None:
    """One that waits for a signal does not."""
    around.publish({"id": "go", "event": {"signal": "go"}}, version="1.1.0")
    around.start(version="1.1.0")
    assert "no_listener" not in wrong(around)
    around.publish(WAIT, version="1.2.0")
    around.start(version="1.2.0")

    assert wrong(around)["no_listener"].level is Level.ERROR


def test_events_that_were_given_up_are_told(around: Surroundings) -> None:
    """And filters that had no answer, each with the last event."""
    around.events.bury([Burial("1-0", "nonsense", "no JSON")])
    around.events.miss(Miss("test.flow/placed", "2-0", "there is no 'total'"))

    found = wrong(around)

    assert {"dead_events", "filter_without_answer"} == set(found)
    assert "2-0: there is no 'total'" in found["filter_without_answer"].message


@pytest.mark.parametrize(
    ("channels", "dead", "listens", "codes"),
    [
        ((), 0, False, ["alerts"]),
        (("ops",), 0, True, ["alerts"]),
        (("ops",), 0, False, ["alerts_not_sent"]),
        (("ops",), 2, True, ["dead_alerts"]),
    ],
)
def test_alerts_that_reach_nobody_are_found(
    channels: tuple[str, ...], dead: int, listens: bool, codes: list[str]
) -> None:
    """Whether nobody sends them, or nobody takes them."""
    listeners = [WorkerRecord("l", (), (), 1, "h", role="listener")] if listens else []

    assert [one.code for one in check_alerts(channels, dead, listeners)] == codes
