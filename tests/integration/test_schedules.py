"""Schedules in real processes: beats that die and sleep, versions that come and go, runs that take their time."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from orchestrator import WorkflowSpec, define_workflow
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.publishing import publish
from orchestrator.clock import elapsed_s
from orchestrator.engine.overlap import run_id_of
from orchestrator.spec.operations import load_operations
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration

KEY = "test.scheduled"
TAKEOVER_MS = 10_000
SLOTS = 60


def scheduled(*triggers: Mapping[str, Any], version: str = "1.0.0", wait: str | None = None) -> WorkflowSpec:
    """A workflow that says which slot it is for, once its wait is over."""
    steps: list[Mapping[str, Any]] = [{"id": "say", "operation": "text.upper", "inputs": {"text": "${input.slot}"}}]
    if wait:
        steps.insert(0, {"id": "hold", "wait": wait})
    inputs = {"slot": "${run.scheduled_at}"}
    return define_workflow(
        meta={"key": KEY, "version": version},
        steps=steps,
        triggers=[{"schedule": {"inputs": inputs, **one}} for one in triggers],
    )


def slots(system: System, name: str, kind: str = "slot_started") -> dict[str, int]:
    """The slots of which a schedule's history tells this, each with the moment at which that was."""
    history = system.client.schedules.history(KEY, name, limit=10_000)
    return {str(entry.event["slot"]): entry.at_ms for entry in history if entry.event["type"] == kind}


def count(system: System, name: str, result: str = "started") -> int:
    """How many slots came to this."""
    return system.client.schedules.describe(KEY, name).counts.get(result, 0)


def runs(system: System) -> list[RedisRunHandle]:
    """Every run of the workflow, the oldest first."""
    return system.client.runs(workflow=KEY, limit=1_000)[::-1]


def moment_ms(text: str) -> int:
    """A moment as a number."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


class Weather:
    """Two beats, of which one is killed or stopped now and then, mostly the one that leads, and comes back."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self.system = system
        self.chance = chance
        self.leaders: set[str] = set()
        self._victim = ""
        self._next_s = elapsed_s() + 3

    def strike(self) -> None:
        """Harm a beat, or mend it, if it is time to."""
        leader = self.system.client.registry.leadership.leader()
        if leader is not None:
            self.leaders.add(leader.holder)
        if elapsed_s() < self._next_s:
            return
        if self._victim:
            self.system.fleet[self._victim].thaw()
            self.system.ready()
            self._victim, self._next_s = "", elapsed_s() + self.chance.uniform(1, 4)
            return
        leads = [one.name for one in self.system.fleet if leader and f"beat-{one.pid}@" in leader.holder]
        others = [name for name in ("beat-1", "beat-2") if name not in leads]
        self._victim = self.chance.choice([*(leads * 3), *others])
        how = self.chance.choice(("kill", "freeze"))
        print(f"{how} {self._victim}{', which leads' if self._victim in leads else ''}")  # noqa: T201  # beside a failure
        getattr(self.system.fleet[self._victim], how)()
        self._next_s = elapsed_s() + self.chance.uniform(1, 9)


@pytest.mark.timeout(200)
def test_beats_that_die_and_sleep_fire_each_of_60_slots_once(make_system: MakeSystem) -> None:
    """Slots of one second; another beat leads within 10 s, and no slot is lost or fires twice."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201  # beside a failure
    system = make_system(sweep_ms=200)
    system.start_worker()
    system.start_beat("beat-1")
    system.start_beat("beat-2")
    system.ready()
    weather = Weather(system, random.Random(seed))
    system.publish(scheduled({"name": "tick", "cron": "* * * * * *", "overlap": "allow_all"}))

    def have_fired() -> bool:
        weather.strike()
        return count(system, "tick") >= SLOTS

    until(have_fired, f"{SLOTS} slots have fired, seed {seed}", SLOTS + 60)
    system.release()

    fired = slots(system, "tick")
    assert count(system, "tick") == len(fired)
    moments = [moment_ms(slot) for slot in fired]
    assert {later - earlier for earlier, later in pairwise(moments)} == {1_000}
    assert max(at_ms - moment_ms(slot) for slot, at_ms in fired.items()) < TAKEOVER_MS
    expected = [run_id_of(KEY, "tick", moment) for moment in moments]
    found = [run for run in runs(system) if run.run_id in expected]
    assert [run.run_id for run in found] == expected
    assert [ended(run).output for run in found] == [{"text": slot} for slot in fired]
    assert len(weather.leaders) > 1


def test_publishing_replaces_schedules_at_once(make_system: MakeSystem) -> None:
    """No file, no restart: the highest stable version's fire, with that version; the others keep what they counted."""
    system = make_system()
    system.start_worker()
    system.start_beat()
    system.publish(scheduled({"name": "old", "every": "1s"}, {"name": "both", "every": "1s"}))
    system.ready()
    until(lambda: count(system, "old") and count(system, "both"), "both schedules fire")

    system.publish(scheduled({"name": "both", "every": "1s"}, {"name": "new", "every": "1s"}, version="1.1.0"))

    until(lambda: count(system, "new") >= 2, "the new schedule fires")
    old = system.client.schedules.describe(KEY, "old")
    assert (old.state, old.next) == ("retired", ())
    assert old.counts["started"] == len(slots(system, "old"))
    newest = {run_id_of(KEY, "new", moment_ms(slot)) for slot in slots(system, "new")}
    assert {run.describe().version for run in runs(system) if run.run_id in newest} == {"1.1.0"}
    assert min(map(moment_ms, slots(system, "new"))) > max(map(moment_ms, slots(system, "old")))


def test_a_beat_makes_good_what_a_client_left_undone(make_system: MakeSystem) -> None:
    """It crashed between the publication and the schedules."""
    system = make_system()
    system.start_beat()
    system.ready()

    load_operations(system.client.settings.operations)
    publish(system.client.registry, scheduled({"name": "tick", "every": "1s"}))

    until(lambda: [one for one in system.client.schedules.list() if one.counts], "the schedule fires")


def test_a_pause_holds_and_a_bad_slot_does_not(make_system: MakeSystem) -> None:
    """Slots of a pause are nowhere; a slot whose input does not fit is told, and the next one comes."""
    system = make_system()
    system.start_beat()
    system.ready()
    system.publish(
        scheduled({"name": "tick", "every": "1s"}, {"name": "bad", "every": "1s", "version": "9.9.9"}),
    )
    until(lambda: count(system, "tick"), "the schedule fires")

    system.client.schedules.pause(KEY, "tick", "holidays", by="ann")
    since_ms = system.client.store.time_ms()
    failed = count(system, "bad", "failed")
    until(lambda: count(system, "bad", "failed") >= failed + 3, "three more slots have failed")
    until_ms = system.client.store.time_ms()
    system.client.schedules.resume(KEY, "tick", by="ann")

    def decided() -> list[int]:
        return [moment_ms(slot) for kind in ("started", "skipped") for slot in slots(system, "tick", f"slot_{kind}")]

    until(lambda: max(decided()) > until_ms, "the schedule goes on")
    assert not [slot for slot in decided() if since_ms < slot <= until_ms]
    assert not count(system, "tick", "missed")
    (error,) = {outcome["error"]["code"] for outcome in system.client.schedules.describe(KEY, "bad").recent}
    assert error == "unknown_workflow"


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "cancel_other"])
def test_runs_of_a_schedule_do_not_overlap(make_system: MakeSystem, overlap: str) -> None:
    """Each takes a slot and a half; the next begins when it is over, and which one that is says the policy."""
    system = make_system()
    system.start_worker()
    system.start_beat()
    system.ready()

    system.publish(scheduled({"name": "tick", "every": "1s", "overlap": overlap}, wait="1500ms"))

    until(lambda: count(system, "tick") >= 3, "three runs have begun")
    system.client.schedules.pause(KEY, "tick")
    found = [ended(run) for run in runs(system)]
    assert all(one.ended_at and one.ended_at <= other.created_at for one, other in pairwise(found))
    assert {one.status for one in found[:2]} == {"cancelled" if overlap == "cancel_other" else "completed"}
    assert count(system, "tick", "skipped" if overlap == "skip" else "buffered") >= 2
