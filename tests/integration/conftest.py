"""Systems of real processes; what their processes printed stands beside a failure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from orchestrator.local import LocalRedis
from tests.integration.system import System

MakeSystem = Callable[..., System]
LINES = 60
_SYSTEMS = pytest.StashKey[list[System]]()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[LocalRedis]:
    """One Redis for all systems, each with a namespace of its own."""
    with LocalRedis() as redis:
        yield redis


@pytest.fixture
def server(shared_server: LocalRedis) -> LocalRedis:
    """The Redis of a test's own systems; a module whose tests harm it has another."""
    return shared_server


@pytest.fixture(scope="session")
def shared_system(shared_server: LocalRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that most tests share: two workers and a beat."""
    system = System(shared_server, tmp_path_factory.mktemp("system"), broker_url=shared_server.url(1))
    system.publish()
    for name in ("worker-1", "worker-2"):
        system.start_worker(name)
    system.start_beat()
    yield system.ready()
    system.close()


@pytest.fixture
def system(shared_system: System, request: pytest.FixtureRequest) -> Iterator[System]:
    """The shared system, whole: whoever the test before has killed is there again."""
    request.node.stash[_SYSTEMS] = [shared_system]
    yield shared_system.ready()
    shared_system.release()


@pytest.fixture(scope="session")
def api_url(shared_system: System) -> str:
    """The address of an API beside the shared system."""
    url = shared_system.start_api()
    shared_system.ready()
    return url


@pytest.fixture
def make_system(server: LocalRedis, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeSystem]:
    """Makes a system of this test's own, without processes, and closes it in the end."""
    made: list[System] = []

    def make(**settings: object) -> System:
        made.append(System(server, tmp_path, broker_url=server.url(2), **settings))
        return made[-1]

    request.node.stash[_SYSTEMS] = made
    yield make
    for system in made:
        system.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last lines of each process to the report of a failure."""
    report = yield
    if report.failed:
        for system in item.stash.get(_SYSTEMS, []):
            for process in system.fleet:
                report.sections.append((process.name, process.tail(LINES)))
    return report
