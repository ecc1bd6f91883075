"""specs/sequence.yaml."""

from orchestrator.testing import fail
from tests.unit.specs.conftest import Shipped


def test_each_step_sees_the_output_before_it(shipped: Shipped) -> None:
    """The name is shouted, then greeted."""
    run = shipped("sequence.yaml").real().run({"name": "Ada"})

    assert (run.path, run.output) == (["shout", "greet"], {"text": "Hello, ADA"})


def test_a_failure_ends_the_sequence(shipped: Shipped) -> None:
    """What comes after it is not reached."""
    flow = shipped("sequence.yaml").script("shout", fail("hoarse"))

    run = flow.run({"name": "Ada"})

    assert (run.status, run.error["code"], run.path) == ("failed", "hoarse", ["shout"])
