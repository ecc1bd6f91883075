"""What becomes of a slot: overlap, catch-up, jitter, backfills. Decisions are values."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.commit import NOW, Due
from orchestrator.engine.overlap import (
    LEAST_CATCH_UP_MS,
    MISSED_AT_ONCE,
    RECENT,
    Created,
    decide,
    due,
    run_id_of,
    settle,
)
from orchestrator.engine.schedule import Backfill, Kind, Schedule
from orchestrator.engine.scheduling import backfill, define, pause, resume, retire, trigger
from orchestrator.engine.verbs import Wish

T0 = 1_700_000_000_000
"""A slot of every second, and of every minute less 20 s."""
WISH = Wish("ann", "why not")


def schedule(begins_ms: int = T0, **definition: Any) -> Schedule:
    """A schedule of every second, made at `begins_ms`."""
    given = {"name": "tick", "every": 1_000, **definition}
    turn = define(None, "test.flow", "tick", given, begins_ms)
    assert turn is not None
    return turn.after


def run_of(slot_ms: int) -> str:
    """The run of a slot."""
    return run_id_of("test.flow", "tick", slot_ms)


def played(one: Schedule, now_ms: int, live: frozenset[str] = frozenset()) -> tuple[Schedule, list[str]]:
    """The schedule when nothing is left to decide, its runs created, and what happened; started runs are live."""
    told: list[str] = []
    while (turn := decide(one, now_ms, live)) is not None:
        one = turn.after
        told += [f"{event['type']} {event.get('slot', '')[17:19]}".strip() for event in turn.events]
        if one.pending:
            live |= {one.pending[0].run_id}
            settled = settle(one, {one.pending[0].run_id: Created()})
            one = settled.after
            told += [f"{event['type']} {event['slot'][17:19]}" for event in settled.events]
    return one, told


@pytest.mark.parametrize(
    ("overlap", "busy", "told"),
    [
        ("skip", False, ["slot_started 21", "slot_skipped 22", "slot_skipped 23"]),
        ("skip", True, ["slot_skipped 21", "slot_skipped 22", "slot_skipped 23"]),
        ("buffer_one", False, ["slot_started 21", "slot_buffered 22", "slot_skipped 23"]),
        ("buffer_one", True, ["slot_buffered 21", "slot_skipped 22", "slot_skipped 23"]),
        ("allow_all", False, ["slot_started 21", "slot_started 22", "slot_started 23"]),
        ("allow_all", True, ["slot_started 21", "slot_started 22", "slot_started 23"]),
        ("cancel_other", False, ["slot_started 21", "slot_buffered 22", "slot_skipped 22", "slot_buffered 23"]),
        ("cancel_other", True, ["slot_buffered 21", "slot_skipped 21", "slot_buffered 22", "slot_skipped 22"]),
    ],
)
def test_a_slot_meets_a_run_as_its_policy_says(overlap: str, *, busy: bool, told: list[str]) -> None:
    """The oldest waits under buffer_one, the newest under cancel_other."""
    one = schedule(overlap=overlap).changed(runs=("old",))

    _, found = played(one, T0 + 3_000, frozenset({"old"} if busy else ()))

    assert found[: len(told)] == told
    assert len(found) == len(told) + (overlap == "cancel_other" and busy)


@pytest.mark.parametrize("overlap", ["buffer_one", "cancel_other"])
def test_a_slot_that_waits_starts_when_the_run_is_over(overlap: str) -> None:
    """And not before."""
    one, _ = played(schedule(overlap=overlap).changed(runs=("old",)), T0 + 1_000, frozenset({"old"}))
    assert one.waiting_ms == T0 + 1_000
    assert decide(one, T0 + 1_500, frozenset({"old"})) is None

    after, told = played(one, T0 + 1_500)

    assert (told, after.waiting_ms, after.runs[-1]) == (["slot_started 21"], None, run_of(T0 + 1_000))


def test_a_slot_is_decided_once() -> None:
    """Its cursor has moved on, whatever else is in the way."""
    one, _ = played(schedule(), T0 + 1_000)

    assert decide(one, T0 + 1_999, frozenset()) is None
    assert (one.cursor_ms, one.next_slot()) == (T0 + 1_000, T0 + 2_000)


def test_nothing_is_decided_before_the_run_decided_on_exists() -> None:
    """The entry stays due until then."""
    turn = decide(schedule(), T0 + 5_000, frozenset())

    assert turn is not None
    assert [pending.slot_ms for pending in turn.after.pending] == [T0 + 1_000]
    assert decide(turn.after, T0 + 9_000, frozenset()) is None
    assert due(turn.after, 1_000) == NOW


def test_a_slot_without_a_run_is_told_and_does_not_stop_the_schedule() -> None:
    """Its error stands in history and description; it counts for no overlap."""
    turn = decide(schedule(), T0 + 1_000, frozenset())
    assert turn is not None

    settled = settle(turn.after, {run_of(T0 + 1_000): Created(error={"code": "invalid_input", "message": "no"})})

    assert settled.events[0]["type"] == "slot_failed"
    assert (settled.after.counts, settled.after.runs) == ({"failed": 1}, ())
    assert due(settled.after, 1_000) == Due(at_ms=T0 + 2_000)


def test_slots_that_are_too_old_are_missed_and_the_others_fire_in_order() -> None:
    """The catch-up window counts from now; a slot at its edge still fires."""
    one = schedule(every=60_000, catch_up=120_000, overlap="allow_all")

    after, told = played(one, T0 + 340_000)

    assert told[0] == "slots_missed"
    assert after.counts == {"missed": 3, "started": 3}
    assert [outcome.slot_ms for outcome in after.recent] == [T0 + 40_000 + n * 60_000 for n in range(6)]


def test_a_catch_up_of_nothing_still_spans_a_change_of_leaders() -> None:
    """Else every slot would be missed, as somebody always looks a little later."""
    one = schedule(every=1_000_000, catch_up=0)
    slot = one.next_slot() or 0

    assert played(one, slot + LEAST_CATCH_UP_MS)[1] == [f"slot_started {played(one, slot)[1][0][-2:]}"]
    assert played(one, slot + LEAST_CATCH_UP_MS + 1)[1] == ["slots_missed"]


def test_a_long_sleep_is_told_in_batches() -> None:
    """So that no commit takes long: days of seconds."""
    turn = decide(schedule(catch_up=60_000), T0 + 86_400_000, frozenset())

    assert turn is not None
    assert turn.events[0]["slots"] == MISSED_AT_ONCE
    assert turn.after.counts == {"missed": MISSED_AT_ONCE}
    assert len(turn.after.recent) == RECENT


def test_jitter_moves_the_fire_and_not_the_slot() -> None:
    """The slot fires within its jitter, always at the same moment."""
    one = schedule(jitter=900)
    slot = T0 + 1_000
    fires_ms = one.fires_ms(slot)

    assert slot < fires_ms < slot + 900
    assert due(one, 1_000) == Due(at_ms=fires_ms)
    assert decide(one, fires_ms - 1, frozenset()) is None
    assert played(one, fires_ms)[1] == ["slot_started 21"]


def test_slots_of_a_pause_are_neither_fired_nor_missed() -> None:
    """What was due before it began fires when it ends, if it is young enough."""
    one = pause(schedule(overlap="allow_all"), WISH, T0 + 1_500)
    assert one is not None
    assert (decide(one.after, T0 + 5_000, frozenset()), due(one.after, 1_000)) == (None, Due())

    resumed = resume(one.after, WISH, T0 + 5_500)
    assert resumed is not None
    _, told = played(resumed.after, T0 + 7_000)

    assert told == ["slot_started 21", "slot_started 26", "slot_started 27"]


def test_pausing_and_resuming_twice_changes_nothing() -> None:
    """The first reason stands."""
    paused = pause(schedule(), WISH, T0)
    assert paused is not None

    assert pause(paused.after, Wish("bob", "me too"), T0 + 1) is None
    assert resume(schedule(), WISH, T0) is None


def test_a_new_calendar_begins_when_it_is_published() -> None:
    """The slots of the old one that nobody has decided yet are not lost."""
    old = schedule(overlap="allow_all")
    turn = define(old, "test.flow", "tick", {"name": "tick", "every": 3_000, "overlap": "allow_all"}, T0 + 2_500)
    assert turn is not None

    _, told = played(turn.after, T0 + 10_000)

    assert told == ["slot_started 21", "slot_started 22", "slot_started 24", "slot_started 27", "slot_started 30"]


def test_the_same_definition_again_changes_nothing() -> None:
    """And another one with the same calendar keeps what is undecided."""
    one = schedule()

    assert define(one, "test.flow", "tick", dict(one.definition), T0 + 9_000) is None
    changed = define(one, "test.flow", "tick", {**one.definition, "overlap": "allow_all"}, T0 + 9_000)
    assert changed is not None
    assert changed.after.next_slot() == T0 + 1_000


def test_a_retired_schedule_waits_for_nothing_and_keeps_what_it_counted() -> None:
    """Published again, it begins anew."""
    one, _ = played(schedule(), T0 + 1_000)
    retired = retire(one)
    assert retired is not None
    assert (due(retired.after, 1_000), decide(retired.after, T0 + 9_000, frozenset())) == (None, None)

    revived = define(retired.after, "test.flow", "tick", dict(one.definition), T0 + 20_500)

    assert revived is not None
    assert revived.after.counts == {"started": 1}
    assert revived.after.next_slot() == T0 + 21_000


@pytest.mark.parametrize(("late_ms", "told"), [(60_000, ["slot_started 20"]), (600_001, ["slots_missed"])])
def test_a_moment_that_is_past_when_it_is_published_fires_or_is_missed(late_ms: int, told: list[str]) -> None:
    """As the catch-up window says."""
    turn = define(None, "test.flow", "tick", {"name": "tick", "at": "2023-11-14T22:13:20+00:00"}, T0 + late_ms)
    assert turn is not None

    after, found = played(turn.after, T0 + late_ms)

    assert found == told
    assert (after.next_slot(), due(after, 1_000)) == (None, Due())


def test_a_trigger_is_a_run_outside_of_the_slots() -> None:
    """At once, even in a pause; it counts for the overlap, and asked for twice it is one."""
    paused = pause(schedule(), WISH, T0)
    assert paused is not None
    turn = trigger(paused.after, "by-hand", WISH, T0 + 500)
    assert turn is not None
    assert trigger(turn.after, "by-hand", WISH, T0 + 500) is None

    settled = settle(turn.after, {"by-hand": Created()})

    assert (settled.after.runs, settled.after.counts) == (("by-hand",), {"trigger_started": 1})
    assert trigger(settled.after, "by-hand", WISH, T0 + 500) is None


def test_a_backfill_takes_each_slot_once_and_passes_over_those_that_have_a_run() -> None:
    """Its runs have the ids of their slots, and do not count for the overlap of the slots to come."""
    wanted = Backfill(after_ms=T0 - 3_001, until_ms=T0, one_by_one=False)
    one = backfill(schedule(), wanted, 4, WISH).after
    found: list[str] = []
    while (turn := decide(one, T0 + 500, frozenset())) is not None:
        one = turn.after
        for pending in one.pending:
            found.append(pending.run_id)
            assert pending.kind is Kind.BACKFILL
            one = settle(one, {pending.run_id: Created(existed=len(found) == 1)}).after

    assert found == [run_of(T0 + ms) for ms in (-3_000, -2_000, -1_000, 0)]
    assert one.counts == {"backfill_existed": 1, "backfill_started": 3}
    assert (one.backfills, one.runs) == ((), ())


def test_a_backfill_one_by_one_waits_for_every_run_of_the_schedule() -> None:
    """Its own and those of the slots."""
    wanted = Backfill(after_ms=T0 - 3_001, until_ms=T0)
    one = backfill(schedule().changed(runs=("of-a-slot",), backfilled="of-mine"), wanted, 4, WISH).after

    for live in ("of-a-slot", "of-mine"):
        assert decide(one, T0 + 500, frozenset({live})) is None
    assert due(one, 1_000) == Due(within_ms=1_000, at_ms=T0 + 1_000)
    assert decide(one, T0 + 500, frozenset()) is not None


def test_a_record_reads_as_it_was_written() -> None:
    """Whatever it holds."""
    one, _ = played(schedule(overlap="cancel_other", jitter=10), T0 + 3_000)
    paused = pause(backfill(one, Backfill(after_ms=1, until_ms=2), 1, WISH).after, WISH, T0)
    assert paused is not None

    assert Schedule.from_fields(paused.after.to_fields()) == paused.after
    assert Schedule.from_fields({}) is None
