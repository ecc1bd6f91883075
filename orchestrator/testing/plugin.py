"""The pytest plugin: the fixture `harness`, and the story of a test's runs beside its failure."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from orchestrator.testing.harness import Harness

_HARNESS: pytest.StashKey[Harness] = pytest.StashKey()


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Harness:
    """Makes flows out of specs, to be run on a virtual clock with scripted operations; unused scripts fail the test."""
    from orchestrator.testing.harness import Harness  # noqa: PLC0415  # most tests need none of it

    made = request.node.stash[_HARNESS] = Harness()
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that passes has played all its scripts."""
    yield
    if _HARNESS in item.stash:
        from orchestrator.testing.complaints import UnusedScripts  # noqa: PLC0415  # see above

        try:
            item.stash[_HARNESS].check()
        except UnusedScripts as complaint:
            pytest.fail(str(complaint), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what happened in the runs of a test that failed."""
    report = yield
    if report.failed and _HARNESS in item.stash and (story := item.stash[_HARNESS].story()):
        report.sections.append(("runs on the virtual clock", story))
    return report
