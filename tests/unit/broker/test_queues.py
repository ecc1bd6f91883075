"""What waits in the broker is counted, or the broker is said to be away."""

from __future__ import annotations

import pytest

from orchestrator.broker.app import make_app
from orchestrator.broker.queues import depths
from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable
from orchestrator.settings import Settings


def test_each_queue_has_what_waits_in_it() -> None:
    """One that nobody declared is empty, and keeps no other from being counted."""
    app = make_app(Settings(broker_url="memory://", namespace="depths"))
    for _ in range(3):
        app.send_task("some.task", queue="counted")

    assert depths(app, ["not-there", "counted", "not-there-either"]) == {
        "not-there": 0,
        "counted": 3,
        "not-there-either": 0,
    }


def test_a_broker_that_is_away_is_said_to_be() -> None:
    """After one more try, not after the minutes that a worker has."""
    app = make_app(Settings(broker_url="redis://127.0.0.1:1/0"))
    began_s = elapsed_s()

    with pytest.raises(Unreachable, match="the broker"):
        depths(app, ["default"])

    assert elapsed_s() - began_s < 10
