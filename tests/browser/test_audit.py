"""The audit log."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from orchestrator.client.audit import Actor
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended

pytestmark = pytest.mark.integration

CLAIM = {"amount": 1200, "manager": "grace"}


def rows(person: Person) -> list[str]:
    """What is listed, in words."""
    return person.page.locator("tbody tr").all_inner_texts()


def test_it_tells_who_did_what_to_which_from_where_and_why(as_role: AsRole, system: System) -> None:
    """What comes appears by itself; what it was done to is a link."""
    person = as_role("admin", user="anna")
    page = person.visit("/audit")
    run = system.client.start("expense.claim", CLAIM)

    actor = Actor("olga", "0123456789ab", "10.1.2.3", "curl/8")
    system.client.acting_for(actor).get(run.run_id).cancel("asked for by the customer")

    entry = page.locator("tbody tr", has_text=run.run_id).first
    for word in ("olga", "key 0123456789ab", "cancel", "asked for by the customer", "10.1.2.3", "curl/8", "done"):
        expect(entry).to_contain_text(word)
    expect(entry.get_by_role("link", name=run.run_id)).to_have_attribute("href", f"/dashboard/runs/{run.run_id}")
    assert person.errors == []


def test_what_was_denied_is_one_of_its_filters(as_role: AsRole, system: System) -> None:
    """Filters stand in the address, and narrow each other down."""
    viewer = as_role("viewer", user="mallory")
    viewer.visit("/audit")
    expect(viewer.page.get_by_text("forbidden")).to_be_visible()
    person = as_role("admin", user="anna")
    page = person.visit("/audit")

    page.get_by_role("link", name="denied", exact=True).click()
    expect(page).to_have_url(f"{person.base}/audit?outcome=denied")
    person.settle()
    page.get_by_label("Who").fill("mallory")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{person.base}/audit?user=mallory&outcome=denied")
    person.settle()

    assert len(rows(person)) >= 1
    assert all("mallory" in one and "denied" in one for one in rows(person))
    person.visit("/audit?target=no-such-thing")
    expect(page.get_by_text("No entry matches.")).to_be_visible()


def test_only_admins_of_everything_see_it(as_role: AsRole) -> None:
    """Others find it neither in the navigation nor by its address."""
    for person in (as_role("operator"), as_role("admin", "payment.*")):
        page = person.visit("/audit")
        expect(page.get_by_text("forbidden")).to_be_visible()
        expect(page.locator("table")).to_have_count(0)

    page = as_role("operator").visit("/runs")
    expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)


def test_it_is_paged(as_role: AsRole, system: System) -> None:
    """No entry twice; the newest are one link away."""
    for number in range(130):
        system.client.audit.note("test", f"things/{number}", "done", by="pat")
    person = as_role("admin")

    person.visit("/audit?user=pat")
    seen = rows(person)
    person.page.get_by_role("link", name="Older").click()
    person.page.wait_for_url("**before=**")
    person.settle()
    seen += rows(person)

    assert len(seen) >= 130
    assert len({one.split("things/")[1].split()[0] for one in seen}) == 130
    expect(person.page.get_by_role("link", name="Newest")).to_be_visible()


def test_it_looks_like_this(as_role: AsRole, system: System, axe: None) -> None:
    """Nothing on it is a barrier; a phone can show it."""
    del axe
    run = ended(system.pay("pm_declined"))
    system.client.acting_for(Actor("olga", "0123456789ab", "10.1.2.3", "curl/8")).get(run.run_id).retry("bank is back")
    as_role("viewer", user="mallory").visit("/audit")
    person = as_role("admin")
    person.visit("/audit")

    assert person.barriers() == []
    person.resize(NARROW)
    assert person.fits()
    person.keep("audit")
