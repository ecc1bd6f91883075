"""A person in front of the dashboard: a browser of their own, logged in with a key of their role."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

HERE: Final = Path(__file__).parent
ARTIFACTS: Final = HERE / "artifacts"
AXE: Final = HERE / "node_modules/axe-core/axe.min.js"
BROWSERS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM: Final = next(filter(None, map(shutil.which, BROWSERS)), None)
"""The first of these that is here: the shell is the same browser without windows, and takes half the time."""
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDE: Final = (1440, 900)
NARROW: Final = (390, 844)
PATIENCE_MS: Final = 30_000
"""So long whatever is expected may take: the machine may have other things to do."""
_FORM_TOKEN: Final = re.compile(r'name="token" value="([^"]+)"')
_SERIOUS: Final = ("serious", "critical")


@dataclass
class Person:
    """Somebody who uses the dashboard. `page` is Playwright's; `errors` is what the browser complained about."""

    base: str
    page: Page
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def log_in(self, key: str) -> Person:
        """With an API key, by what the form sends: how it looks and leads on has tests of its own."""
        request = self.page.context.request
        hidden = _FORM_TOKEN.search(request.get(f"{self.base}/login").text())
        assert hidden is not None
        form: dict[str, str | float | bool] = {"token": hidden[1], "key": key}
        origin = {"Origin": self.base.removesuffix("/dashboard")}
        answer = request.post(f"{self.base}/login", form=form, headers=origin, max_redirects=0)
        assert answer.status == HTTPStatus.SEE_OTHER, answer.text()
        return self

    def visit(self, path: str) -> Page:
        """A page by its address below `/dashboard`, once its content is there and the server listens to it."""
        self.page.goto(f"{self.base}{path}")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until the content is there and the connection to the server stands."""
        self.page.locator("#main > *").first.wait_for(state="attached")
        self.page.wait_for_function("window.did_handshake || (window.socket && window.socket.connected)")

    def confirm(self, word: str, reason: str = "") -> None:
        """Confirm the dialog that is open by its button, with a reason."""
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Reason").fill(reason)
        dialog.get_by_role("button", name=word, exact=True).click()

    def resize(self, size: tuple[int, int]) -> None:
        """As on another screen."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def keep(self, name: str) -> None:
        """Keep what is seen, wide and light, narrow and dark, as artifacts to be looked at."""
        ARTIFACTS.mkdir(exist_ok=True)
        for word, size in (("wide", WIDE), ("narrow", NARROW)):
            self.resize(size)
            self.page.emulate_media(color_scheme="dark" if size == NARROW else "light")
            self.page.screenshot(path=ARTIFACTS / f"{name}-{word}.png", full_page=True)
        self.resize(WIDE)
        self.page.emulate_media(color_scheme="light")

    def barriers(self) -> list[str]:
        """What axe-core finds serious on the page, in both themes."""
        found: list[str] = []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            self.page.evaluate(AXE.read_text())
            result: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found += [f"{scheme}: {_told(one)}" for one in result["violations"] if one["impact"] in _SERIOUS]
        self.page.emulate_media(color_scheme="light")
        return found

    def fits(self) -> bool:
        """Whether the page is no wider than the screen."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


expect.set_options(timeout=PATIENCE_MS)


def _told(violation: dict[str, Any]) -> str:
    nodes = [one["html"][:200] for one in violation["nodes"][:5]]
    return f"{violation['id']}: {violation['help']} {json.dumps(nodes)}"


def new_person(browser: Browser, base: str) -> Person:
    """Somebody with a browser of their own, who is not logged in."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, timezone_id="Europe/Berlin")
    context.set_default_timeout(PATIENCE_MS)
    return Person(base, context.new_page())
