"""Systems of real processes; what their processes printed stands beside a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.local import LocalRedis
from tests.integration.system import System

MakeSystem = Callable[..., System]
LINES = 60


@pytest.fixture(scope="session")
def server() -> Iterator[LocalRedis]:
    """One Redis for all systems, each with a namespace of its own."""
    with LocalRedis() as redis:
        yield redis


@pytest.fixture(scope="session")
def fleet_system(server: LocalRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that most tests share: two workers and a beat."""
    system = System(server, tmp_path_factory.mktemp("system"), broker_url=server.url(1))
    system.publish()
    for name in ("worker-1", "worker-2"):
        system.start_worker(name)
    system.start_beat()
    yield system.ready()
    system.close()


@pytest.fixture
def system(fleet_system: System) -> Iterator[System]:
    """The shared system, whole: whoever the test before has killed is there again."""
    yield fleet_system.ready()
    fleet_system.release()


@pytest.fixture
def make_system(server: LocalRedis, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeSystem]:
    """Makes a system of this test's own, without processes, and closes it in the end."""
    made: list[System] = []

    def make(**settings: object) -> System:
        broker = {"broker_url": server.url(2)}
        system = System(settings.pop("server", server), tmp_path, **{**broker, **settings})  # type: ignore[arg-type]
        made.append(system)
        request.node.stash.setdefault(_SYSTEMS, []).append(system)
        return system

    yield make
    for system in made:
        system.close()


_SYSTEMS = pytest.StashKey[list[System]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Add the last lines of each process to the report of a failure."""
    report = yield
    if report.failed:
        shared = [item.funcargs["system"]] if "system" in item.funcargs else []
        for system in [*shared, *item.stash.get(_SYSTEMS, [])]:
            for process in system.fleet:
                report.sections.append((process.name, process.tail(LINES)))
    return report
