"""Workers: the list, the page of one, and everything that it can be told."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration


@pytest.fixture
def extra(system: System) -> str:
    """A worker of its own queue beside the others, as it stands in the register; it is there again for every test."""
    if "extra" not in [process.name for process in system.fleet]:
        system.start_worker("extra", queues=("extra",), concurrency=2)
    system.ready()
    pid = next(process.pid for process in system.fleet if process.name == "extra")
    until(lambda: [one for one in system.client.fleet.workers() if one.pid == pid], "it is announced")
    return next(one.name for one in system.client.fleet.workers() if one.pid == pid)


def noted(system: System, action: str) -> list[tuple[str, str, str]]:
    """What the audit log has of an action: user, outcome, reason; the last first."""
    return [(one.user, one.outcome, one.reason) for one in system.client.access.read(None, 100) if one.action == action]


def told(person: Person, verb: str, word: str, reason: str, **fields: str) -> None:
    """Press a button, fill its dialog, and confirm it."""
    person.page.get_by_role("button", name=f"{verb}…", exact=True).click()
    dialog = person.page.get_by_role("dialog")
    for label, value in fields.items():
        dialog.get_by_label(label.replace("_", " "), exact=True).fill(value)
    person.confirm(word, reason)


def fact(person: Person, name: str) -> str:
    """A value beside its name."""
    term = person.page.locator(".pairs > div").filter(has=person.page.locator("dt", has_text=name))
    return term.locator("dd").first.inner_text()


def test_the_fleet_is_listed(as_role: AsRole, extra: str) -> None:
    """Workers with their state, pool and queues; beats and listeners below; filters in the address."""
    person = as_role("viewer")
    page = person.visit("/workers")

    row = page.locator("tbody tr", has_text=extra)
    expect(row).to_contain_text("online")
    expect(row).to_contain_text("prefork × ")
    expect(page.get_by_role("region", name="Beats and listeners")).to_contain_text("beat, leads")
    expect(page.get_by_role("region", name="Beats and listeners")).to_contain_text("listener")
    page.goto(f"{person.base}/workers?queue=default")
    expect(page.locator("tbody tr", has_text="worker-").first).to_be_visible()
    expect(page.locator("tbody tr", has_text=extra)).to_have_count(0)
    page.goto(f"{person.base}/workers?state=lost&text=nobody")
    expect(page.get_by_text("No worker matches.")).to_be_visible()
    assert person.errors == []


def test_a_worker_shows_what_it_is_at_and_until_when_it_has_it(as_role: AsRole, system: System) -> None:
    """The message, the lease, both with a link to their run; what it can do, and which versions it serves."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    gate.reached()
    name = next(one.name for one in system.client.fleet.workers() if "default" in one.queues)
    person = as_role("viewer")
    page = person.visit(f"/workers/{name}")

    leases = page.get_by_role("region", name="Steps it holds")
    expect(leases).to_contain_text("charge-payment")
    expect(leases.get_by_role("link", name=run.run_id)).to_have_attribute("href", f"/dashboard/runs/{run.run_id}")
    expect(page.get_by_role("region", name="Messages it works off")).to_contain_text("payment.flow@1.0.0/")
    expect(page.get_by_text("payments.charge@1.0.0")).to_be_visible()
    expect(page.get_by_role("link", name="payment.flow@1.0.0")).to_be_visible()
    gate.open()

    assert ended(run).status == "completed"
    expect(page.get_by_text("None has lasted for a heartbeat")).to_be_visible()


def test_a_pool_grows_and_shrinks(as_role: AsRole, system: System, extra: str) -> None:
    """By as many processes as are asked for; the page says so at once, the audit log for ever."""
    person = as_role("admin", user="grace")
    person.visit(f"/workers/{extra}")
    before = system.client.fleet.worker(extra).concurrency

    told(person, "Grow", "Grow", "the sale begins", Processes="2")
    expect(person.page.get_by_text(f"prefork × {before + 2}")).to_be_visible()
    told(person, "Shrink", "Shrink", "it is over", Processes="2")

    expect(person.page.get_by_text(f"prefork × {before}", exact=True)).to_be_visible()
    assert noted(system, "grow_pool")[0] == ("grace", "done", "the sale begins")
    assert noted(system, "shrink_pool")[0] == ("grace", "done", "it is over")


def test_a_worker_takes_from_another_queue_and_no_more(as_role: AsRole, system: System, extra: str) -> None:
    """As the register and the list of queues say, too."""
    person = as_role("admin")
    page = person.visit(f"/workers/{extra}")

    told(person, "Add a queue", "Add a queue", "more hands", Queue="fleet-more")
    expect(page.get_by_role("link", name="fleet-more")).to_be_visible()
    page.get_by_role("button", name="Cancel a queue…").click()
    page.get_by_role("dialog").get_by_label("Queue", exact=True).select_option("fleet-more")
    person.confirm("Cancel a queue", "enough")

    expect(page.get_by_role("link", name="fleet-more")).to_have_count(0)
    until(lambda: system.client.fleet.worker(extra).queues == ("extra",), "it takes from its own")


def test_a_worker_is_drained_and_resumed(as_role: AsRole, system: System, extra: str) -> None:
    """Drained it offers to be resumed, and says what it was drained of."""
    person = as_role("admin", user="grace")
    page = person.visit(f"/workers/{extra}")

    told(person, "Drain", "Drain", "a new kernel")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".heading .badge", has_text="draining")).to_be_visible()
    assert fact(person, "Drained of") == "extra"
    told(person, "Resume", "Resume", "it runs")

    expect(page.locator(".heading .badge", has_text="online")).to_be_visible()
    assert noted(system, "drain_worker")[0] == ("grace", "done", "a new kernel")


def test_limits_are_set_for_tasks_of_the_app_alone(as_role: AsRole, system: System, extra: str) -> None:
    """A rate is taken; a time limit for steps is refused, with the reason."""
    person = as_role("admin")
    page = person.visit(f"/workers/{extra}")

    told(person, "Rate limit", "Rate limit", "slowly", Task="orchestrator.step", Rate="0")
    expect(page.get_by_text("Rate limit: it will")).to_be_visible()
    told(person, "Time limit", "Time limit", "no", Task="orchestrator.step", Soft_limit="5")

    expect(page.get_by_role("alert")).to_contain_text("invalid_request")
    assert noted(system, "limit_rate")[0][1:] == ("done", "slowly")
    assert noted(system, "limit_time")[0][1] == "invalid_request"


def test_a_worker_is_asked_for_all_that_celery_knows(as_role: AsRole, extra: str) -> None:
    """It answers itself."""
    person = as_role("admin")
    page = person.visit(f"/workers/{extra}")

    page.get_by_role("button", name="Inspect").click()

    expect(page.get_by_text("registered:")).to_be_visible()


def test_a_worker_is_shut_down(as_role: AsRole, system: System, extra: str) -> None:
    """It ends, and is not listed any more."""
    process = next(one for one in system.fleet if one.name == "extra")
    person = as_role("admin", user="grace")
    page = person.visit(f"/workers/{extra}")

    told(person, "Shut down", "Shut down", "the last day")

    until(lambda: not process.running, "it ends")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.goto(f"{person.base}/workers/{extra}")
    expect(page.get_by_text("unknown_worker")).to_be_visible()
    assert noted(system, "shut_down_worker")[0] == ("grace", "done", "the last day")


def test_a_lost_worker_is_forgotten(as_role: AsRole, system: System, extra: str) -> None:
    """Nothing else can be told to it; afterwards the list is shown, without it."""
    next(one for one in system.fleet if one.name == "extra").kill()
    until(lambda: system.client.fleet.worker(extra).state == "lost", "it is missed", 40)
    person = as_role("admin", user="grace")
    page = person.visit("/workers?state=lost")
    page.get_by_role("link", name=extra).click()
    expect(page.get_by_role("button", name="Drain…")).to_have_count(0)

    told(person, "Forget", "Forget", "it burned down")

    expect(page).to_have_url(f"{person.base}/workers")
    expect(page.locator("tbody tr", has_text=extra)).to_have_count(0)
    assert noted(system, "forget_worker")[0] == ("grace", "done", "it burned down")


def test_only_admins_of_every_workflow_tell_workers_anything(as_role: AsRole, extra: str) -> None:
    """For everybody else the buttons are there, off, with the reason."""
    for role, patterns, why in (
        ("operator", (), "This needs the role admin."),
        ("admin", ("payment.*",), "A key for some workflows only may not do this."),
    ):
        page = as_role(role, *patterns).visit(f"/workers/{extra}")

        off = page.get_by_role("button", name="Shut down…")

        expect(off).to_have_attribute("aria-disabled", "true")
        expect(off).to_have_attribute("title", why)


def test_a_key_for_some_workflows_learns_of_no_others(as_role: AsRole, system: System) -> None:
    """Neither what the worker holds of them, nor that it serves them."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    gate.reached()
    name = next(one.name for one in system.client.fleet.workers() if "default" in one.queues)
    until(lambda: system.client.fleet.worker(name).leases, "the lease is told")

    page = as_role("viewer", "examples.*").visit(f"/workers/{name}")

    expect(page.get_by_text("examples.sequence@1.0.0")).to_be_visible()
    expect(page.get_by_text(run.run_id)).to_have_count(0)
    expect(page.get_by_text("payment.flow@1.0.0")).to_have_count(0)
    gate.open()


def test_it_looks_like_this(as_role: AsRole, system: System, axe: None) -> None:
    """Artifacts, to be looked at, with somebody at work; nothing serious for axe-core."""
    del axe
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    gate.reached()
    name = next(one.name for one in system.client.fleet.workers() if "default" in one.queues)
    until(lambda: system.client.fleet.worker(name).leases, "the lease is told")
    person = as_role("admin")

    for kept, path in (("workers", "/workers"), ("worker", f"/workers/{name}")):
        person.visit(path)
        person.keep(kept)
        assert person.barriers() == []
        person.resize(NARROW)
        assert person.fits()
    gate.open()
    assert ended(run).status == "completed"
