"""specs/order_shipped.yaml."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.testing import Harness, Run
from tests.unit.specs.conftest import Shipped

GIVEN = {"order": "o-17"}
ADA = {"user_email": "ada@example.com"}
SHIPPED = {"order": "o-17", "tracking": "T9"}


def missed(run: Run) -> Mapping[str, Any]:
    """Why the last event was not the carrier's word on the order."""
    return run.step("shipped").near_miss or {}


def test_the_carriers_word_on_the_order_is_passed_on_and_somebody_closes_it(shipped: Shipped, harness: Harness) -> None:
    """The event is found by the order; the signal may come before anybody waits for it."""
    run = shipped("order_shipped.yaml").real("notify.user").start(GIVEN, ctx=ADA).signal("arrived", {"by": "Ada"})
    run.advance("1h")

    harness.emit("order.shipped", SHIPPED)
    run.finish()

    assert run.calls_of("tell")[0].input == {"to": "o-17", "reason": "on its way: T9"}
    assert (run.status, run.output["type"], run.output["data"]) == ("completed", "arrived", {"by": "Ada"})


def test_the_word_on_another_order_and_one_without_tracking_are_not_for_the_run(
    shipped: Shipped, harness: Harness
) -> None:
    """It goes on to wait, and says what nearly was it."""
    run = shipped("order_shipped.yaml").start(GIVEN).advance("1m")

    harness.emit("order.shipped", {**SHIPPED, "order": "o-18"})
    assert missed(run) == {"event": "event-1", "part": "correlation", "wanted": "o-17", "found": "o-18"}
    harness.emit("order.shipped", {"order": "o-17"})

    assert missed(run)["part"] == "data"
    assert run.step("shipped").waits_for == {"event": "order.shipped", "correlation": "o-17"}


def test_the_carrier_is_asked_when_nothing_came_for_two_days(shipped: Shipped) -> None:
    """The wait fails with `wait_timeout`, and the run with it."""
    run = shipped("order_shipped.yaml").real("notify.admin").run(GIVEN)

    assert (run.status, run.error["code"], run.path[-1]) == ("failed", "wait_timeout", "ask-carrier")
    assert run.duration == timedelta(days=2)


def test_a_pause_does_not_count_against_the_wait(shipped: Shipped, harness: Harness) -> None:
    """Two days of waiting are two days in which the run could have gone on."""
    run = shipped("order_shipped.yaml").real("notify.user").start(GIVEN, ctx=ADA).advance("1d")
    run.handle.pause()
    run.advance("5d")
    run.handle.resume()
    run.advance("23h")

    harness.emit("order.shipped", SHIPPED)

    assert run.signal("given-up").finish().status == "completed"
