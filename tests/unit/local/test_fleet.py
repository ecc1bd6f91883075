"""A fleet: processes by name that stop together."""

import sys
from pathlib import Path

import pytest

from orchestrator.clock import elapsed_s
from orchestrator.errors import ProcessFailed
from orchestrator.local import Fleet

READY = "print('ready', flush=True); signal.pause()"
LISTEN = [sys.executable, "-c", f"import signal; {READY}"]
DEAF = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"]
POLITE = [sys.executable, "-c", f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); {READY}"]


def test_leaving_the_fleet_asks_every_member_to_end() -> None:
    """Nothing that was started is left, and each could end in its own way."""
    with Fleet() as fleet:
        members = [fleet.start(name, POLITE) for name in ("one", "two")]
        for member in members:
            member.wait_for_line("ready")

    assert [member.returncode for member in members] == [7, 7]


def test_all_members_share_one_grace() -> None:
    """A fleet of the deaf is stopped in the time of one of them."""
    with Fleet() as fleet:
        for name in ("one", "two", "three"):
            fleet.start(name, DEAF).wait_for_line("ready")
        began = elapsed_s()

        fleet.stop(grace_s=0.5)

        assert elapsed_s() - began < 1.4


def test_a_name_belongs_to_one_member() -> None:
    """A second process of that name would hide the first."""
    with Fleet() as fleet:
        fleet.start("one", LISTEN)

        with pytest.raises(ProcessFailed, match="in the fleet already"):
            fleet.start("one", LISTEN)


def test_who_has_ended_is_told_from_who_runs() -> None:
    """`ended` lists those that are over, so that the fleet's owner can act."""
    with Fleet() as fleet:
        fleet.start("stays", LISTEN)
        fleet.start("ends", [sys.executable, "-c", ""]).wait(20.0)

        assert [process.name for process in fleet.ended()] == ["ends"]


def test_a_fleet_gives_its_members_environment_log_and_listener(tmp_path: Path) -> None:
    """What is said once holds for every member; each has a log of its own."""
    heard: list[tuple[str, str]] = []
    tell = [sys.executable, "-c", "import os; print(os.environ['WHO'])"]

    with Fleet(env={"WHO": "fleet"}, logs=tmp_path, on_line=lambda *line: heard.append(line)) as fleet:
        fleet.start("one", tell).wait(20.0)
        fleet.start("two", tell, env={"WHO": "own"}).wait(20.0)

    assert sorted(heard) == [("one", "fleet"), ("two", "own")]
    assert (tmp_path / "two.log").read_text() == "own\n"
