"""Runs that have been over for long enough are deleted by whichever beat is running."""

from __future__ import annotations

import pytest

from orchestrator.errors import RunConflict, UnknownRun
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration


def is_kept(system: System, run_id: str) -> bool:
    """Whether the run is still known."""
    try:
        system.client.get(run_id)
    except UnknownRun:
        return False
    return True


def test_a_beat_deletes_what_has_been_over_for_long_enough(make_system: MakeSystem) -> None:
    """Its id is refused afterwards, and a run that goes on is kept."""
    system = make_system(retention_ms=1_000)
    system.publish()
    system.start_worker()
    system.start_beat("beat-1")
    system.start_beat("beat-2")
    system.ready()
    going_on = system.client.start("examples.wait", {"text": "later"}, run_id="going-on")

    over = system.client.start("examples.sequence", {"name": "ada"}, run_id="over")
    status = ended(over).status
    until(lambda: not is_kept(system, "over"), "the run has been deleted")

    assert status == "completed"
    assert going_on.status() == "running"
    with pytest.raises(RunConflict, match="no longer kept"):
        system.client.start("examples.sequence", {"name": "ada"}, run_id="over")
