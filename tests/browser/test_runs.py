"""The list of runs."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from orchestrator import Start
from orchestrator.client.audit import Actor
from tests.browser.browsing import Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended

pytestmark = pytest.mark.integration

PAYMENT = {"amount": 1250, "payment_method_id": "pm_ok"}
DECLINED = {"amount": 1250, "payment_method_id": "pm_declined"}
CTX = {"user_id": "u-1", "user_email": "ada@example.com"}


def rows(person: Person) -> list[str]:
    """The ids of the runs that are listed."""
    return [str(one.get_attribute("title")) for one in person.page.locator("tbody td.main a").all()]


def test_filters_stand_in_the_address(as_role: AsRole, system: System) -> None:
    """A link shows what its sender saw; what is not asked for is not in it."""
    good = system.client.start("payment.flow", PAYMENT, ctx=CTX)
    bad = system.client.start("payment.flow", DECLINED, ctx=CTX)
    ended(good), ended(bad)
    person = as_role("viewer")

    page = person.visit("/runs")
    page.get_by_role("link", name="failed", exact=True).click()
    expect(page).to_have_url(f"{person.base}/runs?status=failed")
    person.settle()
    page.get_by_label("Workflow").select_option("payment.flow")
    expect(page).to_have_url(f"{person.base}/runs?workflow=payment.flow&status=failed")
    person.settle()

    assert bad.run_id in rows(person)
    assert good.run_id not in rows(person)
    assert person.errors == []


def test_a_run_is_found_by_its_id(as_role: AsRole, system: System) -> None:
    """And where nothing matches, the page says what to do."""
    run = system.client.start("payment.flow", PAYMENT, ctx=CTX)
    person = as_role("viewer")
    page = person.visit("/runs")

    page.get_by_role("searchbox").fill(run.run_id)
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(f"{person.base}/runs?text=no-such-thing")

    expect(page.get_by_text("No run matches.")).to_be_visible()
    page.get_by_role("link", name="Show all runs").click()
    expect(page).to_have_url(f"{person.base}/runs")


def test_new_runs_appear_and_go_on_by_themselves(as_role: AsRole, system: System) -> None:
    """What was selected stays selected, whatever comes above it."""
    first = system.client.start("payment.flow", PAYMENT, ctx=CTX)
    ended(first)
    person = as_role("operator")
    page = person.visit("/runs")
    page.get_by_label(f"Select {first.run_id}").check()

    second = system.client.start("payment.flow", PAYMENT, ctx=CTX)

    row = page.locator("tbody tr", has_text=second.run_id)
    expect(row).to_be_visible()
    expect(row.get_by_text("completed", exact=True)).to_be_visible()
    expect(page.get_by_label(f"Select {first.run_id}")).to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_lists_are_paged(as_role: AsRole, system: System) -> None:
    """No run twice, none left out; the first page is one link away."""
    runs = system.client.start_many([Start("payment.flow", PAYMENT, CTX) for _ in range(60)])
    for run in runs:
        ended(run)
    person = as_role("viewer")

    person.visit("/runs?sort=oldest")
    seen = rows(person)
    person.page.get_by_role("link", name="Next page").click()
    person.page.wait_for_url("**cursor=**")
    person.settle()
    seen += rows(person)

    assert len(seen) == len(set(seen)) > 50
    expect(person.page.get_by_role("link", name="First page")).to_be_visible()


def test_the_selected_are_cancelled_with_a_reason(as_role: AsRole, system: System) -> None:
    """The reason is in the run's history and the audit log, under the name of whoever is logged in."""
    run = system.client.start("expense.claim", {"amount": 1200, "manager": "ada"})
    person = as_role("operator", user="grace")
    page = person.visit("/runs")

    page.get_by_label(f"Select {run.run_id}").check()
    page.get_by_role("button", name="Cancel selected").click()
    person.confirm("Cancel", "asked for by the customer")

    expect(page.get_by_text("Cancel: 1 of 1 runs")).to_be_visible()
    assert ended(run).status == "cancelled"
    noted, _start = (one for one in system.client.access.read(None, 100) if one.target == f"runs/{run.run_id}")
    assert (noted.action, noted.user, noted.reason) == ("cancel", "grace", "asked for by the customer")


def test_all_that_match_are_retried_by_a_job(as_role: AsRole, system: System) -> None:
    """It is worked off in the background, and the page shows how far it has come."""
    run = system.client.start("payment.flow", DECLINED, ctx=CTX)
    ended(run)
    person = as_role("operator")
    page = person.visit(f"/runs?text={run.run_id}")

    page.get_by_role("button", name="Retry all that match…").click()
    person.confirm("Retry all", "the bank is back")

    expect(page.get_by_text("1 done, 0 passed over, 0 failed")).to_be_visible()
    assert run.describe().incarnation == 2


def test_who_may_not_act_is_told_why(as_role: AsRole) -> None:
    """The buttons are there, off, with the reason."""
    page = as_role("viewer").visit("/runs")

    off = page.get_by_role("button", name="Cancel all that match…")

    expect(off).to_have_attribute("aria-disabled", "true")
    expect(off).to_have_attribute("title", "This needs the role operator.")


def test_a_key_of_some_workflows_sees_no_others(as_role: AsRole, system: System) -> None:
    """Neither their runs nor their names."""
    other = system.client.start("examples.sequence", {"name": "Ada"})
    person = as_role("viewer", "payment.*")

    page = person.visit("/runs")

    assert other.run_id not in rows(person)
    expect(page.get_by_label("Workflow").locator("option")).to_have_text(["all", "payment.flow"])


def test_texts_of_runs_stay_texts(as_role: AsRole, system: System) -> None:
    """Whatever a name or a message holds, no script of it runs."""
    name = "<img src=x onerror=alert(1)>"
    system.client.acting_for(Actor(name)).start("payment.flow", PAYMENT, ctx=CTX)
    person = as_role("viewer")

    page = person.visit("/runs")

    expect(page.get_by_text(name).first).to_be_visible()
    assert person.errors == []


def test_it_looks_like_this(as_role: AsRole) -> None:
    """Artifacts, to be looked at."""
    person = as_role("operator")
    person.visit("/runs")

    person.keep("runs")
