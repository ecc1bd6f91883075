"""What holds for all tests: none is timed, none leaves the logs set as it needed them, and browsers come last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from orchestrator import logs

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


_BROWSER = Path(__file__).parent / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Playwright leaves an event loop running in its thread, in which nobody else can start one."""
    items.sort(key=lambda item: _BROWSER in item.path.parents)


@pytest.fixture(autouse=True)
def logs_as_they_come() -> Iterator[None]:
    """A command that is called in the process of the tests sets its logs, with a stderr that is soon closed."""
    yield
    if logs._chosen:
        logs._chosen.clear()
        logs._structlog.cache_clear()
        structlog.reset_defaults()
