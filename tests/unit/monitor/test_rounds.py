"""What no run's history tells, and is looked for."""

from __future__ import annotations

from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.monitor.rounds import Rounds
from orchestrator.store.alerts import AlertRecord
from orchestrator.store.events import Burial
from orchestrator.store.registry import WorkerRecord
from tests.unit.surroundings import Surroundings


def raised(around: Surroundings) -> list[AlertRecord]:
    """All alerts."""
    return around.alerts.page(None, None, 100)


def test_events_given_up_are_an_alert_a_trigger() -> None:
    """It counts each once, whoever looks. Why is left out: it may quote the event."""
    around = Surroundings()
    rounds = Rounds(around.client)
    around.events.bury([Burial("1-0", "{}", "ada@example.com", 1, "test.flow/placed"), Burial("1-1", "{}", "x")])
    around.events.bury([Burial("1-2", "{}", "x", 1, "test.flow/placed")])

    rounds.turn()
    rounds.turn()

    found = {one.title: (one.kind, one.workflow, one.count) for one in raised(around)}
    assert found == {
        "test.flow: event given up": ("dead_event", "test.flow", 2),
        "events: event given up": ("dead_event", "", 1),
    }
    assert "ada@" not in repr(raised(around))


def test_one_process_makes_the_rounds() -> None:
    """Another does when that one is gone."""
    around = Surroundings()
    first, heir = Rounds(around.client), Rounds(around.client)
    first.turn()
    around.events.bury([Burial("1-0", "{}", "x")])

    heir.turn()
    assert raised(around) == []
    around.clock.move(60_000)
    heir.turn()

    assert len(raised(around)) == 1


def test_missed_slots_are_an_alert_of_their_schedule() -> None:
    """A later gap counts up."""
    around = Surroundings()
    records = around.client.schedules.records
    rounds = Rounds(around.client)
    event = {"type": "slots_missed", "slots": 2, "first": "2026-01-01T00:00:00Z", "last": "2026-01-01T01:00:00Z"}
    fields = {"incarnation": "1"}
    for incarnation in (None, "1"):
        changes = Changes(set=fields, events=({"type": "slot_started"}, event))
        records.apply(Commit("test.flow:hourly", incarnation, (Stage({}, changes),), ()))

        rounds.turn()

    (found,) = raised(around)
    assert (found.kind, found.workflow, found.count) == ("missed_schedule", "test.flow", 2)
    assert found.text == "2 slots passed without a run, the last at 2026-01-01T01:00:00Z"


def test_an_operation_that_nobody_has_is_an_alert_until_somebody_has() -> None:
    """Of what live runs call, and after two rounds: workers that are started anew are away for less."""
    around = Surroundings()
    around.publish()
    rounds = Rounds(around.client)
    rounds.turn()
    rounds.turn()
    assert raised(around) == []

    around.start()
    rounds.turn()
    assert raised(around) == []
    for _ in range(3):
        rounds.turn()
    (found,) = raised(around)
    assert (found.kind, found.title, found.count) == ("no_worker", "do.write@1: no worker has do.write@1", 1)

    infos = tuple(one.to_json() for one in around.operations.infos())
    around.registry.announce(WorkerRecord("w", ("default",), infos, 1, "h"))
    rounds.turn()
    assert [one.state for one in raised(around)] == ["resolved"]
