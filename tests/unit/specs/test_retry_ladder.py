"""specs/retry_ladder.yaml."""

from datetime import timedelta

from orchestrator.testing import always, fail
from tests.unit.specs.conftest import Shipped


def test_the_call_is_answered_at_the_third_attempt(shipped: Shipped) -> None:
    """After rungs of 200 and 400 ms."""
    run = shipped("retry_ladder.yaml").real().run({"failures": 2})

    assert (run.path, run.output) == (["call", "answer"], {"text": "answered at attempt 3"})
    assert (run.attempts("call"), run.duration) == (3, timedelta(milliseconds=600))


def test_after_four_attempts_comes_the_fallback(shipped: Shipped) -> None:
    """The workflow completes with it."""
    flow = shipped("retry_ladder.yaml").script("call", always(fail("unavailable"))).real("fallback")

    run = flow.run()

    assert (run.status, run.path) == ("completed", ["call", "fallback"])
    assert (run.output, run.attempts("call")) == ({"text": "not answered: unavailable"}, 4)


def test_a_bad_request_is_made_once(shipped: Shipped) -> None:
    """It fails the workflow."""
    run = shipped("retry_ladder.yaml").script("call", fail("bad_request")).run()

    assert (run.status, run.error["code"], run.attempts("call")) == ("failed", "bad_request", 1)
