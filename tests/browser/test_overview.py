"""The first page: what needs a person, how runs did, what is under way."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration

CLAIM = {"amount": 1200, "manager": "grace"}


def need(person: Person, text: str) -> Locator:
    """What needs somebody, by its words."""
    return person.page.locator(".needs li", has_text=text)


def tile(person: Person, title: str) -> Locator:
    """A tile with figures."""
    return person.page.locator(".tile", has=person.page.get_by_role("heading", name=title))


def test_it_is_the_first_page_and_leads_on(as_role: AsRole, system: System) -> None:
    """After log-in; runs that fail are told of by themselves, and each need leads to where it is seen to."""
    person = as_role("operator", user="grace")
    page = person.page
    expect(page).to_have_url(f"{person.base}/overview")

    failed, asked = system.pay("pm_declined"), system.client.start("expense.claim", CLAIM)
    ended(failed)

    expect(need(person, "runs failed")).to_contain_text(failed.run_id)
    expect(need(person, "runs failed").get_by_role("link", name="Alerts")).to_have_attribute(
        "href", "/dashboard/alerts?state=open&kind=failed"
    )
    expect(need(person, "for your decision")).to_be_visible()
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
    total = system.client.overall().total

    page = person.visit("/overview")

    assert total.duration is not None
    expect(tile(person, "Runs started").locator("b")).to_have_text(f"{total.started:,}")
    expect(tile(person, "Success rate")).to_contain_text(f"{total.completed:,} of {total.completed + total.failed:,}")
    expect(tile(person, "How long runs took").locator(".trends path")).to_have_count(3)
    expect(page.get_by_role("region", name="By workflow")).to_contain_text("payment.flow")
    page.get_by_role("link", name="7 days").click()
    expect(page).to_have_url(f"{person.base}/overview?span=7d")


def test_what_the_doctor_finds_is_told(as_role: AsRole, system: System) -> None:
    """With advice and its code; of what a listener does, as soon as there is none."""
    person = as_role("viewer")
    person.visit("/overview")

    system.client.events.emit({"specversion": "1.0", "id": "e-1", "source": "/t", "type": "t"})
    expect(person.page.get_by_role("heading", name="What needs a person")).to_be_visible()

    findings = {one.code for one in system.client.doctor() if one.level != "ok"}
    shown = set(person.page.locator(".needs code").all_inner_texts())
    assert findings <= shown | {"dead_events"}


def test_a_key_of_some_workflows_sees_their_figures_alone(as_role: AsRole, system: System) -> None:
    """Neither others' names, nor their alerts, nor what the doctor says of everything."""
    other = system.client.start("expense.claim", CLAIM)
    ended(system.pay("pm_declined"))
    person = as_role("operator", "payment.*", user="paula")

    person.visit("/overview")

    expect(person.page.get_by_role("region", name="By workflow")).not_to_contain_text("expense")
    expect(need(person, "decision")).to_have_count(0)
    expect(person.page.locator(".needs code")).to_have_count(0)
    other.cancel()


def test_it_looks_like_this(as_role: AsRole, system: System, axe: None) -> None:
    """Nothing on it is a barrier; a phone can show it."""
    del axe, system
    person = as_role("admin")
    person.visit("/overview")

    assert person.barriers() == []
    person.resize(NARROW)
    assert person.fits()
    person.keep("overview")
