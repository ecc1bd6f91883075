"""Getting in and out, and what stands around every page."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from orchestrator.dashboard.pages import PAGES
from orchestrator.dashboard.pages.page import Page as DashboardPage
from tests.browser.browsing import NARROW, Person
from tests.browser.conftest import AsRole
from tests.integration.system import System, token

pytestmark = pytest.mark.integration


def test_without_a_key_there_is_only_the_log_in(visitor: Person) -> None:
    """Whoever is not logged in sees the form, and afterwards the page that they asked for."""
    visitor.page.goto(f"{visitor.base}/runs?status=failed")

    expect(visitor.page.get_by_role("heading", name="Log in")).to_be_visible()
    assert "next=" in visitor.page.url
    assert visitor.page.evaluate("document.compatMode") == "CSS1Compat"


def test_a_wrong_key_is_refused_with_its_code(visitor: Person) -> None:
    """And said so, in words and to screen readers."""
    visitor.page.goto(f"{visitor.base}/login")
    visitor.page.get_by_label("API key").fill("orc_000000000000_" + "0" * 64)
    visitor.page.get_by_role("button", name="Log in").click()

    expect(visitor.page.get_by_role("alert")).to_contain_text("unauthenticated")


def test_logging_in_leads_on_and_logging_out_ends_it(visitor: Person, system: System) -> None:
    """The session's cookie is out of scripts' reach, gone afterwards, and a copy of it opens nothing."""
    visitor.page.goto(f"{visitor.base}/runs?status=failed")
    visitor.page.get_by_label("API key").fill(token(system, "viewer"))
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page).to_have_url(f"{visitor.base}/runs?status=failed")
    (cookie,) = (one for one in visitor.page.context.cookies() if one["name"] == "orchestrator_session")

    visitor.page.get_by_role("button", name="Log out").click()

    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/dashboard")
    expect(visitor.page.get_by_role("heading", name="Log in")).to_be_visible()
    assert [one["name"] for one in visitor.page.context.cookies()] == ["orchestrator_login"]
    copied = httpx.get(f"{visitor.base}/runs", headers={"Cookie": f"{cookie['name']}={cookie['value']}"})
    assert (copied.status_code, copied.headers["location"][:16]) == (303, "/dashboard/login")


def test_a_revoked_key_ends_its_sessions(as_role: AsRole, system: System) -> None:
    """At the next look, wherever the page stands open."""
    person = as_role("viewer", user="leaving")
    (key,) = (one for one in system.client.access.all_keys() if one.user == "leaving" and one.revoked_at is None)

    system.client.access.revoke(key.id)
    person.page.goto(f"{person.base}/runs")

    expect(person.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_other_sites_neither_open_the_socket_nor_send_forms(as_role: AsRole) -> None:
    """Browsers send the cookie along, whoever's page asks them to; so the origin must be ours."""
    person = as_role("admin")
    cookie = {"Cookie": "; ".join(f"{one['name']}={one['value']}" for one in person.page.context.cookies())}
    socket = person.base.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    ours, other = Origin(person.base.removesuffix("/dashboard")), Origin("http://evil.example")

    for origin, headers in ((other, cookie), (None, cookie), (ours, {})):
        with pytest.raises(InvalidStatus, match="403"):
            connect(socket, additional_headers=headers, origin=origin)
    sent = httpx.post(f"{person.base}/logout", headers={**cookie, "Origin": other})

    assert sent.status_code == 403


def test_pages_run_no_scripts_but_ours(as_role: AsRole) -> None:
    """The policy names a nonce of this answer alone, and the browser has nothing to complain about."""
    person = as_role("admin")

    answers = [person.page.goto(f"{person.base}/runs") for _ in range(2)]
    person.settle()

    policies = [answer.headers["content-security-policy"] for answer in answers if answer]
    assert len(set(policies)) == 2
    assert all("'unsafe-inline'" not in policy.split("style-src")[0] for policy in policies)
    assert person.errors == []


@pytest.mark.parametrize("page", [one for one in PAGES if one.keys], ids=lambda one: one.title)
def test_every_page_is_barrier_free_and_fits_a_phone(page: DashboardPage, as_role: AsRole, axe: None) -> None:
    """Nothing serious for axe-core, in either theme; no wider than the screen; its own title."""
    del axe
    person = as_role("admin")

    person.visit(page.path)

    assert person.barriers() == []
    person.resize(NARROW)
    assert person.fits()
    assert person.page.title() == f"{page.title} · Orchestrator"


def test_keys_lead_everywhere(as_role: AsRole) -> None:
    """`g` and a letter to a page, `/` to its search; the first tab stop skips the navigation."""
    person = as_role("viewer")
    page = person.visit("/nowhere")
    expect(page.get_by_text("There is no such page.")).to_be_visible()

    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(f"{person.base}/runs")
    person.settle()
    page.keyboard.press("/")

    expect(page.get_by_role("searchbox")).to_be_focused()
    page.reload()
    person.settle()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_the_theme_is_remembered(as_role: AsRole) -> None:
    """The system's by default; the chosen one from then on."""
    person = as_role("viewer")
    page = person.visit("/runs")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.get_by_role("button", name="Theme").click()
    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "light")
