"""Queues: the list, and the page of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from orchestrator import Meta, Step, define_workflow
from orchestrator.store.events import Burial
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System

pytestmark = pytest.mark.integration

QUEUE = "fleet-reports"
KEY = "fleet.report"


@pytest.fixture
def lonely(system: System) -> Iterator[System]:
    """Two messages wait in a queue from which nobody takes."""
    step = Step(id="a", operation="text.upper", inputs={"text": "x"}, queue=QUEUE)
    system.publish(define_workflow(meta=Meta(key=KEY, version="1.0.0"), steps=[step]))
    runs = [system.client.start(KEY) for _ in range(2)]
    yield system
    for run in runs:
        run.cancel()
    system.broker.delete(QUEUE)


def row(person: Person, queue: str) -> Locator:
    """A queue in the list."""
    return person.page.locator("tbody tr").filter(has=person.page.get_by_role("link", name=queue, exact=True))


def test_what_waits_and_where_nobody_works_is_seen(as_role: AsRole, lonely: System) -> None:
    """A count, its age, its priority, and a mark; what comes meanwhile is counted by itself."""
    person = as_role("viewer")

    person.visit("/queues")

    expect(row(person, QUEUE)).to_contain_text("no worker")
    count = row(person, QUEUE).get_by_role("cell").nth(1)
    expect(count).to_have_text(re.compile(r"^[1-9]\d*$"))
    expect(row(person, "default")).not_to_contain_text("no worker")
    before = count.inner_text()
    run = lonely.client.start(KEY)
    expect(count).not_to_have_text(before)
    run.cancel()
    assert person.errors == []


def test_queues_without_workers_are_one_link_away(as_role: AsRole, lonely: System) -> None:
    """Filters stand in the address."""
    del lonely
    person = as_role("viewer")
    page = person.visit("/queues")

    page.get_by_role("link", name="without workers").click()
    expect(page).to_have_url(f"{person.base}/queues?show=nobody")
    person.settle()

    expect(row(person, QUEUE)).to_be_visible()
    expect(row(person, "default")).to_have_count(0)
    page.goto(f"{person.base}/queues?text=no-such-queue")
    page.get_by_role("link", name="Show all queues").click()
    expect(page).to_have_url(f"{person.base}/queues")


def test_a_queue_has_its_hour_its_workers_and_its_senders(as_role: AsRole, lonely: System) -> None:
    """With numbers beside the charts, and links on."""
    del lonely
    person = as_role("viewer")
    page = person.visit("/queues")

    page.get_by_role("link", name=QUEUE, exact=True).click()
    expect(page).to_have_url(f"{person.base}/queues/{QUEUE}")

    expect(page.get_by_role("heading", level=1)).to_contain_text(QUEUE)
    expect(page.get_by_role("link", name=f"{KEY}@1.0.0")).to_have_attribute(
        "href", "/dashboard/workflows/fleet.report?version=1.0.0"
    )
    expect(page.get_by_text("Nobody takes from it")).to_be_visible()
    expect(page.get_by_role("img", name="Messages that waited")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("[1-9]\\d* waited at most"))).to_be_visible()
    page.get_by_text("Numbers of the last hour").click()
    expect(page.get_by_role("region", name="Numbers of the last hour")).to_be_visible()


def test_dead_letters_are_told_of(as_role: AsRole, system: System) -> None:
    """Above the list, with what to do."""
    system.client.event_store.bury([Burial("1-0", "{}", "no event")])
    person = as_role("viewer")

    page = person.visit("/queues")

    expect(page.get_by_text("given up")).to_be_visible()
    system.client.events.discard("all")
    expect(page.get_by_text("given up")).to_have_count(0)


def test_a_key_for_some_workflows_learns_of_no_others(as_role: AsRole, lonely: System) -> None:
    """The queue is there, its senders are not."""
    del lonely
    person = as_role("viewer", "payment.*")

    page = person.visit(f"/queues/{QUEUE}")

    expect(page.get_by_text("No version in use sends to it")).to_be_visible()
    expect(page.get_by_text(KEY)).to_have_count(0)


def test_it_looks_like_this(as_role: AsRole, lonely: System, axe: None) -> None:
    """Artifacts, to be looked at; nothing serious for axe-core."""
    del lonely, axe
    person = as_role("admin")

    for name, path in (("queues", "/queues"), ("queue", "/queues/default")):
        person.visit(path)
        person.keep(name)
        assert person.barriers() == []
        person.resize(NARROW)
        assert person.fits()
