"""External events: what comes in, what was given up, near misses, and emitting one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from orchestrator import define_workflow
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, until

pytestmark = pytest.mark.integration

INPUT = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


@pytest.fixture
def kind() -> str:
    """A type of event that nobody else knows."""
    return f"order.t{secrets.token_hex(4)}"


def listens(system: System, kind: str, **trigger: Any) -> str:
    """A workflow that events of that type start: its key. The listener knows of it."""
    key = f"test.e{secrets.token_hex(4)}"
    system.publish(
        define_workflow(
            meta={"key": key, "version": "1.0.0"},
            input=INPUT,
            steps=[{"id": "say", "operation": "text.upper", "inputs": {"text": "${run.id}"}}],
            triggers=[{"event": {"name": "placed", "type": kind, **trigger}}],
        )
    )
    system.client.events.emit(type=kind, data={"id": 0})
    until(lambda: system.client.runs(workflow=key) or system.client.events.misses(), "the listener knows the trigger")
    return key


def rows(person: Person, text: str) -> Locator:
    """The rows that have this text."""
    return person.page.locator("tbody tr", has_text=text)


def noted(system: System, target: str) -> list[tuple[str, str, str, str]]:
    """What the audit log has of a target: action, user, outcome, reason."""
    found = system.client.access.read(None, 100)
    return [(one.action, one.user, one.outcome, one.reason) for one in found if one.target == target]


def given_up(system: System, kind: str, data: Mapping[str, Any]) -> str:
    """An event that its trigger cannot use: the id of its dead letter."""
    event = system.client.events.emit(type=kind, data=data)
    until(lambda: [one for one in system.client.events.dead() if event.id in one.body], "it is given up")
    (letter,) = (one for one in system.client.events.dead() if event.id in one.body)
    return letter.id


def test_what_comes_in_appears_by_itself(as_role: AsRole, system: System, kind: str) -> None:
    """The newest first; what is unfolded stays so, and a filter is in the address."""
    first = system.client.events.emit(type=kind, source="/shop", data={"id": 1, "note": "for Ada"})
    person = as_role("operator")
    page = person.visit(f"/events?type={kind}")
    expect(rows(person, first.id).locator("details > *")).to_have_count(1)
    rows(person, first.id).locator("summary").first.click()
    expect(rows(person, first.id).locator(".json")).to_contain_text("for Ada")

    second = system.client.events.emit(type=kind, source="/till", data={"id": 2})

    expect(page.locator("tbody tr").first).to_contain_text(second.id)
    expect(rows(person, first.id).locator("details").first).to_have_attribute("open", "")
    page.get_by_role("searchbox").fill("for ada")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{person.base}/events?text=for+ada&type={kind}")
    person.settle()
    expect(page.locator("tbody tr")).to_have_count(1)
    person.visit("/events")
    person.keep("events")
    person.resize(NARROW)
    assert person.fits()
    assert person.errors == []


def test_older_events_are_a_page_away(as_role: AsRole, system: System, kind: str) -> None:
    """None twice, none left out, with and without a filter."""
    sent = system.client.events.emit_many([{"type": kind, "data": n} for n in range(60)])
    person = as_role("operator")

    person.visit(f"/events?type={kind}")
    seen = [str(one.get_attribute("title")) for one in person.page.locator("tbody td .clip").all()]
    person.page.get_by_role("link", name="Older").click()
    person.page.wait_for_url("**before=**")
    person.settle()
    seen += [str(one.get_attribute("title")) for one in person.page.locator("tbody td .clip").all()]

    assert seen == [one.id for one in reversed(sent)]


def test_what_was_given_up_is_replayed(as_role: AsRole, system: System, kind: str, axe: None) -> None:
    """Each with the reason and the trigger; taken in again it is given up again, until it can be used."""
    del axe
    key = listens(system, kind)
    letter = given_up(system, kind, {"id": "seventeen"})
    person = as_role("operator", user="olga")
    page = person.visit("/events?view=dead")
    expect(rows(person, key)).to_contain_text("invalid_input")
    assert person.barriers() == []
    page.get_by_label(f"Select {letter}").check()
    person.keep("events-dead")

    page.get_by_role("button", name="Replay selected…").click()
    person.confirm("Replay", "the schema was wrong")

    expect(page.get_by_text("1 event taken in again")).to_be_visible()
    until(lambda: any(key in str(one.trigger) and one.id != letter for one in system.client.events.dead()), "again")
    person.visit("/events")
    expect(rows(person, f"replayed for {key}/placed")).to_be_visible()
    assert noted(system, f"events/dead/{letter}") == [("replay_event", "olga", "done", "the schema was wrong")]


def test_what_was_given_up_is_forgotten(as_role: AsRole, system: System, kind: str) -> None:
    """One, or all; then the page says that there is nothing."""
    key = listens(system, kind)
    letter = given_up(system, kind, {"id": "one"})
    given_up(system, kind, {"id": "two"})
    person = as_role("operator", user="olga")
    page = person.visit("/events?view=dead")

    page.get_by_label(f"Select {letter}").check()
    page.get_by_role("button", name="Discard selected…").click()
    person.confirm("Discard", "a test")
    expect(rows(person, key)).to_have_count(1)
    page.get_by_role("button", name="Discard all…").click()
    person.confirm("Discard", "all of them")

    expect(page.get_by_text("No event was given up.")).to_be_visible()
    assert noted(system, f"events/dead/{letter}") == [("discard_event", "olga", "done", "a test")]
    assert system.client.events.dead() == []


def test_near_misses_say_what_the_filter_said(as_role: AsRole, system: System, kind: str) -> None:
    """An event without what the filter asks for starts nothing; here is why."""
    key = listens(system, kind, filter="event.data.id >= 0 && event.data.total > 0")
    person = as_role("operator")

    page = person.visit("/events")
    page.get_by_role("link", name="Near misses").click()
    page.wait_for_url("**view=misses")
    person.settle()

    expect(rows(person, key)).to_contain_text("total")
    person.keep("events-misses")
    rows(person, key).locator("a.mono").click()
    page.wait_for_url("**before=**")
    person.settle()
    expect(page.locator("tbody tr").first).to_contain_text(kind)
    assert system.client.runs(workflow=key) == []


def test_an_event_is_emitted_by_a_form(as_role: AsRole, system: System, kind: str, axe: None) -> None:
    """It starts what it is to start; what is no event is refused with the code."""
    del axe
    key = listens(system, kind)
    person = as_role("operator", user="olga")
    page = person.visit("/events/emit")
    assert person.barriers() == []
    page.get_by_label("Type").fill(kind)
    page.get_by_label("Data").fill("{17}")
    page.get_by_role("button", name="Emit").click()
    expect(page.get_by_role("alert")).to_contain_text("invalid_event")

    page.get_by_label("Id").fill(f"{kind}-17")
    page.get_by_label("Data").fill('{"id": 17}')
    person.keep("events-emit")
    page.get_by_role("button", name="Emit").click()

    expect(rows(person, f"{kind}-17")).to_be_visible()
    until(lambda: len(system.client.runs(workflow=key)) == 2, "its run is started")
    assert noted(system, f"events/{kind}")[0][:3] == ("emit", "olga", "done")


def test_events_are_for_operators_who_may_see_every_workflow(as_role: AsRole, system: System) -> None:
    """A starter may emit one; a key for some workflows sees none."""
    del system
    starter = as_role("starter")
    starter.visit("/events")
    expect(starter.page.get_by_text("this needs the role operator")).to_be_visible()
    starter.visit("/events/emit")
    expect(starter.page.get_by_role("button", name="Emit")).to_be_visible()
    few = as_role("operator", "payment.*")
    few.visit("/events")
    expect(few.page.get_by_text("a key for some workflows only may not do this")).to_be_visible()
