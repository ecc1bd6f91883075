"""Workflows: the list, one of them, what two versions differ in, and the form that starts a run."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration

CTX = {"user_id": "u-1", "user_email": "ada@example.com"}
FIRST = """
meta: {key: KEY, version: 1.0.0, description: Packs what was ordered, owners: [team-shop], tags: [shop]}
input:
  type: object
  required: [customer, lines]
  properties:
    customer: {type: string, minLength: 1, title: Customer, description: Whose order it is}
    channel: {enum: [web, phone], default: web}
    gift: {type: boolean, default: false}
    discount: {type: number, minimum: 0, maximum: 50}
    address:
      type: object
      required: [city]
      properties: {city: {type: string, minLength: 2}, zip: {type: string}}
    lines:
      type: array
      minItems: 1
      items:
        type: object
        required: [sku]
        properties:
          sku: {type: string, pattern: '^[a-z0-9-]+$'}
          count: {type: integer, minimum: 1, default: 1}
          notes: {type: array, items: {type: string}}
    labels: {type: object, additionalProperties: {type: string}}
steps:
  - {id: pack, operation: text.upper, inputs: {text: "${input.customer}"}}
  - {id: greet, operation: text.join, inputs: {parts: ["Dear", "${steps.pack.output.text}"]}}
"""
SECOND = (
    FIRST.replace("1.0.0", "1.1.0")
    .replace("Packs what", "Packs and weighs what")
    .replace(
        "steps:\n  - {id: pack, operation: text.upper",
        "steps:\n  - {id: weigh, wait: 1s}\n  - {id: pack, retry: {max_attempts: 3}, operation: text.upper",
    )
)


@pytest.fixture
def order(system: System) -> str:
    """The key of a workflow with two versions, which no other test knows."""
    key = f"shop.o{secrets.token_hex(4)}"
    for text in (FIRST, SECOND):
        system.publish(*(one.spec for one in load_text(text.replace("KEY", key), "order.yaml", OPERATIONS)))
    return key


def row(page: Page, text: str) -> Locator:
    """A row of the page's first table that has this text."""
    return page.locator("table").first.locator("tbody tr", has_text=text)


def noted(system: System, target: str) -> list[tuple[str, str, str, str]]:
    """What the audit log has of a target: action, user, outcome, reason."""
    found = system.client.access.read(None, 100)
    return [(one.action, one.user, one.outcome, one.reason) for one in found if one.target == target]


def fill_in(page: Page) -> None:
    """An order of two lines."""
    page.get_by_label("Customer").fill("Ada")
    page.get_by_label("channel").select_option(label="phone")
    page.get_by_label("address").check()
    page.get_by_label("city").fill("London")
    page.get_by_role("button", name="Add to lines").click()
    lines = page.locator("fieldset.list > ol.items").first
    lines.get_by_label("sku").first.fill("tea-1")
    lines.get_by_role("button", name="Add to notes").first.click()
    lines.get_by_role("textbox", name="notes").first.fill("a gift")
    lines.get_by_label("sku").last.fill("cup-2")
    lines.get_by_label("count").last.fill("4")


ORDERED: dict[str, Any] = {
    "customer": "Ada",
    "channel": "phone",
    "gift": False,
    "address": {"city": "London"},
    "lines": [{"sku": "tea-1", "count": 1, "notes": ["a gift"]}, {"sku": "cup-2", "count": 4}],
}


def started(person: Person) -> str:
    """The run whose page is open."""
    person.page.wait_for_url("**/dashboard/runs/*")
    person.settle()
    return person.page.url.rsplit("/", 1)[-1]


def test_the_list_says_what_new_runs_take_and_how_they_do(as_role: AsRole, system: System, order: str) -> None:
    """The version, its stability, runs and their success once they are counted, and the next slot of a schedule."""
    run = system.client.start(order, {"customer": "Ada", "lines": [{"sku": "x"}]}, version="1.0.0")
    ended(run)
    until(lambda: system.client.metrics(order).total.completed, "the run is counted")
    person = as_role("viewer")

    page = person.visit(f"/workflows?text={order}")

    expect(row(page, order)).to_contain_text("Packs and weighs what was ordered")
    expect(row(page, order).locator("td")).to_contain_text([order, "1.1.0 stable", "0", "1", "100 %"])
    page.goto(f"{person.base}/workflows?text=nightly")
    person.settle()
    expect(row(page, "examples.nightly").locator("local-time time")).to_be_visible()
    assert person.errors == []


def test_the_list_is_searched_and_paged(as_role: AsRole, system: System) -> None:
    """What is shown stands in the address; each page is of so many, and none is left out."""
    word = f"paged{secrets.token_hex(3)}"
    for number in range(30):
        text = f"meta: {{key: {word}.n{number:02}, version: 1.0.0}}\nsteps: [{{id: pause, wait: 1s}}]\n"
        system.publish(*(one.spec for one in load_text(text, "paged.yaml", OPERATIONS)))
    person = as_role("viewer")
    page = person.visit("/workflows")

    page.get_by_role("searchbox").fill(word)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{person.base}/workflows?text={word}")
    person.settle()
    seen = page.locator("td.main a").all_text_contents()
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody tr")).to_have_count(5)
    seen += page.locator("td.main a").all_text_contents()

    assert seen == [f"{word}.n{number:02}" for number in range(30)]
    page.get_by_role("link", name="Page before").click()
    expect(page.locator("tbody tr")).to_have_count(25)
    page.goto(f"{person.base}/workflows?text=no-such-thing")
    page.get_by_role("link", name="Show all workflows").click()
    expect(page).to_have_url(f"{person.base}/workflows")


def test_a_key_of_some_workflows_sees_no_others(as_role: AsRole, order: str) -> None:
    """Neither in the list nor by address: as if they were not there."""
    person = as_role("admin", "payment.*")

    page = person.visit("/workflows")

    expect(page.locator("td.main a")).to_have_text(["payment.flow"])
    for path in ("", "/start", "/diff"):
        page.goto(f"{person.base}/workflows/{order}{path}")
        expect(page.get_by_text("unknown_workflow")).to_be_visible()


def test_a_workflow_shows_each_version_and_its_graph(as_role: AsRole, order: str) -> None:
    """The version that is looked at stands in the address; by default it is the one that new runs take."""
    person = as_role("viewer")
    page = person.visit(f"/workflows/{order}")

    expect(page.get_by_role("heading", level=1)).to_have_text(f"{order} 1.1.0")
    expect(page.locator(".graph a.step")).to_have_count(3)
    page.get_by_role("link", name="1.0.0", exact=True).click()

    expect(page).to_have_url(f"{person.base}/workflows/{order}?version=1.0.0")
    expect(page.locator(".graph a.step")).to_have_count(2)
    expect(page.get_by_text("team-shop", exact=True)).to_be_visible()
    page.goto(f"{person.base}/workflows/{order}?version=9.9.9")
    expect(page.get_by_text("unknown_workflow")).to_be_visible()


def test_figures_stand_by_step_and_version_side_by_side(as_role: AsRole, system: System, order: str) -> None:
    """And come by themselves, as runs end."""
    person = as_role("viewer")
    page = person.visit(f"/workflows/{order}?span=7d")
    expect(page.get_by_text("No run was started or ended in this time.")).to_be_visible()

    for version in ("1.0.0", "1.1.0", "1.1.0"):
        ended(system.client.start(order, {"customer": "Ada", "lines": [{"sku": "x"}]}, version=version))

    beside = page.get_by_role("region", name="Versions side by side").locator("tr")
    expect(beside.filter(has_text="Completed").locator("td")).to_have_text(["2", "1", "3"], timeout=20_000)
    greet = page.locator("#step-greet td")
    expect(greet.nth(0)).to_have_text("3")
    expect(greet.nth(2)).to_have_text("100 %")
    page.locator('.graph a.step[href="#step-greet"]').click()
    expect(page.locator("#step-greet")).to_be_in_viewport()
    page.get_by_role("link", name="30 days").click()
    expect(page).to_have_url(f"{person.base}/workflows/{order}?span=30d#figures")


def test_what_two_versions_differ_in(as_role: AsRole, order: str) -> None:
    """Steps that came, went or changed, the rest of the definition, and its lines."""
    person = as_role("viewer")
    page = person.visit(f"/workflows/{order}")

    page.get_by_role("link", name="compare with 1.0.0").click()
    person.settle()

    expect(page).to_have_url(f"{person.base}/workflows/{order}/diff?from=1.0.0&to=1.1.0")
    expect(page.get_by_text("1 added")).to_be_visible()
    expect(page.get_by_text("0 removed")).to_be_visible()
    steps = page.locator(".steps summary")
    expect(steps).to_contain_text(["weigh", "pack"])
    expect(page.locator("tr.added", has_text="max_attempts: 3")).to_be_visible()
    expect(page.locator("tr.removed", has_text="description: Packs what was ordered")).to_be_visible()
    page.get_by_role("link", name="Swap").click()
    expect(page.get_by_text("1 removed")).to_be_visible()
    person.settle()
    page.get_by_label("From").select_option("1.0.0")
    expect(page.get_by_text("They differ in their numbers only.")).to_be_visible()


def test_new_runs_are_shared_out(as_role: AsRole, system: System, order: str) -> None:
    """By weights, the same for the same, noted with the reason; without weights the highest takes all again."""
    person = as_role("admin", user="grace")
    page = person.visit(f"/workflows/{order}")

    page.get_by_role("button", name="Share out new runs…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("1.1.0").fill("10")
    dialog.get_by_label("1.0.0").fill("90")
    dialog.get_by_label("The same version for the same").fill("input.customer")
    person.confirm("Share out", "a trial")

    expect(row(page, "1.0.0").last).to_contain_text("90 %")
    expect(page.get_by_text("the same for the same input.customer")).to_be_visible()
    split = system.client.traffic(order)
    assert split is not None
    assert (dict(split.weights), split.by) == ({"1.1.0": 10, "1.0.0": 90}, "input.customer")
    assert noted(system, f"workflows/{order}") == [("set_traffic", "grace", "done", "a trial")]
    page.get_by_role("button", name="Share out new runs…").click()
    for version in ("1.0.0", "1.1.0"):
        page.get_by_role("dialog").get_by_label(version).fill("")
    person.confirm("Share out")
    expect(row(page, "1.1.0").first).to_contain_text("100 %")
    assert system.client.traffic(order) is None


def test_what_is_wrong_with_a_split_is_said(as_role: AsRole, system: System, order: str) -> None:
    """With its code; nothing is changed."""
    person = as_role("admin")
    page = person.visit(f"/workflows/{order}")

    for weight, by, word in (("many", "", "must be a number"), ("10", "steps.x", "reads")):
        page.get_by_role("button", name="Share out new runs…").click()
        page.get_by_role("dialog").get_by_label("1.0.0").fill(weight)
        page.get_by_role("dialog").get_by_label("The same version for the same").fill(by)
        person.confirm("Share out")
        expect(page.get_by_role("alert").filter(has_text=word)).to_contain_text("invalid_traffic")

    assert system.client.traffic(order) is None


def test_a_version_is_deprecated_and_taken_back(as_role: AsRole, system: System, order: str) -> None:
    """It takes no new runs; the list of versions says so, and the audit log who did it, and why."""
    person = as_role("admin", user="grace")
    page = person.visit(f"/workflows/{order}")

    row(page, "1.1.0").first.get_by_role("button", name="Deprecate…").click()
    person.confirm("Deprecate", "it loses parcels")

    expect(row(page, "1.1.0").first).to_contain_text("deprecated")
    expect(row(page, "1.0.0").last).to_contain_text("100 %")
    target = f"workflows/{order}/versions/1.1.0"
    assert ("deprecate", "grace", "done", "it loses parcels") in noted(system, target)
    row(page, "1.1.0").first.get_by_role("button", name="Take the mark off…").click()
    person.confirm("Take it off", "found again")
    expect(row(page, "1.1.0").first).to_contain_text("100 %")


def test_who_may_not_act_is_told_why(as_role: AsRole, order: str) -> None:
    """The buttons are there, off, with the reason."""
    page = as_role("viewer").visit(f"/workflows/{order}")

    for name, needed in (("Share out new runs…", "admin"), ("Start a run", "starter")):
        off = page.get_by_role("button", name=name)
        expect(off).to_have_attribute("aria-disabled", "true")
        expect(off).to_have_attribute("title", f"This needs the role {needed}.")


def test_a_form_starts_a_run(as_role: AsRole, system: System, order: str) -> None:
    """Fields of each kind, nested ones and lists; it leads to the run, which was given just that."""
    person = as_role("starter", user="lin")
    page = person.visit(f"/workflows/{order}")

    page.get_by_role("link", name="Start a run").click()
    person.settle()
    fill_in(page)
    person.keep("workflow-start")
    page.get_by_role("button", name="Start", exact=True).click()

    run = system.client.get(started(person)).describe()
    assert (run.workflow, run.version, run.input, run.started_by) == (order, "1.1.0", ORDERED, "lin")
    assert person.errors == []


def test_what_is_wrong_is_said_at_each_field(as_role: AsRole, system: System, order: str) -> None:
    """By the same check as the API's; what was filled in stays, and nothing is started."""
    person = as_role("starter")
    page = person.visit(f"/workflows/{order}/start")
    page.get_by_label("discount").fill("sixty")
    page.get_by_label("sku").fill("Tea!")

    page.get_by_role("button", name="Start", exact=True).click()

    for label, message in (
        ("Customer", "'customer' is a required property"),
        ("discount", "'sixty' is not of type 'number'"),
        ("sku", "'Tea!' does not match"),
    ):
        control = page.get_by_label(label)
        expect(control).to_have_attribute("aria-invalid", "true")
        expect(control.locator("xpath=..")).to_contain_text(message)
    expect(page.get_by_label("Customer")).to_be_focused()
    expect(page.get_by_label("discount")).to_have_value("sixty")
    person.keep("workflow-start-refused")
    assert list(system.client.runs(workflow=order)) == []


def test_the_same_is_written_as_json_and_back(as_role: AsRole, system: System, order: str) -> None:
    """What was filled in is there in the other form; what no field can say stays JSON."""
    person = as_role("starter")
    page = person.visit(f"/workflows/{order}/start?version=1.0.0")
    fill_in(page)

    page.get_by_role("button", name="Write it as JSON").click()
    area = page.get_by_label("Input")
    expect(area).to_have_value(json.dumps(ORDERED, indent=2))
    area.fill("{")
    page.get_by_role("button", name="Fill in the form").click()
    expect(page.get_by_text("this is not JSON")).to_be_visible()
    area.fill(json.dumps(ORDERED | {"more": 1}))
    page.get_by_role("button", name="Fill in the form").click()
    expect(page.get_by_text("the form has no field for some of this")).to_be_visible()
    area.fill(json.dumps(ORDERED | {"labels": {"floor": "2"}}))
    page.get_by_role("button", name="Fill in the form").click()
    expect(page.get_by_label("Customer")).to_have_value("Ada")
    page.get_by_role("button", name="Start", exact=True).click()

    run = system.client.get(started(person)).describe()
    assert (run.version, run.input) == ("1.0.0", ORDERED | {"labels": {"floor": "2"}})


def test_an_idempotency_key_makes_two_starts_one_run(as_role: AsRole, system: System) -> None:
    """And another input with the same key is refused, with its code. The context goes with the input."""
    person = as_role("starter")
    key, runs = secrets.token_hex(4), list[str]()
    for amount in ("1250", "1250", "99"):
        page = person.visit("/workflows/payment.flow/start")
        page.get_by_label("Amount").fill(amount)
        page.get_by_label("Payment Method Id").fill("pm_ok")
        page.get_by_label("Context").fill(json.dumps(CTX))
        page.get_by_label("Idempotency key").fill(key)
        page.get_by_role("button", name="Start", exact=True).click()
        if amount == "1250":
            runs.append(started(person))

    expect(person.page.get_by_role("alert")).to_contain_text("run_conflict")
    assert runs[0] == runs[1]
    assert system.client.get(runs[0]).describe().ctx == CTX


def test_a_run_is_started_like_another(as_role: AsRole, system: System, order: str) -> None:
    """The form is filled in with what that one was given."""
    run = system.client.start(order, ORDERED, version="1.0.0")
    person = as_role("starter")

    page = person.visit(f"/workflows/{order}/start?like={run.run_id}")
    expect(page.get_by_label("Customer")).to_have_value("Ada")
    page.get_by_role("button", name="Start", exact=True).click()

    assert system.client.get(started(person)).describe().input == ORDERED


def test_they_are_barrier_free_and_look_like_this(as_role: AsRole, system: System, order: str, axe: None) -> None:
    """Nothing serious for axe-core, no wider than a phone; artifacts, to be looked at."""
    del axe
    for version in ("1.0.0", "1.1.0"):
        ended(system.client.start(order, {"customer": "Ada", "lines": [{"sku": "x"}]}, version=version))
    until(lambda: system.client.metrics(order).total.completed == 2, "both runs are counted")
    system.client.traffic(order, {"1.0.0": 90, "1.1.0": 10}, by="input.customer")
    person = as_role("admin")

    for name, path in (
        ("workflows", ""),
        ("workflow", f"/{order}"),
        ("workflow-diff", f"/{order}/diff"),
        ("workflow-payment", "/payment.flow"),
        ("workflow-start-payment", "/payment.flow/start"),
    ):
        person.visit(f"/workflows{path}")
        assert person.barriers() == []
        person.keep(name)
        person.resize(NARROW)
        assert person.fits(), name
        person.resize((1440, 900))
    assert person.errors == []
