"""The inbox of approvals, and deciding one."""

from __future__ import annotations

import secrets

import pytest
from playwright.sync_api import Locator, expect

from orchestrator import Start
from orchestrator.client.handle import RedisRunHandle
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, events, until

pytestmark = pytest.mark.integration

VISIT = """
meta: {key: KEY, version: 1.0.0, description: Somebody may come in}
input: {type: object}
steps:
  - id: ask
    title: May they come in?
    approval: {users: [ada, bert], groups: [door], remind: 1h, escalate: [{after: 2h, groups: [board]}]}
    timeout: 1d
"""


def asked(system: System, run: RedisRunHandle, step: str) -> RedisRunHandle:
    """The run, once that step of it asks."""
    until(
        lambda: any(one.run_id == run.run_id and one.step == step for one in system.client.approvals.list()),
        f"{step} asks",
    )
    return run


def claim(system: System, manager: str, amount: int = 10) -> RedisRunHandle:
    """An expense that waits for its manager."""
    return asked(system, system.client.start("expense.claim", {"amount": amount, "manager": manager}), "manager")


@pytest.fixture
def door(system: System) -> str:
    """A workflow of which nobody else knows, whose starter may not decide."""
    key = f"house.d{secrets.token_hex(4)}"
    system.publish(*(one.spec for one in load_text(VISIT.replace("KEY", key), "door.yaml", OPERATIONS)))
    return key


def row(person: Person, run: RedisRunHandle) -> Locator:
    """The row of a run's approval."""
    return person.page.locator("tbody tr", has_text=run.run_id)


def noted(system: System, run: RedisRunHandle) -> list[tuple[str, str, str, str]]:
    """What the audit log has of a run: action, user, outcome, reason."""
    found = system.client.access.read(None, 100)
    return [(one.action, one.user, one.outcome, one.reason) for one in found if run.run_id in one.target]


def test_the_inbox_holds_what_one_may_decide(as_role: AsRole, system: System) -> None:
    """Mine are those that ask me or my groups; everybody's are the operators' to see, and say why I may not."""
    mine, others = claim(system, "grace"), claim(system, "bert")
    grace = as_role("starter", user="grace")

    page = grace.visit("/approvals")

    expect(row(grace, mine)).to_contain_text("The manager looks at the claim")
    expect(row(grace, mine)).to_contain_text("may decide")
    expect(row(grace, others)).to_have_count(0)
    expect(page.get_by_text("Everybody's")).to_have_attribute("aria-disabled", "true")
    operator = as_role("operator", user="olga")
    operator.visit("/approvals?of=all&workflow=expense.claim")
    expect(row(operator, others)).to_contain_text("'olga' is not asked")
    operator.keep("approvals")
    operator.resize(NARROW)
    assert operator.fits()


def test_an_approval_comes_and_goes_by_itself(as_role: AsRole, system: System) -> None:
    """The list follows what happens, and an empty one says what to do."""
    user = f"u{secrets.token_hex(3)}"
    person = as_role("operator", user=user)
    page = person.visit("/approvals")
    expect(page.get_by_text("No approval waits for you.")).to_be_visible()

    run = claim(system, user)
    expect(row(person, run)).to_be_visible()
    system.client.approvals.decide(run.run_id, "manager", "reject", by=user)

    expect(page.get_by_text("No approval waits for you.")).to_be_visible()
    page.get_by_role("link", name="Look at everybody's").click()
    expect(page).to_have_url(f"{person.base}/approvals?of=all")


def test_approving_fills_in_the_form_that_is_asked_for(as_role: AsRole, system: System, axe: None) -> None:
    """What is wrong stands at its field; decided, the run goes on, and the page says that nothing waits."""
    del axe
    run = claim(system, "grace")
    person = as_role("starter", user="grace")
    page = person.visit("/approvals")
    row(person, run).get_by_role("link", name="The manager looks at the claim").click()
    person.page.wait_for_url("**/approvals/*/manager")
    person.settle()

    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".wrong")).to_contain_text("'cost_centre' is a required property")
    assert person.barriers() == []
    page.get_by_label("cost_centre").fill("C-7")
    page.get_by_label("Comment").fill("fine with me")
    person.keep("approval-form")
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_text("This waits for no decision any more.")).to_be_visible()
    ended(run)
    (decision,) = events(run, "approval_decision")
    assert (decision["by"], decision["decision"], decision["comment"]) == ("grace", "approved", "fine with me")
    assert ("approve", "grace", "done", "fine with me") in noted(system, run)
    assert person.errors == []


@pytest.mark.parametrize(("word", "code"), [("Reject", "rejected"), ("Request changes", "changes_requested")])
def test_refusing_needs_no_form(as_role: AsRole, system: System, word: str, code: str) -> None:
    """A comment is enough, and is kept with the decision."""
    run = claim(system, "grace")
    person = as_role("starter", user="grace")
    page = person.visit(f"/approvals/{run.run_id}/manager")

    page.get_by_label("Comment").fill("too dear")
    page.get_by_role("button", name=word).click()

    expect(page.get_by_text("This waits for no decision any more.")).to_be_visible()
    ended(run)
    (decision,) = events(run, "approval_decision")
    assert (decision["by"], decision["decision"], decision["comment"]) == ("grace", code, "too dear")


def test_whoever_started_it_is_told_why_they_may_not_decide(as_role: AsRole, system: System, door: str) -> None:
    """The buttons are off, with the reason; another member of the group decides."""
    (run,) = system.client.start_many([Start(door, {}, started_by="ada")])
    asked(system, run, "ask")
    ada = as_role("operator", user="ada", groups=["door"])

    page = ada.visit(f"/approvals/{run.run_id}/ask")

    expect(page.locator(".refused")).to_contain_text("'ada' has started the run")
    expect(page.get_by_role("button", name="Approve")).to_have_attribute("aria-disabled", "true")
    expect(page.locator(".pairs")).to_contain_text("may not decide")
    expect(page.locator(".pairs")).to_contain_text("group board, from")
    ada.keep("approval-barred")
    ada.visit(f"/approvals?of=all&workflow={door}")
    expect(row(ada, run)).to_contain_text("may not")
    cleo = as_role("starter", user="cleo", groups=["door"])
    cleo.visit(f"/approvals/{run.run_id}/ask").get_by_role("button", name="Approve").click()
    assert ended(run).status == "completed"


def test_another_can_be_asked_instead(as_role: AsRole, system: System) -> None:
    """Delegated, it is in the other's inbox and not in mine; what was being typed elsewhere stays."""
    run = claim(system, "grace")
    person = as_role("starter", user="grace")
    page = person.visit(f"/approvals/{run.run_id}/manager")

    page.get_by_role("button", name="Have another decide…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who is to decide").fill("heidi")
    dialog.get_by_role("button", name="Delegate").click()

    expect(page.locator(".refused")).to_contain_text("'grace' is not asked")
    heidi = as_role("starter", user="heidi")
    heidi.visit("/approvals")
    expect(row(heidi, run)).to_be_visible()
    assert ("delegate", "grace", "done", "to heidi") in noted(system, run)


def test_what_is_typed_stays_while_others_decide(as_role: AsRole, system: System) -> None:
    """The decisions of others appear beside the form, which is left as it is."""
    run = claim(system, "grace", 200_000)
    system.client.approvals.decide(run.run_id, "manager", "approve", by="grace", form={"cost_centre": "C-7"})
    asked(system, run, "board")
    person = as_role("starter", user="ada")
    page = person.visit(f"/approvals/{run.run_id}/board")
    page.get_by_label("Comment").fill("I think")

    system.client.approvals.decide(run.run_id, "board", "approve", by="bert", comment="yes")

    expect(page.get_by_role("region", name="Decisions so far")).to_contain_text("bert")
    expect(page.get_by_label("Comment")).to_have_value("I think")


def test_a_viewer_has_no_inbox(as_role: AsRole, system: System) -> None:
    """It is not in their navigation, and its address says what it needs."""
    del system
    person = as_role("viewer")

    page = person.visit("/approvals")

    expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Approvals")).to_have_count(0)
    expect(page.get_by_text("this needs the role starter")).to_be_visible()


def test_everybodys_are_paged(as_role: AsRole, system: System, door: str) -> None:
    """None twice and none left out."""
    runs = [system.client.start(door, {}) for _ in range(27)]
    for run in runs:
        asked(system, run, "ask")
    person = as_role("operator", user="olga")

    person.visit(f"/approvals?of=all&workflow={door}")
    first = [
        str(one.get_attribute("href"))
        for one in person.page.locator("tbody td.main > .html a, tbody td.main > a").all()
    ]
    person.page.get_by_role("link", name="Next page").click()
    person.page.wait_for_url("**cursor=**")
    person.settle()
    second = [str(one.get_attribute("href")) for one in person.page.locator("tbody td.main > a").all()]

    assert len({*first, *second}) == len(first) + len(second) == len(runs)
