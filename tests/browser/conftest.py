"""Chromium in front of a whole system: worker, beat, listener and API with the dashboard."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from orchestrator.local import LocalRedis
from tests.browser.browsing import ARGUMENTS, AXE, CHROMIUM, Person, new_person
from tests.integration.system import System, token
from tests.receiver import Receiver, receiving

AsRole = Callable[..., Person]


@pytest.fixture(scope="session")
def shared_server() -> Iterator[LocalRedis]:
    """One Redis for all systems."""
    with LocalRedis() as redis:
        yield redis


@pytest.fixture(scope="session")
def receivers() -> Iterator[dict[str, Receiver]]:
    """Two places that alerts go to: channel → what takes its webhooks."""
    with receiving() as ops, receiving() as pager:
        yield {"ops": ops, "pager": pager}


def alert_settings(receivers: Mapping[str, Receiver]) -> dict[str, Any]:
    """Channels at these, with little patience."""
    secret = b64encode(b"b" * 32).decode()
    channels = {
        name: {"url": f"webhook+{one.url()}", "secret": secret, "on": ["failed"]} for name, one in receivers.items()
    }
    return {"alerts": channels, "alert_group_ms": 0, "alert_retry_ms": [50], "alert_timeout_ms": 2_000}


@pytest.fixture(scope="session")
def shared_system(
    shared_server: LocalRedis, receivers: dict[str, Receiver], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """The system that the pages are about; `base` is where they are. Failed runs are told to the two receivers."""
    folder = tmp_path_factory.mktemp("browsed")
    system = System(shared_server, folder, broker_url=shared_server.url(1), dashboard=True, **alert_settings(receivers))
    system.publish()
    system.start_worker()
    system.start_beat()
    system.start_listener()
    yield system
    system.close()


@pytest.fixture(scope="session")
def base(shared_system: System) -> str:
    """The dashboard's address."""
    url = shared_system.start_api()
    shared_system.ready()
    return url.replace("/api/v1", "/dashboard")


@pytest.fixture
def system(shared_system: System, base: str) -> Iterator[System]:
    """The shared system, whole."""
    del base
    yield shared_system.ready()
    shared_system.release()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all; everybody has a context of their own in it."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here; on Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, system: System, base: str) -> Iterator[Person]:
    """Somebody who is not logged in."""
    del system
    person = new_person(browser, base)
    yield person
    person.page.context.close()


@pytest.fixture
def as_role(browser: Browser, system: System, base: str) -> Iterator[AsRole]:
    """Somebody logged in with a key: `as_role("operator")`, or of some workflows only."""
    people: list[Person] = []

    def made(role: str, *workflows: str, user: str = "ada", groups: Sequence[str] = ()) -> Person:
        person = new_person(browser, base).log_in(token(system, role, *workflows, user=user, groups=groups))
        people.append(person)
        return person

    yield made
    for person in people:
        person.page.context.close()


@pytest.fixture
def axe() -> None:
    """Skips where the accessibility checker is not installed."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed; with npm: npm install --no-package-lock --prefix tests/browser")
