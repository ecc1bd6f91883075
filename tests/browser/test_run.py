"""A run's page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration

CLAIM = {"amount": 1200, "manager": "grace"}
DECLINED = {"amount": 1250, "payment_method_id": "pm_declined"}
CTX = {"user_id": "u-1", "user_email": "ada@example.com"}
ATLANTIS = {"city": "Atlantis", "traveller": "Ada"}


def box(person: Person, step: str) -> Locator:
    """A step in the graph."""
    return person.page.locator(f'.graph a.step[href="#step-{step}"]')


def noted(system: System, target: str) -> list[tuple[str, str, str, str]]:
    """What the audit log has of a target: action, user, outcome, reason."""
    found = system.client.access.read(None, 100)
    return [(one.action, one.user, one.outcome, one.reason) for one in found if one.target.startswith(target)]


def test_a_failed_run_shows_where_and_the_path_that_led_there(as_role: AsRole, system: System) -> None:
    """The error with its code, the states in the graph, attempts in the timeline, and each step's output."""
    run = system.client.start("payment.flow", DECLINED, ctx=CTX)
    ended(run)
    person = as_role("viewer")
    page = person.visit(f"/runs/{run.run_id}")

    expect(page.locator(".error-box").first).to_contain_text("card_declined at charge-payment")
    expect(box(person, "charge-payment")).to_have_class("step bad failed")
    expect(box(person, "send-receipt")).to_have_class("step quiet pending")
    expect(page.locator(".graph .line.taken.on-failure")).to_have_count(1)
    expect(page.locator(".gantt tbody tr")).to_have_count(3)
    box(person, "validate-payment").click()
    expect(page.locator("#step-validate-payment")).to_contain_text("paymentMethodId: pm_declined")
    assert person.errors == []


def test_what_was_undone_is_shown_as_such(as_role: AsRole, system: System) -> None:
    """In the graph, in the timeline, and as steps of their own."""
    run = system.client.start("examples.trip-saga", ATLANTIS)
    ended(run)
    person = as_role("viewer")

    page = person.visit(f"/runs/{run.run_id}")

    expect(page.get_by_text("undo completed", exact=True)).to_be_visible()
    expect(page.locator(".graph .undo.undoing")).to_have_count(2)
    expect(page.locator(".bar.undo.undoing")).to_have_count(2)
    person.keep("run-undone")


def test_a_run_is_seen_while_it_goes_on(as_role: AsRole, system: System) -> None:
    """Why it waits, then the decision and the end, without a reload; what was unfolded stays unfolded."""
    run = system.client.start("expense.claim", CLAIM)
    person = as_role("viewer")
    page = person.visit(f"/runs/{run.run_id}")
    expect(page.get_by_text("it waits for a decision by grace")).to_be_visible()
    page.locator("#step-manager > summary").click()

    system.client.approvals.decide(run.run_id, "manager", "approve", by="grace", form={"cost_centre": "42"})

    expect(page.locator(".heading").get_by_text("completed")).to_be_visible()
    expect(box(person, "pay")).to_have_class("step good completed")
    expect(page.locator("#step-manager")).to_contain_text("decision: approved")
    expect(page.locator("#step-manager")).to_have_attribute("open", "")


def test_pause_resume_and_cancel_with_reasons(as_role: AsRole, system: System) -> None:
    """Each asks first; the reason is in the audit log."""
    run = system.client.start("expense.claim", CLAIM)
    person = as_role("operator", user="olga")
    page = person.visit(f"/runs/{run.run_id}")

    for word, shown in (("Pause", "paused"), ("Resume", "running"), ("Cancel", "cancelled")):
        page.get_by_role("button", name=word, exact=True).click()
        person.confirm(word, f"because of {word}")
        expect(page.locator(".heading").get_by_text(shown)).to_be_visible()

    assert noted(system, f"runs/{run.run_id}") == [
        (verb, "olga", "done", f"because of {verb.capitalize()}") for verb in ("cancel", "resume", "pause")
    ]


def test_a_retry_may_bring_another_input(as_role: AsRole, system: System) -> None:
    """What is no JSON is refused with the reason, and nothing is done."""
    run = system.client.start("payment.flow", DECLINED, ctx=CTX)
    ended(run)
    page = (person := as_role("operator")).visit(f"/runs/{run.run_id}")

    page.get_by_role("button", name="Retry").click()
    page.get_by_label("Input").fill("not json")
    person.confirm("Retry")
    expect(page.get_by_role("alert")).to_contain_text("invalid_request")
    page.get_by_role("button", name="Retry").click()
    page.get_by_label("Input").fill('{"amount": 99, "payment_method_id": "pm_ok"}')
    person.confirm("Retry", "another card")

    until(lambda: run.describe().incarnation == 2, "it is begun again")
    assert run.describe().input["amount"] == 99


def test_an_approval_is_decided_by_whom_it_asks(as_role: AsRole, system: System) -> None:
    """Whoever is not asked is told so; a form that is not filled in right is refused."""
    run = system.client.start("expense.claim", CLAIM)
    other, asked = as_role("starter", user="mallory"), as_role("starter", user="grace")

    for person, form in ((other, '{"cost_centre": "42"}'), (asked, "{}"), (asked, '{"cost_centre": "42"}')):
        page = person.visit(f"/runs/{run.run_id}")
        page.get_by_role("button", name="Decide…").click()
        page.get_by_label("Form").fill(form)
        page.get_by_label("Comment").fill("fine")
        page.get_by_role("dialog").get_by_role("button", name="Decide").click()
        if form == "{}" or person is other:
            expect(page.get_by_role("alert")).to_contain_text("not_asked" if person is other else "invalid_input")

    decided = ended(run)
    assert decided.steps[0].output["by"] == "grace"
    assert decided.steps[0].output["comment"] == "fine"


def test_a_step_that_waits_is_skipped(as_role: AsRole, system: System) -> None:
    """With an output that stands for its own."""
    run = system.client.start("expense.claim", CLAIM)
    person = as_role("operator")
    page = person.visit(f"/runs/{run.run_id}")

    page.get_by_role("button", name="Skip…").click()
    page.get_by_label("Output").fill('{"by": "olga", "form": {"cost_centre": "42"}}')
    person.confirm("Skip", "she is on holiday")

    assert ended(run).status == "completed"


def test_a_signal_that_nobody_waits_for_is_refused(as_role: AsRole, system: System) -> None:
    """With its code, where it was sent from."""
    run = system.client.start("expense.claim", CLAIM)
    page = as_role("starter").visit(f"/runs/{run.run_id}")

    page.get_by_role("button", name="Signal").click()
    page.get_by_label("Name").fill("go-on")
    page.get_by_role("dialog").get_by_role("button", name="Signal").click()

    expect(page.get_by_role("alert")).to_contain_text("signal_not_expected")


def test_roles_are_asked_for_when_something_is_done(as_role: AsRole, system: System) -> None:
    """Buttons of a viewer are off, with the reason; a key that was revoked does nothing any more."""
    run = system.client.start("expense.claim", CLAIM)
    off = as_role("viewer").visit(f"/runs/{run.run_id}").get_by_role("button", name="Cancel")
    person = as_role("operator", user="leaving-soon")
    page = person.visit(f"/runs/{run.run_id}")
    (key,) = (one for one in system.client.access.all_keys() if one.user == "leaving-soon")

    system.client.access.revoke(key.id)
    page.get_by_role("button", name="Pause").click()
    person.confirm("Pause")

    expect(off).to_have_attribute("title", "This needs the role operator.")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert run.describe().status == "running"


def test_what_is_not_there_or_not_theirs_looks_the_same(as_role: AsRole, system: System) -> None:
    """A key of some workflows learns nothing of others."""
    run = system.client.start("expense.claim", CLAIM)
    person = as_role("admin", "payment.*")

    for run_id in (run.run_id, "no-such-run"):
        page = person.visit(f"/runs/{run_id}")
        expect(page.get_by_text(f"no run has the id '{run_id}'")).to_be_visible()
        expect(page.get_by_text("unknown_run")).to_be_visible()


def test_a_run_of_many_items_is_counted_and_fits(as_role: AsRole, system: System, axe: None) -> None:
    """A map is one box with counts; nothing on the page is a barrier, and a phone can show it."""
    del axe
    guests = [{"name": f"G{number}", "city": "Atlantis" if number % 10 == 0 else "Rome"} for number in range(60)]
    run = system.client.start("examples.map-tolerate", {"guests": guests})
    ended(run, 60)
    person = as_role("operator")

    page = person.visit(f"/runs/{run.run_id}")

    expect(box(person, "car")).to_contain_text("6 failed, 54 completed")
    expect(page.get_by_text("first those that failed")).to_be_visible()
    assert person.barriers() == []
    person.resize(NARROW)
    assert person.fits()
    person.keep("run-map")
