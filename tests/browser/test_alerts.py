"""Alerts: the list, one alert, where they go."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from orchestrator.client.shown import AlertDescription
from tests.browser.browsing import NARROW
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, until
from tests.receiver import Receiver

pytestmark = pytest.mark.integration

NEEDS_ADMIN = "This needs the role admin."


def alert_of_failure(system: System, state: str = "sent") -> AlertDescription:
    """The alert about a run that has failed, once the messages about it are in that state."""
    run = system.pay("pm_declined")
    ended(run)

    def found() -> list[AlertDescription]:
        return [
            one
            for one in system.client.alerts.list(run=run.run_id).alerts
            if len(one.deliveries) == 2 and all(sent.state in ("sent", state) for sent in one.deliveries)
        ]

    until(found, f"the failure of {run.run_id} is told")
    return found()[0]


def audited(system: System, action: str, target: str) -> tuple[str, str, str]:
    """User, outcome and reason of the newest such entry."""
    return next(
        (one.user, one.outcome, one.reason)
        for one in system.client.access.read(None, 100)
        if (one.action, one.target) == (action, target)
    )


def test_filters_stand_in_the_address(as_role: AsRole, system: System) -> None:
    """Open ones at first; one that comes appears by itself, and leads to its page."""
    person = as_role("viewer")
    page = person.visit("/alerts")
    alert = alert_of_failure(system)
    expect(page.locator("tbody tr", has_text=alert.run_id)).to_be_visible()

    person.visit(f"/alerts?run={alert.run_id}")
    page.get_by_label("About").select_option("sla")
    expect(page).to_have_url(f"{person.base}/alerts?run={alert.run_id}&kind=sla")
    person.settle()
    expect(page.get_by_text("No alert matches.")).to_be_visible()
    person.visit(f"/alerts?kind=failed&run={alert.run_id}")
    page.get_by_role("link", name="payment.flow: run failed").click()

    expect(page).to_have_url(f"{person.base}/alerts/{alert.id}")
    expect(page.get_by_role("region", name="Messages")).to_contain_text("ops")
    expect(page.get_by_role("region", name="Messages")).to_contain_text("pager")
    assert person.errors == []


def test_an_alert_is_acknowledged_then_resolved_with_comments(as_role: AsRole, system: System) -> None:
    """Under the name of whoever is logged in; a resolved one offers nothing more."""
    alert = alert_of_failure(system)
    person = as_role("operator", user="olga")
    page = person.visit(f"/alerts/{alert.id}")

    for word, state, comment in (("Acknowledge", "acknowledged", "on it"), ("Resolve", "resolved", "paid by hand")):
        page.get_by_role("button", name=word, exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Comment").fill(comment)
        dialog.get_by_role("button", name=word, exact=True).click()
        expect(page.locator(".heading").get_by_text(state)).to_be_visible()
        assert audited(system, f"{word.lower()}_alert", f"alerts/{alert.id}") == ("olga", "done", comment)

    expect(page.get_by_role("button", name="Resolve")).not_to_be_visible()
    expect(page.locator(".pairs")).to_contain_text("paid by hand")


def test_many_are_resolved_at_once(as_role: AsRole, system: System) -> None:
    """They leave the list of open ones."""
    alerts = [alert_of_failure(system) for _ in range(2)]
    person = as_role("operator", user="olga")
    page = person.visit("/alerts")

    for alert in alerts:
        page.get_by_label(f"Select {alert.id}").check()
    page.get_by_role("button", name="Resolve selected").click()
    page.get_by_role("dialog").get_by_role("button", name="Resolve", exact=True).click()

    expect(page.get_by_text("Resolve: 2 of 2 alerts")).to_be_visible()
    for alert in alerts:
        expect(page.get_by_label(f"Select {alert.id}")).to_have_count(0)


def test_lists_are_paged(as_role: AsRole, system: System) -> None:
    """No alert twice; the first page is one link away."""
    for _ in range(52 - len(system.client.alerts.list(limit=60).alerts)):
        ended(system.pay("pm_declined"))
    until(lambda: len(system.client.alerts.list(limit=60).alerts) >= 52, "all are raised")
    person = as_role("viewer")

    page = person.visit("/alerts?state=all")
    seen = page.locator("tbody input").evaluate_all("all => all.map(one => one.dataset.row)")
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**cursor=**")
    person.settle()
    seen += page.locator("tbody input").evaluate_all("all => all.map(one => one.dataset.row)")

    assert len(seen) == len(set(seen)) >= 52
    expect(page.get_by_role("link", name="First page")).to_be_visible()


def test_a_test_message_says_what_came_of_it(as_role: AsRole, system: System, receivers: dict[str, Receiver]) -> None:
    """For admins; whoever is none is told why not."""
    before = len(receivers["ops"].received)
    off = as_role("operator").visit("/alerts/channels").get_by_role("button", name="Send a test message").first
    expect(off).to_have_attribute("title", NEEDS_ADMIN)
    person = as_role("admin", user="anna")
    channel = person.visit("/alerts/channels").get_by_role("region", name="Channel ops")

    channel.get_by_role("button", name="Send a test message").click()
    person.page.get_by_role("dialog").get_by_role("button", name="Send", exact=True).click()

    expect(channel.get_by_role("status")).to_contain_text("sent")
    assert len(receivers["ops"].received) > before
    assert audited(system, "test_channel", "alert-channels/ops")[:2] == ("anna", "done")


def test_what_was_given_up_is_sent_again(as_role: AsRole, system: System, receivers: dict[str, Receiver]) -> None:
    """It is listed with the reason; replayed, it goes out and leaves the list."""
    receivers["pager"].statuses = (500,)
    alert = alert_of_failure(system, "dead")
    receivers["pager"].statuses = (200,)
    (dead,) = (one.id for one in alert.deliveries if one.state == "dead")
    person = as_role("operator", user="olga")
    page = person.visit("/alerts/channels")
    expect(page.locator("tbody tr", has_text=dead)).to_contain_text("500")

    page.get_by_label(f"Select {dead}").check()
    page.get_by_role("button", name="Replay selected").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay", exact=True).click()

    expect(page.locator("tbody tr", has_text=dead)).to_have_count(0)
    until(lambda: system.client.alerts.delivery(dead).state == "sent", "it is sent")
    assert audited(system, "replay_alert", f"alert-deliveries/{dead}")[:2] == ("olga", "done")


def test_a_key_of_some_workflows_sees_their_alerts_alone(as_role: AsRole, system: System) -> None:
    """Others look as if they were not there; what was given up is not told."""
    alert = alert_of_failure(system)
    person = as_role("operator", "elsewhere.*")

    page = person.visit("/alerts")
    expect(page.get_by_text("No alert is open.")).to_be_visible()
    person.visit(f"/alerts/{alert.id}")
    expect(page.get_by_text("unknown_alert")).to_be_visible()
    person.visit("/alerts/channels")
    expect(page.get_by_text("A key for some workflows only may not do this.")).to_be_visible()


def test_it_looks_like_this(as_role: AsRole, system: System, receivers: dict[str, Receiver], axe: None) -> None:
    """Nothing is a barrier on any of the pages; a phone can show them."""
    del axe
    receivers["pager"].statuses = (500,)
    alert = alert_of_failure(system, "dead")
    receivers["pager"].statuses = (200,)
    system.client.alerts.acknowledge(alert.id, "on it", by="grace")
    alert_of_failure(system)
    person = as_role("admin")

    for name, path in (
        ("alerts", "/alerts?state=all"),
        ("alert", f"/alerts/{alert.id}"),
        ("alert-channels", "/alerts/channels"),
    ):
        person.visit(path)
        assert person.barriers() == []
        person.resize(NARROW)
        assert person.fits(), name
        person.keep(name)
