"""The specs that show one pattern each, on real workers: as they are meant to go, and with a failure."""

from __future__ import annotations

import pytest

from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import RunDescription
from tests.integration.system import System, ended, events, executions, states
from workers.operations.provider import Booking

pytestmark = pytest.mark.integration

ADA = {"city": "Rome", "traveller": "Ada"}


def finished(system: System, pattern: str, given: object = None) -> tuple[RedisRunHandle, RunDescription]:
    """A run of a pattern, and how it ended."""
    run = system.client.start(f"examples.{pattern}", given)
    return run, ended(run)


def bookings(system: System, run: RedisRunHandle) -> list[Booking]:
    """What a run has booked, as the provider's books say."""
    return [booking for booking in system.provider.bookings() if booking.key.startswith(f"{run.run_id}:")]


def held(system: System, run: RedisRunHandle) -> list[tuple[str, str]]:
    """What a run has booked and not cancelled: what, and for whom."""
    return sorted((one.service, one.traveller) for one in bookings(system, run) if not one.cancelled)


def undone(run: RedisRunHandle) -> list[str]:
    """The steps whose undo has completed, in order."""
    return [
        step.removesuffix("~") for event in events(run, "step_completed") if (step := str(event["step"])).endswith("~")
    ]


def test_parallel_join_goes_on_with_what_all_branches_left(system: System) -> None:
    """Three bookings, one itinerary, nothing undone."""
    run, over = finished(system, "parallel-join", ADA)

    assert over.output == {"text": "Ada flies to Rome, sleeps in Rome and drives in Rome."}
    assert sorted(executions(run)) == ["book[car]/car", "book[flight]/flight", "book[hotel]/hotel", "itinerary"]
    assert held(system, run) == [("car", "Ada"), ("flight", "Ada"), ("hotel", "Ada")]


def test_parallel_join_undoes_the_other_branches_where_one_fails(system: System) -> None:
    """No car: the seat and the room that were booked beside it are given back, and the run fails with its error."""
    run, over = finished(system, "parallel-join", ADA | {"city": "Atlantis"})

    assert (over.status, over.compensation) == ("failed", "completed")
    assert over.error is not None
    assert (over.error["code"], over.error["branch"]) == ("sold_out", "car")
    assert "itinerary" not in executions(run)
    assert held(system, run) == []


def test_race_is_won_by_the_first_and_the_loser_is_undone(system: System) -> None:
    """The plane is confirmed at once; the car, held for an hour, is given back, and the run does not wait for it."""
    run, over = finished(system, "race", ADA | {"plane": "100ms", "car": "1h"})

    assert (over.status, over.output) == ("completed", {"text": "Ada goes by plane"})
    assert states(over)["travel[car]/rental-confirms"] == "cancelled"
    assert undone(run) == ["travel[car]/rental"]
    assert held(system, run) == [("flight", "Ada")]


def test_race_goes_on_when_one_branch_fails(system: System) -> None:
    """No car in Atlantis: the plane wins later; nothing was held, so nothing is given back."""
    run, over = finished(system, "race", {"city": "Atlantis", "traveller": "Ada", "plane": "200ms"})

    assert (over.status, over.output) == ("completed", {"text": "Ada goes by plane"})
    assert undone(run) == []
    assert held(system, run) == [("flight", "Ada")]


def guests(*cities: str) -> dict[str, object]:
    """Guests `g0`, `g1`, … who come from these cities."""
    return {"guests": [{"name": f"g{number}", "city": city} for number, city in enumerate(cities)]}


def test_map_tolerates_a_share_of_failures_and_undoes_what_they_did(system: System) -> None:
    """One guest of four has no car: their seat is given back, the others come."""
    run, over = finished(system, "map-tolerate", guests("Rome", "Atlantis", "Bern", "Oslo"))

    assert (over.status, over.output) == ("completed", {"coming": "g0, g2, g3", "missing": 1})
    assert undone(run) == ["invite[1]/flight"]
    assert held(system, run) == sorted((kind, name) for kind in ("car", "flight") for name in ("g0", "g2", "g3"))


def test_map_fails_when_more_fail_than_it_tolerates(system: System) -> None:
    """Two of four: `join_failed`, and every seat and car is given back."""
    run, over = finished(system, "map-tolerate", guests("Atlantis", "Atlantis", "Bern", "Oslo"))

    assert (over.status, over.compensation) == ("failed", "completed")
    assert over.error is not None
    assert over.error["code"] == "join_failed"
    assert held(system, run) == []


def test_order_shipped_goes_on_with_the_word_on_its_order(system: System) -> None:
    """The word on another order is not for it; somebody closes it when the parcel has arrived."""
    run = system.client.start("order.follow", {"order": "o-17"}, ctx={"user_email": "ada@example.com"})
    for order in ("o-18", "o-17"):
        system.emit("order.shipped", {"order": order, "tracking": f"T-{order}"})
    run.signal("arrived", {"by": "Ada"})

    over = ended(run)

    assert over.status == "completed"
    assert executions(run) == ["tell"]
    assert over.output["data"] == {"by": "Ada"}
    (shipped,) = (step for step in over.steps if step.address == "shipped")
    assert shipped.output["data"]["tracking"] == "T-o-17"


def test_dag_runs_each_step_when_what_it_needs_has_settled(system: System) -> None:
    """The report does without the rates, whose failure is allowed; nothing is published, nobody is alerted."""
    run, over = finished(system, "dag", {"rates": "lost-rates"})

    assert over.status == "completed"
    assert over.output == {"report": "2 open, rates: failed", "published": False}
    assert sorted(executions(run)) == ["orders", "payments", "rates", "reconcile", "report"]
    assert states(over)["publish"] == states(over)["alert"] == "skipped"


def test_dag_closes_at_a_failure_and_alerts(system: System) -> None:
    """Without orders nothing is reconciled; only what runs on a failure still runs, then the run fails."""
    run, over = finished(system, "dag", {"orders": "lost-orders", "publish": True})

    assert over.status == "failed"
    assert over.error is not None
    assert over.error["code"] == "source_missing"
    assert "alert" in executions(run)
    assert not {"reconcile", "report", "publish"} & set(executions(run))


def test_loop_comes_round_until_its_condition_holds(system: System) -> None:
    """Each visit is a step of its own, and the first that finds the export ready leads out."""
    run, over = finished(system, "loop", {"takes_ms": 250, "every": "100ms"})

    visits = [step for step in executions(run) if step.startswith("ask")]
    assert over.status == "completed"
    assert visits == ["ask", *(f"ask#{number}" for number in range(2, len(visits) + 1))]
    assert 2 <= len(visits) <= 6


def test_loop_that_never_ends_fails_at_its_limit(system: System) -> None:
    """Twenty visits are made; the next fails with `max_visits`, which is handled."""
    run, over = finished(system, "loop", {"takes_ms": 3_600_000, "every": "0s"})

    assert over.status == "failed"
    assert over.error is not None
    assert over.error["code"] == "max_visits"
    assert len([step for step in executions(run) if step.startswith("ask")]) == 20
    assert executions(run)[-1] == "give-up"


def test_nested_flows_see_the_items_around_them(system: System) -> None:
    """Two cities, three guests: a bus and a seat for each city, a room for each guest in each."""
    run, over = finished(system, "nested", {"cities": ["Rome", "Bern"], "guests": ["Ada", "Bob", "Cid"]})

    assert over.output == {"text": "1. Rome: 3 rooms; 2. Bern: 3 rooms"}
    assert "tour[1]/arrange[rooms]/rooms[2]/room" in executions(run)
    assert len(held(system, run)) == 2 * (1 + 1 + 3)


def test_nested_flows_are_undone_as_a_whole(system: System) -> None:
    """A city without a bus, deep inside: its error becomes the run's, and nothing stays booked anywhere."""
    run, over = finished(system, "nested", {"cities": ["Rome", "Atlantis"], "guests": ["Ada", "Bob"]})

    assert (over.status, over.compensation) == ("failed", "completed")
    assert over.error is not None
    assert (over.error["code"], over.error["address"]) == ("sold_out", "tour[1]/arrange[transport]/bus")
    assert len(undone(run)) == len(bookings(system, run)) > 0
    assert held(system, run) == []


def test_child_waits_for_the_journey_that_is_a_run_of_its_own(system: System) -> None:
    """Its bookings are made under the child's id."""
    run, over = finished(system, "child", ADA)
    child = child_of(run, "journey")

    assert over.output == {"text": "Ada: plane and car to Rome"}
    assert held(system, run) == [("hotel", "Ada")]
    assert held(system, child) == [("car", "Ada"), ("flight", "Ada")]


def test_child_is_undone_where_something_fails_behind_it(system: System) -> None:
    """Car and flight are given back in the child, then the hotel; a journey to Atlantis has undone itself before."""
    later, over = finished(system, "child", {**ADA, "passport": False})
    inside, failed = finished(system, "child", {**ADA, "city": "Atlantis"})

    for run in (later, inside):
        assert held(system, run) == held(system, child_of(run, "journey")) == []
    assert (undone(later), undone(inside)) == (["journey", "hotel"], ["hotel"])
    assert (over.compensation, failed.compensation) == ("completed", "completed")
    assert failed.error is not None
    assert (failed.error["code"], failed.error["child_run"]) == ("sold_out", child_of(inside, "journey").run_id)


def child_of(run: RedisRunHandle, step: str) -> RedisRunHandle:
    """The run that a step has started."""
    (found,) = (one.child_run for one in run.describe().steps if one.address == step)
    return RedisRunHandle(str(found), run.store, run.versions, run.dispatcher)
