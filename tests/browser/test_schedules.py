"""Schedules: the list, one of them, and what can be done about it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from orchestrator import define_workflow
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration

NIGHTLY = {"name": "nightly/eu", "cron": "0 2 * * *", "zone": "Europe/Berlin", "jitter": "5m"}
TICK = {"name": "tick", "every": "1s", "overlap": "allow_all"}
HOURLY = {"name": "hourly", "every": "1h"}
REFUSED = {"name": "refused", "every": "1s", "inputs": {"number": "${int(run.scheduled_at)}"}}


@pytest.fixture
def publish(system: System) -> Any:
    """Publishes a workflow with schedules, of which nobody else knows: its key."""

    def made(*schedules: Mapping[str, Any]) -> str:
        key = f"test.s{secrets.token_hex(4)}"
        system.publish(
            define_workflow(
                meta={"key": key, "version": "1.0.0"},
                input={"type": "object", "properties": {"number": {"type": "integer"}}},
                steps=[{"id": "say", "operation": "text.upper", "inputs": {"text": "${run.id}"}}],
                triggers=[{"schedule": one} for one in schedules],
            )
        )
        until(lambda: len(system.client.schedules.list(key)) == len(schedules), "its schedules are there")
        return key

    return made


def row(person: Person, text: str) -> Locator:
    """A row of the list."""
    return person.page.get_by_role("region", name="Schedules").locator("tbody tr", has_text=text)


def noted(system: System, key: str) -> list[tuple[str, str, str, str]]:
    """What the audit log has of a workflow's schedules: action, user, outcome, reason."""
    found = system.client.access.read(None, 100)
    return [
        (one.action, one.user, one.outcome, one.reason) for one in found if one.target.startswith(f"schedules/{key}")
    ]


def test_the_list_says_when_and_what_became_of_the_last(as_role: AsRole, system: System, publish: Any) -> None:
    """Filters stand in the address; what fires appears by itself."""
    key = publish(NIGHTLY, TICK, REFUSED)
    person = as_role("viewer")

    page = person.visit(f"/schedules?workflow={key}")

    expect(row(person, "nightly/eu")).to_contain_text("0 2 * * * Europe/Berlin")
    expect(row(person, "tick")).to_contain_text("every 1s")
    expect(row(person, "tick").locator(".slots a.good").first).to_be_visible(timeout=15_000)
    expect(row(person, "refused").locator(".slots .bad").first).to_be_visible(timeout=15_000)
    system.client.schedules.pause(key, "tick", "stocktaking", by="olga")
    expect(row(person, "tick")).to_contain_text("stocktaking", timeout=15_000)
    page.get_by_role("link", name="paused", exact=True).click()
    expect(page).to_have_url(f"{person.base}/schedules?workflow={key}&state=paused")
    person.settle()
    expect(page.locator("tbody tr")).to_have_count(1)
    person.visit(f"/schedules?workflow={key}")
    person.keep("schedules")
    person.resize(NARROW)
    assert person.fits()
    assert person.errors == []


def test_a_schedule_is_held_and_goes_on(as_role: AsRole, system: System, publish: Any, axe: None) -> None:
    """With a reason, which everybody sees, and which the audit log keeps; its name may be anything."""
    del axe
    key = publish(NIGHTLY)
    person = as_role("operator", user="olga")
    person.visit(f"/schedules?workflow={key}")
    row(person, "nightly/eu").get_by_role("link", name="nightly/eu").click()
    person.page.wait_for_url("**/schedules/*/*")
    person.settle()
    page = person.page
    expect(page.locator(".fires li")).to_have_count(10)
    assert person.barriers() == []

    page.get_by_role("button", name="Pause…").click()
    person.confirm("Pause", "stocktaking")
    expect(page.locator(".note")).to_contain_text("Paused by olga")
    expect(page.locator(".note")).to_contain_text("stocktaking")
    assert system.client.schedules.describe(key, "nightly/eu").state == "paused"
    page.get_by_role("button", name="Resume…").click()
    person.confirm("Resume", "done counting")

    expect(page.locator(".fires li")).to_have_count(10)
    assert [one[:3] for one in noted(system, key)] == [
        ("resume_schedule", "olga", "done"),
        ("pause_schedule", "olga", "done"),
    ]


def test_a_run_is_started_now(as_role: AsRole, system: System, publish: Any) -> None:
    """Outside of the slots, listed with why it came to be."""
    key = publish(HOURLY)
    person = as_role("operator", user="olga")
    page = person.visit(f"/schedules/{key}/hourly")

    page.get_by_role("button", name="Start a run now…").click()
    person.confirm("Start", "month's end")

    last = page.get_by_role("region", name="Last slots").locator("tbody tr")
    expect(last).to_contain_text("by hand")
    run_id = str(last.locator("td.main a").get_attribute("href")).rsplit("/", 1)[-1]
    assert ended(system.client.get(run_id)).started_by == "schedule:hourly"
    assert ("trigger_schedule", "olga", "done", "month's end") in noted(system, key)


def test_a_range_is_filled_up_after_a_look_at_its_slots(as_role: AsRole, system: System, publish: Any) -> None:
    """Those that have their runs are shown, and are passed over."""
    key = publish(HOURLY)
    person = as_role("operator", user="olga")
    page = person.visit(f"/schedules/{key}/hourly")

    page.get_by_label("Since").fill("5h")
    page.get_by_role("button", name="Show the slots").click()
    page.wait_for_url("**since=5h**")
    person.settle()
    slots = page.get_by_role("region", name="Slots of the range").locator("tbody tr")
    expect(slots).to_have_count(5)
    expect(page.get_by_text("5 slots, of which 5 have no run.")).to_be_visible()
    person.keep("schedule-backfill")
    page.get_by_role("button", name="Start 5 runs…").click()
    page.get_by_label("How").select_option("all")
    person.confirm("Backfill", "beat was away")

    expect(slots.filter(has_text="has its run")).to_have_count(5, timeout=20_000)
    assert system.client.schedules.describe(key, "hourly").counts == {"backfill_started": 5}
    assert ("backfill_schedule", "olga", "done", "beat was away") in noted(system, key)
    expect(page.get_by_role("button", name="runs…")).to_have_count(0)
    expect(page.get_by_text("5 slots, of which 0 have no run.")).to_be_visible()
    person.keep("schedule")
    assert person.errors == []


def test_a_range_that_cannot_be_is_refused_where_it_is_asked_for(as_role: AsRole, publish: Any) -> None:
    """With the error's code, and nothing to press."""
    key = publish(HOURLY)
    person = as_role("operator")

    page = person.visit(f"/schedules/{key}/hourly?since=tomorrow")

    expect(page.get_by_text("cannot be backfilled")).to_be_visible()
    expect(page.locator("#backfill code")).to_have_text("invalid_request")
    expect(page.get_by_role("button", name="Start")).to_have_count(1)


def test_a_viewer_sees_and_changes_nothing(as_role: AsRole, publish: Any) -> None:
    """Everything is offered, switched off, with the reason; what they may not see is not there."""
    key = publish(HOURLY)
    person = as_role("viewer")

    page = person.visit(f"/schedules/{key}/hourly?since=2h")

    for word in ("Pause…", "Start a run now…", "Start 2 runs…"):
        expect(page.get_by_role("button", name=word)).to_have_attribute("aria-disabled", "true")
        expect(page.get_by_role("button", name=word)).to_have_attribute("title", "This needs the role operator.")
    stranger = as_role("operator", "other.*")
    stranger.visit(f"/schedules/{key}/hourly")
    expect(stranger.page.get_by_text("unknown_workflow")).to_be_visible()
    stranger.visit("/schedules")
    expect(row(stranger, "hourly")).to_have_count(0)
