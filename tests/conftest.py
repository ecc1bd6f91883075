"""What holds for all tests: none is timed, and none leaves the logs set as it needed them."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
import structlog

from orchestrator import logs

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def logs_as_they_come() -> Iterator[None]:
    """A command that is called in the process of the tests sets its logs, with a stderr that is soon closed."""
    yield
    if logs._chosen:
        logs._chosen.clear()
        logs._structlog.cache_clear()
        structlog.reset_defaults()
