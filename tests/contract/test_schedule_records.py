"""Schedules as records of a store: turns are taken once, and each has its one entry; in memory and in Redis."""

from __future__ import annotations

import pytest

from orchestrator.engine.commit import Answer, Commit
from orchestrator.engine.overlap import ALL, Turn, decide, of_workflow, stamped, to_commit
from orchestrator.engine.schedule import Schedule
from orchestrator.engine.scheduling import define, retire
from orchestrator.store.port import Store
from tests.contract.arena import Arena

KEY, RECORD = "test.flow", "test.flow:tick"


@pytest.fixture
def records(arena: Arena) -> Store:
    """The store of schedules beside one of runs, with a schedule that fires every 50 ms."""
    records = arena.store.sibling("schedules")
    turn = define(None, KEY, "tick", {"name": "tick", "every": 50}, records.time_ms())
    assert records.apply(commit(None, turn)).first is Answer.APPLIED
    return records


def commit(before: Schedule | None, turn: Turn | None, token: str = "t", fence: int = 0) -> Commit:
    """The commit of a turn."""
    assert turn is not None
    return to_commit(RECORD, before, stamped(before, turn, token, fence), 1_000)


def read(records: Store) -> Schedule:
    """The schedule as it is kept."""
    found = Schedule.from_fields(records.read_all(RECORD)[1])
    assert found is not None
    return found


def taken(records: Store, arena: Arena) -> tuple[Schedule, Turn]:
    """The schedule, and the decision about its next slot, whose time has come."""
    arena.pass_ms(60)
    one = read(records)
    turn = decide(one, records.time_ms(), frozenset())
    assert turn is not None
    return one, turn


def test_of_two_turns_one_is_taken(records: Store, arena: Arena) -> None:
    """Both were decided from the same state; the other is decided again."""
    before, turn = taken(records, arena)

    answers = [records.apply(commit(before, turn, token=token)).first for token in ("one", "two")]

    assert answers == [Answer.APPLIED, Answer.REFUSED]
    assert (read(records).writer, read(records).turn) == ("one", 2)


def test_a_turn_that_is_sent_twice_is_taken_once(records: Store, arena: Arena) -> None:
    """As a client does whose connection broke; its history tells it once."""
    before, turn = taken(records, arena)
    sent = commit(before, Turn(turn.after, ({"type": "x"},)))

    assert [records.apply(sent).first for _ in range(2)] == [Answer.APPLIED, Answer.ALREADY]
    assert [entry.event["type"] for entry in records.history(RECORD)] == ["schedule_created", "x"]


def test_the_number_of_a_leader_never_goes_back(records: Store, arena: Arena) -> None:
    """So that one who led before sees that another one does."""
    before, turn = taken(records, arena)
    records.apply(commit(before, turn, fence=7))
    later = read(records)

    records.apply(commit(later, Turn(later.changed(pending=())), fence=3))

    assert read(records).fence == 7


def test_a_schedule_is_due_when_its_slot_fires_and_until_its_run_exists(records: Store, arena: Arena) -> None:
    """One entry, never two."""
    before, turn = taken(records, arena)
    assert [due.run_id for due in records.due(0, 9)] == [RECORD]

    records.apply(commit(before, turn))
    assert read(records).pending
    assert [due.run_id for due in records.due(0, 9)] == [RECORD]

    later = read(records)
    records.apply(commit(later, Turn(later.changed(pending=()))))
    assert records.entries(RECORD) == {"$": later.next_slot()}


def test_a_retired_schedule_has_no_entry_and_stays_in_the_indexes(records: Store) -> None:
    """It keeps what it counted."""
    one = read(records)

    records.apply(commit(one, retire(one)))

    assert (records.entries(RECORD), records.shard_entry(RECORD)) == ({}, None)
    assert [[run_id for _, run_id in records.index(name, 0, None, 9)] for name in (ALL, of_workflow(KEY))] == [
        [RECORD],
        [RECORD],
    ]


def test_a_schedule_is_created_once(records: Store) -> None:
    """Two clients publish at the same moment."""
    turn = define(None, KEY, "tick", {"name": "tick", "every": 70}, records.time_ms())

    assert records.apply(commit(None, turn, token="other")).first is Answer.GONE
    assert read(records).definition["every"] == 50
