"""The HTTP API as a process of its own, beside workers and a beat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from orchestrator import Start
from orchestrator.client.jobs import Jobs
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, events, token, until

STREAMS = 120
"""Three times as many as there are threads."""
pytestmark = pytest.mark.integration

PAYMENT = {
    "input": {"amount": 1250, "payment_method_id": "pm_ok"},
    "ctx": {"user_id": "u-1", "user_email": "ada@example.com"},
}


@pytest.fixture
def api(system: System, api_url: str) -> Iterator[httpx.Client]:
    """A client of an operator."""
    headers = {"Authorization": f"Bearer {token(system, 'operator')}"}
    with httpx.Client(base_url=api_url, headers=headers, timeout=30) as client:
        yield client


def test_a_run_is_started_waited_for_and_told(api: httpx.Client) -> None:
    """202 and an address; 200 and the outcome to whoever waits for it."""
    accepted = api.post("/workflows/payment.flow/runs", json=PAYMENT)
    waited = api.post("/workflows/payment.flow/runs", json=PAYMENT, params={"wait": 20})

    assert (accepted.status_code, waited.status_code) == (202, 200)
    assert accepted.headers["location"] == f"/api/v1/runs/{accepted.json()['run_id']}"
    assert waited.json()["status"] == "completed"
    shown = api.get(waited.headers["location"].removeprefix("/api/v1"))
    assert shown.json()["output"] == waited.json()["output"]


def test_a_stream_is_taken_up_where_it_broke_off(api: httpx.Client) -> None:
    """By the id of the last event; together the parts are the history, and the end is told once."""
    run = api.post("/workflows/payment.flow/runs", json=PAYMENT).json()["run_id"]

    with api.stream("GET", f"/runs/{run}/stream") as response:
        first = [line for line, _ in zip(response.iter_lines(), range(8), strict=False)]
    seen = [line.removeprefix("id: ") for line in first if line.startswith("id: ")]
    rest = api.get(f"/runs/{run}/stream", headers={"Last-Event-ID": seen[-1]}).text.splitlines()
    again = api.get(f"/runs/{run}/stream", headers={"Last-Event-ID": [x[4:] for x in rest if x[:4] == "id: "][-1]})

    seen += [line.removeprefix("id: ") for line in rest if line.startswith("id: ")]
    assert seen == [event["id"] for event in api.get(f"/runs/{run}/history").json()["events"]]
    assert [line for line in rest if line == "event: end"] == ["event: end"]
    assert again.status_code == 204


def test_many_open_streams_leave_room_for_requests(api: httpx.Client, system: System) -> None:
    """None of them holds a thread; each is told of the end."""
    run = api.post("/workflows/examples.wait/runs", json={"input": {"text": "x"}}).json()["run_id"]
    api.post(f"/runs/{run}/pause")

    async def follow(client: httpx.AsyncClient) -> str:
        async with client.stream("GET", f"/runs/{run}/stream") as response:
            return [line async for line in response.aiter_lines()][-3]

    async def all_of_them() -> list[str]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=api.base_url, headers=api.headers, timeout=60, limits=limits) as client:
            streams = [asyncio.create_task(follow(client)) for _ in range(STREAMS)]
            await asyncio.to_thread(
                until, lambda: system.broker.info("clients")["blocked_clients"] >= STREAMS, "all wait"
            )
            assert (await client.get("/workflows")).status_code == 200
            await client.post(f"/runs/{run}/cancel")
            return await asyncio.gather(*streams)

    assert asyncio.run(all_of_them()) == ["event: end"] * STREAMS


def test_fifty_clients_start_and_read_at_once(api_url: str, system: System) -> None:
    """Each gets the outcome of its own run."""
    headers = {"Authorization": f"Bearer {token(system, 'starter')}"}

    def one(number: int) -> tuple[int, str, object]:
        with httpx.Client(base_url=api_url, headers=headers, timeout=60) as client:
            key = {"Idempotency-Key": f"crowd-{number}"}
            body = {"input": {"name": f"n{number}"}}
            started = client.post("/workflows/examples.sequence/runs", json=body, headers=key, params={"wait": 30})
            shown = client.get(f"/runs/{started.json()['run_id']}").json()
            return started.status_code, shown["status"], shown["output"]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(one, range(50)))

    assert answers == [(200, "completed", {"text": f"Hello, N{number}"}) for number in range(50)]


def test_what_a_role_does_not_allow_is_refused_and_noted(api_url: str, system: System) -> None:
    """403, and an entry in the audit log that says who, what, from where."""
    run = system.pay()
    headers = {"Authorization": f"Bearer {token(system, 'starter', user='eve')}", "User-Agent": "curious"}

    answer = httpx.post(f"{api_url}/runs/{run.run_id}/cancel", headers=headers, json={"reason": "why not"})

    (entry,) = [one for one in system.client.access.read(None, 20) if one.user == "eve"]
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (entry.action, entry.target, entry.outcome) == ("cancel", f"runs/{run.run_id}/cancel", "forbidden")
    assert (entry.source, entry.agent) == ("127.0.0.1", "curious")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"input": {"name": NaN}}', 422),
        (b'{"input": 5}', 400),
        (b'{"inputs": {}}', 400),
        (b'{"input": {"name": "\\ud800"}}', 422),
        (json.dumps({"input": {"name": "x" * 300_000}}).encode(), 413),
        (b"[" * 100_000, 400),
        (b'{"input": {"name": "' + b"x" * 9_000_000 + b'"}}', 413),
    ],
    ids=["cut off", "list", "nan", "number", "unknown field", "half a pair", "large input", "deep", "large body"],
)
def test_malformed_and_oversized_bodies_store_nothing(
    api: httpx.Client, system: System, content: bytes, status: int
) -> None:
    """A problem with a code, and no run more than before."""
    before = system.client.store.index_sizes(["all"])

    headers = {"Content-Type": "application/json"}
    answer = api.post("/workflows/examples.sequence/runs", content=content, headers=headers)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert system.client.store.index_sizes(["all"]) == before


def test_a_key_of_some_workflows_sees_no_others(api_url: str, system: System) -> None:
    """Neither the workflow nor its runs: 404, as if they were not there."""
    run = system.pay()
    headers = {"Authorization": f"Bearer {token(system, 'admin', 'examples.*')}"}
    with httpx.Client(base_url=api_url, headers=headers) as client:
        paths = [f"/runs/{run.run_id}", f"/runs/{run.run_id}/stream", "/workflows/payment.flow"]
        codes = [client.get(path).status_code for path in paths]
        codes.append(client.post(f"/runs/{run.run_id}/cancel").status_code)
        listed = client.get("/runs", params={"text": run.run_id}).json()

    assert codes == [404] * 4
    assert listed["runs"] == []


def test_it_does_not_listen_to_others_without_keys(make_system: MakeSystem) -> None:
    """Access can be off on loopback only."""
    system = make_system()
    system.start_api(access=False)
    api = system.fleet["api"]

    until(lambda: not api.running or "Uvicorn running" in api.tail(), "it runs or has ended")
    answer = httpx.get(f"http://127.0.0.1:{api.command[-1]}/api/v1/runs", headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403


def test_a_job_outlives_the_process_that_works_on_it(make_system: MakeSystem) -> None:
    """Killed with SIGKILL in the middle, it is taken up by another, and no run is missed or done twice."""
    system = make_system()
    system.publish()
    starts = [Start("examples.sequence", {"name": "ada"}) for _ in range(300)]
    runs = system.client.start_many(starts)
    url = system.start_api("first")
    system.ready()
    headers = {"Authorization": f"Bearer {token(system, 'operator')}"}
    body = {"verb": "cancel", "filter": {"workflow": "examples.sequence"}, "reason": "wrong list"}

    job = httpx.post(f"{url}/jobs", headers=headers, json=body).json()["id"]
    until(lambda: httpx.get(f"{url}/jobs/{job}", headers=headers).json()["done"] > 50, "it has begun")
    system.fleet["first"].kill()
    begun = Jobs.of(system.client).get(job)
    second = system.start_api("second")
    for process in system.fleet:
        if process.running:
            process.wait_for_line("Uvicorn running")
    until(lambda: httpx.get(f"{second}/jobs/{job}", headers=headers).json()["state"] == "completed", "it is over", 60)

    ended = Jobs.of(system.client).get(job)
    assert 50 < begun.done < 300
    assert (ended.done, ended.skipped, ended.failed) == (300, 0, 0)
    assert [len(events(run, "run_stopping")) for run in runs] == [1] * 300
