"""The tour in `docs/`: its pages and pictures, made from runs that real workers have worked off.

`make tour` writes them anew. Every page of the navigation is in it; what it is for is read from `docs/dashboard.md`.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from orchestrator.cli.demo import STORIES, WORKFLOW
from orchestrator.client.audit import Actor
from orchestrator.dashboard.pages import PAGES
from orchestrator.local import LocalRedis
from tests.browser.browsing import ARGUMENTS, CHROMIUM, NARROW, Person, new_person
from tests.integration.system import ROOT, System, ended, happened, token, until

DOCS: Final = ROOT / "docs"
PICTURES: Final = DOCS / "tour"
SIZE: Final = (1280, 800)
LARGEST: Final = 100_000
"""Bytes of a picture; they are kept with the text."""
_LINKS: Final = 8
_SHADES: Final = (128, 64, 32)
_ROW: Final = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \|", re.MULTILINE)

INTRO: Final = """# A tour of the dashboard

The runs in these pictures are those of `orchestrator demo` and some of `specs/`, worked off by a real worker.
`make tour` takes them anew. What each page can do, and for whom, is in [the dashboard](dashboard.md).
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture: of which page, what stands beneath it, what is done before it is taken, and how."""

    name: str
    path: str
    says: str
    before: Callable[[Page], None] | None = None
    size: tuple[int, int] = SIZE
    dark: bool = False


def _ask_for_a_decision(page: Page) -> None:
    page.get_by_role("button", name="Decide…").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _to(selector: str) -> Callable[[Page], None]:
    """What brings a part of the page to its top."""

    def scroll(page: Page) -> None:
        page.locator(selector).first.evaluate("one => one.scrollIntoView({block: 'start'})")

    return scroll


SCENES: Final[Mapping[str, tuple[Scene, ...]]] = {
    "/runs": (
        Scene(
            "runs",
            "/runs",
            "All runs, up to date by themselves. Every filter stands in the address, so a link shows what its sender "
            "saw; what is selected can be cancelled or retried together.",
        ),
        Scene("runs-phone", "/runs", "The same on a phone, in the dark.", size=NARROW, dark=True),
    ),
    "/runs/{run_id:path}": (
        Scene(
            "run-refunded",
            "/runs/payment-3",
            "A receipt could not be sent, after the card had been charged: the charge was refunded. The graph has the "
            "path that was taken, and `↶` beside what was undone.",
        ),
        Scene(
            "run-timeline",
            "/runs/trip-to-atlantis",
            "There are no cars in Atlantis. In the timeline, the third booking fails, and those before it are undone, "
            "newest first.",
            before=_to("section:has(.gantt)"),
        ),
        Scene(
            "run-history",
            "/runs/trip-to-atlantis",
            "Its history, in the words of `orchestrator show`.",
            before=_to("#history"),
            dark=True,
        ),
        Scene(
            "run-waiting",
            "/runs/claim-17",
            "A claim waits for its manager. The page says why a run does not move and when it is looked at next; the "
            "manager decides right here, with the form that the spec asks for.",
            before=_ask_for_a_decision,
        ),
        Scene(
            "run-map",
            "/runs/journeys",
            "Forty guests are one box of the graph, with counts, however many they are.",
        ),
    ),
}
"""By the path of their page; a page that has none here is shown as it opens."""


def start_runs(system: System) -> None:
    """The demo's three payments, and one run of each pattern that the tour tells of."""
    ada = system.client.acting_for(Actor("ada"))
    for number, story in enumerate(STORIES, start=1):
        given = {"amount": 1250, "payment_method_id": story.method}
        mail = {"user_id": "u-1", "user_email": story.mail}
        ended(ada.start(WORKFLOW, given, ctx=mail, run_id=f"payment-{number}"))
    guests = [{"name": f"Guest {one}", "city": "Atlantis" if one % 8 == 0 else "Rome"} for one in range(40)]
    runs: Mapping[str, tuple[str, dict[str, Any]]] = {
        "greeting": ("examples.sequence", {"name": "Ada"}),
        "trip-to-rome": ("examples.trip-saga", {"city": "Rome", "traveller": "Ada"}),
        "trip-to-atlantis": ("examples.trip-saga", {"city": "Atlantis", "traveller": "Bert"}),
        "journeys": ("examples.map-tolerate", {"guests": guests}),
    }
    for run in [ada.start(key, given, run_id=name) for name, (key, given) in runs.items()]:
        ended(run, 60)
    claim = ada.start("expense.claim", {"amount": 1200, "manager": "grace"}, run_id="claim-17")
    until(lambda: happened(claim, "step_waiting", "manager"), "the claim waits for its manager")
    ada.start("order.follow", {"order": "17@shop.example"}, run_id="order-17")
    system.emit("order.shipped", {"order": "17@shop.example", "tracking": "DE-1704"}, id="shipped-17")
    system.emit("order.returned", {"order": "16@shop.example"}, id="returned-16")
    paused = ada.start("expense.claim", {"amount": 80, "manager": "cleo"}, run_id="claim-18")
    paused.pause("the budget is being looked at", "olga")


@contextmanager
def toured(folder: Path) -> Iterator[Person]:
    """A whole system with those runs, and an administrator in front of it."""
    with LocalRedis() as redis:
        system = System(redis, folder, broker_url=redis.url(1), dashboard=True, namespace="tour")
        try:
            system.publish()
            system.start_worker()
            system.start_beat()
            system.start_listener()
            base = system.start_api().replace("/api/v1", "/dashboard")
            system.ready()
            start_runs(system)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
                yield new_person(browser, base).log_in(token(system, "admin", user="grace"))
                browser.close()
        finally:
            system.close()


def take(person: Person, scene: Scene) -> None:
    """Take a picture."""
    page = person.page
    person.resize(scene.size)
    page.emulate_media(color_scheme="dark" if scene.dark else "light", reduced_motion="reduce")
    person.visit(scene.path)
    if scene.before is not None:
        scene.before(page)
    page.evaluate("document.fonts.ready")
    (PICTURES / f"{scene.name}.png").write_bytes(small(page.screenshot(animations="disabled")))


def small(png: bytes) -> bytes:
    """The same picture in as many shades as fit."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    tried = (_packed(picture, shades) for shades in _SHADES)
    return next(packed for packed in tried if len(packed) <= LARGEST)


def _packed(picture: Image.Image, shades: int) -> bytes:
    packed = io.BytesIO()
    picture.quantize(shades, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def scenes_of(page: Any, person: Person) -> tuple[Scene, ...]:
    """Those of a page, or the page as it opens; none of one that stands behind another and that nothing leads to."""
    if page.path in SCENES:
        return SCENES[page.path]
    path = page.path if page.keys else _found_behind(page, person)
    name = re.sub(r"\W+", "-", re.sub(r"\{.*?\}", "one", page.path)).strip("-") or "overview"
    return (Scene(name, path, ""),) if path else ()


def _found_behind(page: Any, person: Person) -> str | None:
    """The first such address that its parent leads to, or a page that its parent leads to."""
    pattern = re.compile(re.sub(r"\\\{.*?\\\}", "[^/?#]+", re.escape(page.path)))
    for start in [page.nav, *_links(page.nav, person)]:
        found = next((one for one in _links(start, person) if pattern.fullmatch(one.partition("?")[0])), None)
        if found:
            return found
    return None


def _links(path: str, person: Person) -> list[str]:
    """Where a page leads within the dashboard; the first few."""
    person.visit(path)
    found = [str(one.get_attribute("href")) for one in person.page.locator("#main a[href^='/dashboard']").all()]
    return [one.removeprefix("/dashboard") for one in dict.fromkeys(found)][:_LINKS]


def write_tour() -> None:
    """The page and its pictures; pictures of pages that are no more go."""
    purposes = dict(_ROW.findall((DOCS / "dashboard.md").read_text()))
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    written = [INTRO]
    with tempfile.TemporaryDirectory(prefix="orchestrator-tour-") as folder, toured(Path(folder)) as person:
        for page in PAGES:
            scenes = scenes_of(page, person)
            if not scenes:
                continue
            purpose = purposes.get(page.title, "")
            written.append(f"## {page.title}\n")
            if purpose:
                written.append(f"{purpose[0].upper()}{purpose[1:]}.\n")
            for scene in scenes:
                take(person, scene)
                said = f"{scene.says}\n\n" if scene.says else ""
                written.append(f"{said}![{page.title}: {scene.name.replace('-', ' ')}](tour/{scene.name}.png)\n")
    (DOCS / "tour.md").write_text("\n".join(written))


if __name__ == "__main__":
    write_tour()
