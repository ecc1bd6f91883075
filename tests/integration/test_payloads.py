"""Large inputs and outputs are kept beside the run, and nobody notices."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from orchestrator.errors import InvalidRequest
from orchestrator.store.keys import Keys
from tests.integration.conftest import MakeSystem
from tests.integration.system import ended
from tests.integration.workflows import upper_step, workflow

TEXT = "x" * 100_000


@pytest.mark.parametrize("place", ["redis", "file"])
def test_a_large_value_goes_through_steps_by_reference(make_system: MakeSystem, tmp_path: Path, place: str) -> None:
    """The run's fields hold references; inputs, outputs and results are what they are."""
    store = "redis" if place == "redis" else f"file://{tmp_path / 'payloads'}"
    system = make_system(payload_store=store)
    first = upper_step("first")
    steps = [
        first.model_copy(update={"inputs": {"text": "${input.text}"}}),
        upper_step("second").model_copy(update={"inputs": {"text": "${steps.first.output.text}"}}),
    ]
    system.publish(workflow("large", *steps))
    system.start_worker()
    system.start_beat()
    system.ready()

    run = system.client.start("tests.large", {"text": TEXT})

    assert ended(run).output == {"text": TEXT.upper()}
    state = redis.Redis.from_url(system.server.url(), decode_responses=True)
    keys = Keys(system.client.settings.namespace, system.client.settings.shards)
    assert str(state.hget(keys.run(run.run_id), "first:out")).startswith("@sha256:")
    assert (tmp_path / "payloads").exists() == (place == "file")
    state.close()


def test_a_value_over_the_limit_is_refused(make_system: MakeSystem) -> None:
    """As before: by reference or not."""
    system = make_system()
    system.publish(workflow("too-large", upper_step("first")))

    with pytest.raises(InvalidRequest, match="bytes"):
        system.client.start("tests.too-large", {"text": "x" * 300_000})
