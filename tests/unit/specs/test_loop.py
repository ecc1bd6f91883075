"""specs/loop.yaml."""

from datetime import timedelta

from orchestrator.testing import always, ok
from tests.unit.specs.conftest import Shipped

NOT_YET, READY = ok({"ready": False}), ok({"ready": True})


def test_it_asks_until_the_export_is_ready(shipped: Shipped) -> None:
    """Each visit has an address of its own."""
    flow = shipped("loop.yaml").script("ask", NOT_YET, NOT_YET, READY).real("fetch")

    run = flow.run({"every": "10m"})

    assert [call.address for call in run.calls_of("ask")] == ["ask", "ask#2", "ask#3"]
    assert (run.status, run.duration) == ("completed", timedelta(minutes=20))


def test_it_gives_up_after_twenty_visits(shipped: Shipped) -> None:
    """The visit that is one too many is not made."""
    flow = shipped("loop.yaml").script("ask", always(NOT_YET)).script("give-up", ok({"messageId": "m-1"}))

    run = flow.run()

    assert (run.status, run.error["code"]) == ("failed", "max_visits")
    assert len(run.calls_of("ask")) == 20
