"""Schedules as a client sees and changes them, fired by a beat that leads."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.client.schedules import record_id
from orchestrator.engine.address import DRAIN
from orchestrator.errors import InvalidInput, InvalidRequest, ScheduleRetired, UnknownSchedule, Unreachable
from orchestrator.runtime.retention import Retention
from orchestrator.triggers.schedules import LEASE_MS, RECONCILE_ALL_S, RECONCILE_S, ScheduleKeeper
from tests.unit.surroundings import WORKFLOW, Surroundings

TICK = {"name": "tick", "every": "1s"}


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """A workflow that fires every second is published."""
    around = Surroundings()
    monkeypatch.setattr("orchestrator.triggers.schedules.elapsed_s", around.clock.elapsed_s)
    publish(around, TICK)
    return around


@pytest.fixture
def beat(around: Surroundings) -> ScheduleKeeper:
    """The beat that leads."""
    beat = keeper(around)
    beat.keep()
    return beat


def keeper(around: Surroundings, name: str = "beat") -> ScheduleKeeper:
    """A beat's part in the schedules."""
    return ScheduleKeeper(around.client.schedules, around.registry, name)


def publish(around: Surroundings, *schedules: dict[str, Any], version: str = "1.0.0", **more: Any) -> None:
    """Publish a version with these schedules, as the client does."""
    around.publish(triggers=[{"schedule": one} for one in schedules], version=version, **more)
    around.client.schedules.reconcile(WORKFLOW)


def counts(around: Surroundings, name: str = "tick") -> dict[str, int]:
    """What came of a schedule's slots."""
    return dict(around.client.schedules.describe(WORKFLOW, name).counts)


def test_a_run_knows_its_slot_and_its_schedule(around: Surroundings, beat: ScheduleKeeper) -> None:
    """In its inputs, which the schedule makes, and by its root `run`."""
    inputs = {"at": "${run.scheduled_at}", "by": "${run.started_by}"}
    step = {"id": "a", "operation": "do.write", "inputs": {"slot": "${run.scheduled_at}"}}
    around.publish(step, triggers=[{"schedule": {**TICK, "inputs": inputs}}], version="1.1.0")
    around.client.schedules.reconcile(WORKFLOW)

    around.clock.move(1_000)
    beat.keep()

    (run,) = around.client.runs()
    around.work(run, "a")
    shown = run.describe()
    slot = "2023-11-14T22:13:21.000Z"
    assert (shown.version, shown.input) == ("1.1.0", {"at": slot, "by": "schedule:tick"})
    assert (shown.started_by, shown.output) == ("schedule:tick", {"slot": slot})


def test_only_one_beat_fires(around: Surroundings, beat: ScheduleKeeper) -> None:
    """Until it is silent for longer than its lease, or resigns."""
    other = keeper(around, "other")
    around.clock.move(1_000)

    assert other.keep() == 0
    beat.resign()
    assert other.keep() > 0
    around.clock.move(LEASE_MS)
    assert beat.keep() > 0
    assert other.keep() == 0


def test_a_leader_that_wakes_up_late_changes_nothing(around: Surroundings, beat: ScheduleKeeper) -> None:
    """Another one has decided meanwhile, with a higher number."""
    around.clock.move(LEASE_MS)
    keeper(around, "other").keep()
    before = around.client.schedules.describe(WORKFLOW, "tick")
    around.clock.move(1_000)

    assert around.client.schedules.firing.visit(record_id(WORKFLOW, "tick"), fence=1) == 0
    assert around.client.schedules.describe(WORKFLOW, "tick").counts == before.counts


def test_a_new_version_replaces_the_schedules_as_one(around: Surroundings, beat: ScheduleKeeper) -> None:
    """State is kept by the name; what no version has any more is retired and keeps what it counted."""
    around.clock.move(1_000)
    beat.keep()

    publish(around, {"name": "tock", "every": "1s"}, version="2.0.0")
    around.clock.move(5_000)
    beat.keep()

    states = {one.name: (one.state, sum(one.counts.values())) for one in around.client.schedules.list()}
    assert states == {"tick": ("retired", 1), "tock": ("active", 5)}

    around.client.deprecate(WORKFLOW, "2.0.0")
    now = {one.name: one.state for one in around.client.schedules.list(WORKFLOW)}
    assert now == {"tick": "active", "tock": "retired"}


def test_schedules_are_paged_by_workflow_and_name(around: Surroundings) -> None:
    """The cursor of a page is where the next begins; of all, or of those that a key may see."""
    names = ("b", "a:b", "ä")
    around.publish(key="a.first", triggers=[{"schedule": {"name": name, "every": "1s"}} for name in names])
    around.client.schedules.reconcile("a.first")
    schedules = around.client.schedules

    first = schedules.page(limit=3)
    rest = schedules.page(limit=3, cursor=first.cursor)
    own = schedules.page_seen(("a.*",), limit=1, cursor="a.first:b")

    assert [(one.workflow, one.name) for one in first.schedules] == [("a.first", name) for name in sorted(names)]
    assert ([one.name for one in rest.schedules], rest.cursor) == (["tick"], None)
    assert ([one.name for one in own.schedules], own.cursor) == (["ä"], None)
    assert [*first.schedules, *rest.schedules] == schedules.list()
    with pytest.raises(InvalidRequest):
        schedules.page(cursor="nonsense")


def test_versions_that_are_not_taken_have_no_schedules(around: Surroundings) -> None:
    """Prereleases, and what is below stable."""
    publish(around, {"name": "tock", "every": "1s"}, version="2.0.0-rc.1")
    publish(around, {"name": "tock", "every": "1s"}, version="2.0.0", stability="beta")

    assert [one.name for one in around.client.schedules.list()] == ["tick"]


def test_beat_makes_schedules_agree_with_what_is_published(around: Surroundings, beat: ScheduleKeeper) -> None:
    """A client may have crashed before it did; and once a minute all are looked at."""
    around.publish(version="3.0.0")
    beat.keep()
    assert around.client.schedules.describe(WORKFLOW, "tick").state == "active"

    around.clock.move(round(RECONCILE_S * 1_000))
    beat.keep()
    assert around.client.schedules.describe(WORKFLOW, "tick").state == "retired"

    around.registry.deprecate(WORKFLOW, "3.0.0")
    around.clock.move(round(RECONCILE_ALL_S * 1_000))
    beat.keep()
    assert around.client.schedules.describe(WORKFLOW, "tick").state == "active"


def test_a_slot_whose_input_does_not_fit_is_told(around: Surroundings, beat: ScheduleKeeper) -> None:
    """Also one whose version there is not; the schedule goes on."""
    needs = {"type": "object", "properties": {"at": {"maxLength": 3}}}
    tick = {**TICK, "inputs": {"at": "${run.scheduled_at}"}}
    publish(around, tick, {**TICK, "name": "pinned", "version": "9.9.9"}, version="1.1.0", input=needs)

    around.clock.move(2_000)
    beat.keep()

    assert (counts(around), counts(around, "pinned")) == ({"failed": 2}, {"failed": 2})
    codes = [around.client.schedules.describe(WORKFLOW, name).recent[0]["error"]["code"] for name in ("tick", "pinned")]
    assert codes == ["invalid_input", "unknown_workflow"]
    with pytest.raises(InvalidInput):
        around.client.schedules.trigger(WORKFLOW, "tick")


def test_a_slot_is_not_lost_while_redis_is_away(
    around: Surroundings, beat: ScheduleKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run was decided on and not created: whoever leads next does."""
    around.clock.move(1_000)
    with monkeypatch.context() as patch:
        patch.setattr(around.client.schedules.firing, "_start", lambda _: (_ for _ in ()).throw(Unreachable("away")))
        with pytest.raises(Unreachable):
            beat.keep()
    assert around.client.runs() == []

    around.clock.move(LEASE_MS)
    keeper(around, "other").keep()

    assert counts(around)["started"] == 1
    assert len(around.client.runs()) == 1


def test_a_slot_does_not_fire_again_when_its_run_is_long_deleted(
    around: Surroundings, beat: ScheduleKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader died when it had created the run and not said so; the run's id is remembered."""
    around.clock.move(1_000)
    firing = around.client.schedules.firing
    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.client.firing.settle", lambda *_: (_ for _ in ()).throw(Unreachable("died")))
        with pytest.raises(Unreachable):
            beat.keep()
    (run,) = around.client.runs()
    around.work(run, "a")
    around.clock.move(around.settings.retention_ms + 1)
    assert Retention(around.settings, around.store).expire() == 1

    assert firing.visit(record_id(WORKFLOW, "tick"), fence=9) > 0

    assert counts(around)["started"] == 1
    assert run.run_id not in [one.run_id for one in around.client.runs()]


def test_a_pause_has_a_reason_and_an_end(around: Surroundings, beat: ScheduleKeeper) -> None:
    """Shown while it lasts, kept in the history."""
    schedules = around.client.schedules
    schedules.pause(WORKFLOW, "tick", "holidays", by="ann")
    around.clock.move(3_000)
    beat.keep()
    shown = schedules.describe(WORKFLOW, "tick")
    assert (shown.state, shown.next, shown.counts) == ("paused", (), {})
    assert shown.paused == {"by": "ann", "reason": "holidays", "since": "2023-11-14T22:13:20.000Z"}

    schedules.resume(WORKFLOW, "tick", "back", by="bob")
    around.clock.move(1_000)
    beat.keep()

    assert counts(around) == {"started": 1}
    told = [(entry.event["type"], entry.event.get("by")) for entry in schedules.history(WORKFLOW, "tick")]
    assert told[1:3] == [("schedule_paused", "ann"), ("schedule_resumed", "bob")]


def test_a_run_can_be_asked_for_now(around: Surroundings) -> None:
    """Without a beat, in a pause, beside its slots; not of a schedule that is retired."""
    schedules = around.client.schedules
    schedules.pause(WORKFLOW, "tick")
    run_id = schedules.trigger(WORKFLOW, "tick", "an audit", by="ann")
    assert around.client.get(run_id).describe().started_by == "schedule:tick"
    assert counts(around) == {"trigger_started": 1}

    publish(around, version="2.0.0")
    with pytest.raises(ScheduleRetired):
        schedules.trigger(WORKFLOW, "tick")


def test_past_slots_are_started_once(around: Surroundings, beat: ScheduleKeeper) -> None:
    """All of a range, beside those that have had their run; one by one, each when the one before is over."""
    schedules = around.client.schedules
    around.clock.move(1_000)
    beat.keep()
    around.work(around.client.runs()[0], "a")
    schedules.pause(WORKFLOW, "tick")

    assert schedules.backfill(WORKFLOW, "tick", "3s", by="ann") == 4
    for _ in range(4):
        around.clock.move(around.settings.sweep_ms)
        beat.keep()
        around.work(around.client.runs()[0], "a")

    assert counts(around) == {"started": 1, "backfill_started": 3, "backfill_existed": 1}
    assert len(around.client.runs()) == 4
    assert schedules.describe(WORKFLOW, "tick").backfills == 0


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        ("1s", "2s", "past"),
        ("2023-11-14T22:13:10Z", "2023-11-15", "past"),
        ("2023-11-14T22:13:19.200Z", "2023-11-14T22:13:19.900Z", "no slot"),
        ("3h", None, "more than 10,000"),
        ("soon", None, "neither a moment"),
    ],
)
def test_a_range_that_cannot_be_filled_up_is_refused(around: Surroundings, since: str, until: str, why: str) -> None:
    """And nothing is stored of it."""
    with pytest.raises(InvalidRequest, match=why):
        around.client.schedules.backfill(WORKFLOW, "tick", since, until)

    assert around.client.schedules.describe(WORKFLOW, "tick").backfills == 0


def test_a_name_that_nothing_has_is_refused_with_what_comes_near(around: Surroundings) -> None:
    """Whatever is wanted of it."""
    with pytest.raises(UnknownSchedule, match="it has tick"):
        around.client.schedules.pause(WORKFLOW, "tik")
    with pytest.raises(UnknownSchedule):
        around.client.schedules.trigger("no.flow", "tick")


@pytest.mark.parametrize("name", ["at/night", "ä:{b}", "a b", "%2F"])
def test_a_schedule_may_have_any_name(around: Surroundings, name: str) -> None:
    """It is found by it, and no other is."""
    publish(around, TICK, {**TICK, "name": name}, version="1.1.0")

    assert around.client.schedules.describe(WORKFLOW, name).name == name
    assert {one.name for one in around.client.schedules.list()} == {"tick", name}


def test_runs_are_cancelled_for_a_newer_slot(around: Surroundings, beat: ScheduleKeeper) -> None:
    """Which starts when they are over."""
    publish(around, {"name": "tick", "every": "10s", "overlap": "cancel_other"}, version="1.1.0")
    around.clock.move(10_000)
    beat.keep()
    (first,) = around.client.runs()

    around.clock.move(10_000)
    beat.keep()
    assert first.describe().error["message"] == "overlap: the slot 2023-11-14T22:13:40.000Z of tick has come"
    around.work(first, "a")
    around.work(first, DRAIN)
    around.clock.move(around.settings.sweep_ms)
    beat.keep()

    assert [run.status() for run in around.client.runs()] == ["running", "cancelled"]


def test_all_that_is_due_at_one_moment_fires_in_one_pass(
    around: Surroundings, beat: ScheduleKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are read together; midnight is a busy moment."""
    monkeypatch.setattr("orchestrator.triggers.schedules.BATCH", 2)
    names = [f"tick-{number}" for number in range(5)]
    publish(around, *({**TICK, "name": name} for name in names), version="1.1.0")

    around.clock.move(1_000)
    beat.keep()

    assert [counts(around, name) for name in names] == [{"started": 1}] * 5


def test_a_schedule_that_fails_does_not_keep_the_others(
    around: Surroundings, beat: ScheduleKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it."""
    publish(around, TICK, {**TICK, "name": "tock"}, version="1.1.0")
    visit, broken = around.client.schedules.firing.visit, record_id(WORKFLOW, "tick")

    def failing(key: str, fence: int) -> int:
        if key == broken:
            raise RuntimeError("broken")
        return visit(key, fence)

    monkeypatch.setattr(around.client.schedules.firing, "visit", failing)
    around.clock.move(1_000)
    beat.keep()

    assert (counts(around), counts(around, "tock")) == ({}, {"started": 1})


def test_a_range_is_looked_at_before_it_is_filled_up(around: Surroundings, beat: ScheduleKeeper) -> None:
    """All its slots are counted, the first are named, and those that have their runs say so."""
    schedules = around.client.schedules
    around.clock.move(1_000)
    beat.keep()
    around.clock.move(60)
    (run,) = around.client.runs()

    found = schedules.slots(WORKFLOW, "tick", "3s", limit=2)
    last = schedules.slots(WORKFLOW, "tick", "500ms")

    assert (found.count, [one.run_id for one in found.slots]) == (3, [None, None])
    assert [(one.slot, one.run_id) for one in last.slots] == [("2023-11-14T22:13:21.000Z", run.run_id)]
    with pytest.raises(InvalidRequest, match="range that is past"):
        schedules.slots(WORKFLOW, "tick", "1s", "2s")
