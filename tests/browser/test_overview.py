"""The first page: what needs a person, how runs did, what is under way."""

from __future__ import annotations

from random import Random

import pytest
from playwright.sync_api import Locator, expect

from orchestrator import Orchestrator
from orchestrator.store.metrics import HOUR_MS
from orchestrator.store.positions import START
from orchestrator.store.sketches import Sketch
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, token, until
from tests.integration.workflows import upper_step, workflow

pytestmark = pytest.mark.integration

CLAIM = {"amount": 1200, "manager": "grace"}


def need(person: Person, text: str) -> Locator:
    """What needs somebody, by its words."""
    return person.page.locator(".needs li", has_text=text)


def tile(person: Person, title: str) -> Locator:
    """A tile with figures."""
    return person.page.locator(".tile", has=person.page.get_by_role("heading", name=title))


def run_for_a_day(system: System) -> None:
    """As if the workflows had run for a day: the sums that the listener would have kept."""
    drawn, now_ms = Random(7), system.client.store.time_ms()
    for key, busy in (("payment.flow", 40), ("examples.trip-saga", 12), ("expense.claim", 3)):
        for hour in range(now_ms - now_ms % HOUR_MS - 23 * HOUR_MS, now_ms, HOUR_MS):
            runs = drawn.randint(busy // 2, busy * 2) if hour // HOUR_MS % 24 not in (1, 2) else 0
            failed, breached = runs // drawn.randint(12, 60), runs // drawn.randint(20, 80)
            took = Sketch.of(drawn.lognormvariate(7.5, 0.8) for _ in range(runs))
            sums = {
                "1.0.0||started": runs,
                "1.0.0||completed": runs - failed,
                "1.0.0||failed": failed,
                "1.0.0||sla_met": runs - breached,
                "1.0.0||sla_breached": breached,
                "1.0.0||duration|sum": round(took.total * 1000),
                **{f"1.0.0||duration|{bucket}": count for bucket, count in took.counts.items()},
            }
            assert system.client.sums.add(f"seeded-{key}-{hour}", 0, START, "1-0", {(key, hour): sums})


def test_it_is_the_first_page_and_leads_on(as_role: AsRole, system: System) -> None:
    """Runs that fail are told of by themselves, and each need leads to where it is seen to."""
    person = as_role("operator", user="grace")
    page = person.visit("/")
    expect(page).to_have_url(f"{person.base}/overview")

    failed, asked = system.pay("pm_declined"), system.client.start("expense.claim", CLAIM)
    ended(failed)

    expect(need(person, "Runs failed")).to_contain_text(failed.run_id)
    expect(need(person, "Runs failed").get_by_role("link", name="Alerts")).to_have_attribute(
        "href", "/dashboard/alerts?state=open&kind=failed"
    )
    expect(need(person, "Approvals for you").get_by_role("link", name="Approvals")).to_have_attribute(
        "href", "/dashboard/approvals"
    )
    expect(page.locator(".counts a", has_text="running").locator("b")).not_to_have_text("0")
    asked.cancel()
    assert person.errors == []


def test_figures_are_of_the_span_in_the_address(as_role: AsRole, system: System) -> None:
    """They follow the sums that the listener keeps; another span is a link."""
    before = system.client.overall().total.completed
    for _ in range(3):
        ended(system.pay())
    until(lambda: system.client.overall().total.completed >= before + 3, "they are counted")
    person = as_role("viewer")
    with Orchestrator.connect(person.base.removesuffix("/dashboard"), api_key=token(system, "viewer")) as client:
        total = client.overall().total  # by the process that serves the page: others may have seen late sums earlier

    page = person.visit("/overview")

    assert total.duration is not None
    expect(tile(person, "Runs started").locator("b")).to_have_text(f"{total.started:,}")
    expect(tile(person, "Success rate")).to_contain_text(f"{total.completed:,} of {total.completed + total.failed:,}")
    expect(tile(person, "How long runs took").locator(".trends path")).to_have_count(3)
    expect(page.get_by_role("region", name="Figures of workflows")).to_contain_text("payment.flow")
    page.get_by_role("link", name="7 days").click()
    expect(page).to_have_url(f"{person.base}/overview?span=7d")


def test_what_the_doctor_finds_is_told(as_role: AsRole, system: System) -> None:
    """With advice and its code, as soon as it does: here of a queue that no worker takes from."""
    person = as_role("viewer")
    person.visit("/overview")

    system.publish(workflow("lonely", upper_step("a", queue="nobody")))

    expect(need(person, "No worker takes from the queue 'nobody'")).to_contain_text("queue_without_worker")
    expect(need(person, "'nobody'").get_by_role("link", name="Queues")).to_have_attribute(
        "href", "/dashboard/queues?show=nobody"
    )
    expect(need(person, "'nobody'").locator("code").first).to_have_text("celery -A workers worker -Q nobody")


def test_a_key_of_some_workflows_sees_their_figures_alone(as_role: AsRole, system: System) -> None:
    """Neither others' names, nor their alerts, nor what the doctor says of everything."""
    other = system.client.start("expense.claim", CLAIM)
    ended(system.pay("pm_declined"))
    person = as_role("operator", "payment.*", user="paula")

    person.visit("/overview")

    expect(person.page.get_by_role("region", name="Figures of workflows")).not_to_contain_text("expense")
    expect(need(person, "Approvals")).to_have_count(0)
    expect(person.page.locator(".needs code")).to_have_count(0)
    other.cancel()


def test_it_looks_like_this(as_role: AsRole, system: System, axe: None) -> None:
    """After a day's work; nothing on it is a barrier, and a phone can show it."""
    del axe
    system.client.start("expense.claim", CLAIM)
    ended(system.pay("pm_declined"))
    run_for_a_day(system)
    person = as_role("admin")
    person.visit("/overview")

    assert person.barriers() == []
    person.resize(NARROW)
    assert person.fits()
    person.keep("overview")
