"""specs/wait.yaml."""

from datetime import timedelta

from orchestrator.testing import fail
from tests.unit.specs.conftest import Shipped


def test_the_reminder_comes_after_the_wait(shipped: Shipped) -> None:
    """Three seconds later, with the text of the note."""
    run = shipped("wait.yaml").real().run({"text": "milk"})

    assert (run.path, run.output) == (["note", "a-while", "remind"], {"text": "REMEMBER: MILK"})
    assert run.duration == timedelta(seconds=3)


def test_a_reminder_that_fails_fails_the_run(shipped: Shipped) -> None:
    """After the wait all the same."""
    flow = shipped("wait.yaml").real("note").script("remind", fail("forgotten"))

    run = flow.run({"text": "milk"})

    assert (run.status, run.error["step"], run.duration) == ("failed", "remind", timedelta(seconds=3))


def test_a_run_that_waits_is_cancelled_at_once(shipped: Shipped) -> None:
    """The wait is not waited for."""
    run = shipped("wait.yaml").real().start({"text": "milk"}).until("a-while").advance("1s")

    run.cancel().finish()

    assert (run.status, run.path, run.duration) == ("cancelled", ["note"], timedelta(seconds=1))
