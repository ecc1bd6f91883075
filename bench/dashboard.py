"""`python -m bench.dashboard`: how long the dashboard's pages take where 100,000 runs are over."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from bench import seed
from bench.meters import cpu_s, flush, server_version
from bench.report import machine, write_part
from orchestrator import Orchestrator, Settings
from orchestrator.client.access import create_key
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.dashboard.pages import PAGES
from orchestrator.local import Fleet, LocalRedis, api_command, beat_command, environment, worker_command
from orchestrator.local.redis_server import free_port
from tests.browser.browsing import ARGUMENTS, CHROMIUM, WIDE

RUNS: Final = 100_000
BESIDE: Final = 5_000
APPROVALS: Final = 1_000
HOURS: Final = 48
LOADS: Final = 20
SERVER_MS: Final = 300.0
PAINT_MS: Final = 1_000.0
WAIT_S: Final = 120.0
_POLL_S: Final = 0.2
_OPERATIONS: Final = ["bench.operations"]
_OTHER_BROKER: Final = 2
"""The database to which the messages of seeded runs go, which nobody is to work off."""
_PAINTED: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_SETTLED: Final = "document.querySelector('#main > *') ? performance.now() : 0"

VARIANTS: Final = (
    ("Runs of a workflow that failed", "/runs?workflow={workflow}&status=failed"),
    ("Runs of a tag, the oldest first", "/runs?tag=team-3&sort=oldest"),
    ("Runs by a field", "/runs?where=region%3Dnorth"),
    ("Runs by text that nothing has", "/runs?text=no-such-thing"),
)
"""What operators ask the list of runs for."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A page's figures, in ms."""

    title: str
    server: Sequence[float]
    cpu: float
    """What a load costs the API's process."""
    first: float
    """The first paint with nothing in the browser's cache."""
    paint: Sequence[float]
    content: Sequence[float]

    @property
    def row(self) -> str:
        """As a line of the table."""
        cells = [
            median(self.server),
            p95(self.server),
            self.cpu,
            self.first,
            median(self.paint),
            p95(self.paint),
            p95(self.content),
        ]
        kept = p95(self.server) <= SERVER_MS and max(self.first, p95(self.paint)) <= PAINT_MS
        return f"| {' | '.join([self.title, *(f'{cell:,.0f}' for cell in cells), 'yes' if kept else '**no**'])} |"


def main() -> None:
    """Seed, measure every list and page, and put the table into bench/RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many runs are over ({RUNS:,})")
    parser.add_argument("--redis", metavar="URL", help="what was seeded before, instead of seeding")
    parser.add_argument("--dry", action="store_true", help="print the page, and do not write it")
    options = parser.parse_args()
    with ExitStack() as stack:
        if options.redis:
            client = Orchestrator.connect(settings=Settings(redis_url=options.redis, operations=_OPERATIONS))
        else:
            client = _seeded(stack.enter_context(LocalRedis()), options.runs)
        url = client.settings.redis_url
        base, pid = stack.enter_context(_served(url, client))
        token = create_key(client.access, client.audit, user="ada", role="admin").token
        browser = stack.enter_context(_chromium())
        lines = [one.row for one in _measured(browser, base, token, client, pid)]
        text = _PAGE.format(
            machine=machine(server_version(url)),
            rows="\n".join(lines),
            loads=LOADS,
            load=os.getloadavg()[0],
            **_counts(options.runs),
        )
    print(text)
    if not options.dry:
        write_part("Dashboard", text)


def _counts(runs: int) -> dict[str, str]:
    versions = seed.WORKFLOWS * len(seed.VERSIONS)
    beside = {"beside": f"{BESIDE:,}", "approvals": f"{APPROVALS:,}", "hours": str(HOURS)}
    return {"runs": f"{runs:,}", "versions": f"{versions}", **beside}


def _seeded(server: LocalRedis, runs: int) -> RedisOrchestrator:
    settings = Settings(redis_url=server.url(), operations=_OPERATIONS)
    elsewhere = settings.model_copy(update={"broker_url": server.url(_OTHER_BROKER)})
    seeding = Orchestrator.connect(settings=elsewhere)
    began = time.perf_counter()
    for there in seed.runs(seeding, runs):
        if there % 10_000 == 0:
            print(f"{there:,} runs after {time.perf_counter() - began:.0f} s", flush=True)
    flush(server.url(_OTHER_BROKER))
    client = Orchestrator.connect(settings=settings)
    seed.beside(client, BESIDE)
    seed.sums(client, HOURS)
    seed.approvals(client, APPROVALS)
    return client


@contextmanager
def _served(url: str, client: RedisOrchestrator) -> Iterator[tuple[str, int]]:
    """Worker, beat and API; the dashboard's address, and the process that serves it."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        Fleet(env=environment(url, operations=_OPERATIONS), logs=Path(folder)) as fleet,
    ):
        fleet.start("beat", beat_command()).wait_for_line("beat: Starting")
        queues = ("default", *(f"bench-{line}" for line in seed.LINES[:-1]))
        fleet.start("worker", worker_command(queues)).wait_for_line("ready.")
        api = fleet.start("api", api_command("127.0.0.1", port))
        api.wait_for_line("Uvicorn running")
        deadline = time.monotonic() + WAIT_S
        while client.dispatcher.waiting_in("default") and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        yield f"http://127.0.0.1:{port}/dashboard", api.pid


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


def _measured(browser: Browser, base: str, token: str, client: RedisOrchestrator, pid: int) -> Iterator[Timed]:
    workflow = client.registry.workflows()[0]
    (run,) = client.search(workflow=workflow, limit=1).runs
    pages = [(page.title, page.path) for page in PAGES if page.keys]
    lists = [*pages, *((title, path.format(workflow=workflow)) for title, path in VARIANTS)]
    ones = [("Run", f"/runs/{run.run_id}"), ("Workflow", f"/workflows/{workflow}")]
    cookies = _logged_in(browser, base, token)
    for title, path in [*lists, *ones]:
        used = cpu_s([pid])
        server = _server_ms(f"{base}{path}", cookies)
        cpu = (cpu_s([pid]) - used) * 1000 / (LOADS + 1)
        first, paint, content = _paint_ms(browser, f"{base}{path}", base, token)
        timed = Timed(title, server, cpu, first, paint, content)
        print(timed.row, flush=True)
        yield timed


def _server_ms(url: str, cookies: dict[str, str]) -> list[float]:
    with httpx.Client(cookies=cookies, timeout=60) as http:
        times = []
        for number in range(LOADS + 1):
            began = time.perf_counter()
            http.get(url).raise_for_status()
            if number:  # the first opens the connection
                times.append((time.perf_counter() - began) * 1000)
        return times


def _paint_ms(browser: Browser, url: str, base: str, token: str) -> tuple[float, list[float], list[float]]:
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    page = context.new_page()
    try:
        _log_in(page, base, token)
        session = page.context.new_cdp_session(page)
        session.send("Network.clearBrowserCache")
        first, _ = _loaded(page, url)
        loads = [_loaded(page, url) for _ in range(LOADS)]
    finally:
        context.close()
    return first, [paint for paint, _ in loads], [content for _, content in loads]


def _loaded(page: Page, url: str) -> tuple[float, float]:
    page.goto(url)
    content = page.wait_for_function(_SETTLED).json_value()
    return float(page.wait_for_function(_PAINTED).json_value()), float(content)


def _logged_in(browser: Browser, base: str, token: str) -> dict[str, str]:
    context = browser.new_context()
    _log_in(context.new_page(), base, token)
    cookies = {one["name"]: one["value"] for one in context.cookies() if "name" in one and "value" in one}
    context.close()
    return cookies


def _log_in(page: Page, base: str, token: str) -> None:
    page.goto(f"{base}/login")
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("navigation", name="Pages").wait_for()


def p95(times: Sequence[float]) -> float:
    """What 19 of 20 stay below."""
    return quantiles(times, n=20, method="inclusive")[-1]


_PAGE: Final = """
By `make bench-dashboard`, on {machine}. The load average was {load:.1f}
at the end: what is waited for grows with it, CPU hardly does.

{runs} runs are over, of {versions} versions of 60 workflows; besides there are {beside} audit entries, {beside} alerts,
{beside} events that were given up, {approvals} runs that wait for a decision, and sums of each workflow for the last
{hours} hours. Redis, worker, beat, API and Chromium
share the machine. Each page is loaded {loads} times. *Server*: from the request to the last byte of the answer, as a
client with a session has it; *its CPU*: what the API's process worked for it. *Paint*: Chromium's
`first-contentful-paint`, once with an empty cache. *Content*: until the page's own part is there. Kept: the server's
p95 is at most 300 ms, and every paint in question at most 1 s.

| ms | server p50 | server p95 | its CPU | first paint, no cache | paint p50 | paint p95 | content p95 | kept |
| --- | --: | --: | --: | --: | --: | --: | --: | --- |
{rows}
"""


if __name__ == "__main__":
    main()
