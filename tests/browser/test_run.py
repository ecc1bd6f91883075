"""A run's page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from orchestrator import Step
from orchestrator.local import LocalRedis
from tests.browser.browsing import NARROW, Person, new_person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, token, until
from tests.integration.workflows import charge_step, upper_step, workflow

pytestmark = pytest.mark.integration

CLAIM = {"amount": 1200, "manager": "grace"}
DECLINED = {"amount": 1250, "payment_method_id": "pm_declined"}
CTX = {"user_id": "u-1", "user_email": "ada@example.com"}
ATLANTIS = {"city": "Atlantis", "traveller": "Ada"}


def box(person: Person, step: str) -> Locator:
    """A step in the graph."""
    return person.page.locator(f'.graph a.step[href="#step-{step}"]')


def noted(system: System, target: str) -> list[tuple[str, str, str, str]]:
    """What the audit log has of a target, but for its start: action, user, outcome, reason."""
    found = [one for one in system.client.access.read(None, 100) if one.action != "start"]
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
    """By the fields of its schema; what does not fit is said at its field, and nothing is done."""
    run = system.client.start("payment.flow", DECLINED, ctx=CTX)
    ended(run)
    page = (person := as_role("operator")).visit(f"/runs/{run.run_id}")

    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_label("amount").fill("much")
    person.confirm("Retry")
    expect(page.get_by_role("dialog").locator(".wrong")).to_be_visible()
    page.get_by_role("dialog").get_by_label("amount").fill("99")
    page.get_by_role("dialog").get_by_label("Payment Method Id").fill("pm_ok")
    person.confirm("Retry", "another card")

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert ended(run).input == {"amount": 99, "payment_method_id": "pm_ok"}
    assert run.describe().incarnation == 2


def test_an_approval_is_decided_by_whom_it_asks(as_role: AsRole, system: System) -> None:
    """Whoever is not asked is told so; a form that is not filled in right is refused."""
    run = system.client.start("expense.claim", CLAIM)
    other, asked = as_role("starter", user="mallory"), as_role("starter", user="grace")

    for person, centre in ((other, "42"), (asked, ""), (asked, "42")):
        page = person.visit(f"/runs/{run.run_id}")
        page.get_by_role("button", name="Decide…").click()
        page.get_by_label("cost_centre").fill(centre)
        page.get_by_label("Comment").fill("fine")
        page.get_by_role("dialog").get_by_role("button", name="Decide").click()
        if person is other or not centre:
            expect(page.get_by_role("alert")).to_contain_text("not_asked" if person is other else "invalid_input")
            expect(page.get_by_role("dialog")).to_be_visible()

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


def test_a_signal_reaches_the_step_that_waits_for_it(as_role: AsRole, system: System) -> None:
    """With its data, under the name of whoever is logged in; a second one with its id is the first."""
    system.publish(workflow("signalled", Step(id="go", event={"signal": "go-on"}), upper_step("after")))
    run = system.client.start("tests.signalled")
    page = as_role("starter", user="sid").visit(f"/runs/{run.run_id}")

    page.get_by_role("button", name="Signal").click()
    page.get_by_label("Name").fill("go-on")
    page.get_by_label("Data").fill('{"by": "lorry"}')
    page.get_by_role("dialog").get_by_role("button", name="Signal").click()

    assert ended(run).steps[0].output["data"] == {"by": "lorry"}
    expect(page.locator("#history")).to_contain_text("signal go-on has come")


def test_an_undo_by_hand_shows_first_what_it_would_do(as_role: AsRole, system: System) -> None:
    """Newest first, with the inputs; then it is done, and the page follows it."""
    failing = Step(id="late", operation="unstable.call", inputs={"failures": 9, "code": "bad_request"})
    system.publish(workflow("by-hand", charge_step(), failing, compensation={"trigger": "manual"}))
    run = system.client.start("tests.by-hand", {"method": "pm_ok"})
    ended(run)
    person = as_role("operator", user="olga")
    page = person.visit(f"/runs/{run.run_id}")
    expect(page.locator(".heading").get_by_text("undo pending")).to_be_visible()

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("dialog").locator("ol > li").first).to_contain_text("charge by payments.refund")
    person.confirm("Undo", "the customer asked")

    expect(page.locator(".heading").get_by_text("undo completed")).to_be_visible()
    assert len(system.refunds(run)) == 1
    assert noted(system, f"runs/{run.run_id}") == [("undo", "olga", "done", "the customer asked")]


def test_an_undo_that_failed_is_waived(as_role: AsRole, system: System) -> None:
    """It is said to have been done by hand, by whom; the run's undo is then complete."""
    undo = {
        "operation": "unstable.call",
        "inputs": {"failures": 9, "code": "bad_request"},
        "retry": {"max_attempts": 1},
    }
    failing = Step(id="late", operation="unstable.call", inputs={"failures": 9, "code": "bad_request"})
    system.publish(workflow("waived", charge_step(compensation=undo), failing))
    run = system.client.start("tests.waived", {"method": "pm_ok"})
    ended(run)
    person = as_role("operator", user="olga")
    page = person.visit(f"/runs/{run.run_id}")
    expect(page.locator(".heading").get_by_text("undo failed")).to_be_visible()

    page.get_by_role("button", name="Waive…").click()
    person.confirm("Waive", "paid back in cash")

    expect(page.locator(".heading").get_by_text("undo completed")).to_be_visible()
    expect(page.locator("#history")).to_contain_text("undo of charge waived: it was done by hand by olga")
    assert noted(system, f"runs/{run.run_id}")[0][:3] == ("waive", "olga", "done")


def test_an_sla_that_is_broken_is_seen(as_role: AsRole, system: System) -> None:
    """On the run, on the step, in the history, and in the list, while the run goes on."""
    nap = Step(id="nap", event={"signal": "wake"}, sla={"max_duration": "200ms"})
    system.publish(workflow("late", nap, sla={"max_duration": "300ms"}))
    run = system.client.start("tests.late")
    person = as_role("viewer")
    page = person.visit(f"/runs/{run.run_id}")

    expect(page.locator(".pairs .badge", has_text="breached").first).to_be_visible()
    expect(page.locator(".steps .badge", has_text="SLA breached")).to_be_visible()
    expect(page.locator("#history")).to_contain_text("run is late: its SLA is 300 ms")
    page = person.visit("/runs?sla=breached")

    expect(page.locator("tbody tr", has_text=run.run_id)).to_contain_text("SLA breached")


def test_an_archived_run_is_read_not_acted_on(
    browser: Browser, shared_server: LocalRedis, tmp_path: Path, axe: None
) -> None:
    """It is marked as such, and what could be done to it is off, with the reason; the list marks it too."""
    del axe
    archive = f"sqlite:///{tmp_path / 'archive.sqlite'}"
    kept = {"retention_ms": 1_000, "archive_url": archive}
    system = System(shared_server, tmp_path, broker_url=shared_server.url(2), dashboard=True, **kept)
    try:
        assert system.client.archive is not None
        system.client.archive.upgrade()
        system.publish()
        for start in (system.start_worker, system.start_beat, system.start_listener):
            start()
        base = system.start_api().replace("/api/v1", "/dashboard")
        run = system.ready().pay("pm_declined")
        until(lambda: run.describe().archived, "it is in the archive alone", 60)
        person = new_person(browser, base).log_in(token(system, "operator"))
        page = person.visit(f"/runs/{run.run_id}")

        expect(page.locator(".heading").get_by_text("archived")).to_be_visible()
        off = page.get_by_role("button", name="Retry")
        expect(off).to_have_attribute("aria-disabled", "true")
        expect(off).to_have_attribute("title", "This run is in the archive: it can be read, not acted on.")
        assert person.barriers() == []
        expect(person.visit("/runs").locator("tbody tr", has_text=run.run_id)).to_contain_text("archived")
    finally:
        system.close()


def test_a_lost_connection_is_said_and_got_over(as_role: AsRole, system: System) -> None:
    """A notice while it lasts; afterwards the page shows what happened meanwhile."""
    run = system.client.start("expense.claim", CLAIM)
    person = as_role("viewer")
    page = person.visit(f"/runs/{run.run_id}")

    page.context.set_offline(True)
    page.evaluate("window.socket.io.engine.close()")
    expect(page.get_by_text("Connection lost")).to_be_visible()
    run.cancel("meanwhile", "ada")
    page.context.set_offline(False)

    expect(page.locator(".heading").get_by_text("cancelled")).to_be_visible()
    expect(page.get_by_text("Connection lost")).not_to_be_visible()


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
