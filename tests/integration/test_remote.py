"""The client over HTTP, before a real API: what it does, it does as over Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict

import pytest

from orchestrator import AsyncOrchestrator, Orchestrator, RunConflict, RunFailed, Start, Unreachable, WaitTimeout
from orchestrator.engine.state import RunStatus
from orchestrator.errors import (
    Forbidden,
    InvalidInput,
    InvalidRequest,
    NotAsked,
    RunOver,
    SignalNotExpected,
    Unauthenticated,
    UnknownRun,
    UnknownWorkflow,
)
from orchestrator.local.redis_server import free_port
from orchestrator.spec.loader import load_path
from tests.integration.conftest import MakeSystem
from tests.integration.system import ROOT, System, server_of, token, until

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("api_url")]

PAYMENT = {"amount": 1250, "payment_method_id": "pm_ok"}
CTX = {"user_id": "u-1", "user_email": "ada@example.com"}
CLAIM = {"amount": 10, "manager": "ann"}


@pytest.fixture
def remote(system: System) -> Iterator[Orchestrator]:
    """A client of an admin."""
    with Orchestrator.connect(server_of(system), api_key=token(system, "admin")) as client:
        yield client


@pytest.fixture(params=["http", "redis"])
def connect_async(system: System, api_url: str, request: pytest.FixtureRequest) -> Callable[[], AsyncOrchestrator]:
    """Makes an asynchronous client, over one and the other."""
    if request.param == "redis":
        return lambda: AsyncOrchestrator.connect(settings=system.client.settings)
    return lambda: AsyncOrchestrator.connect(server_of(system), api_key=token(system, "admin"))


def test_what_is_told_of_a_run_is_the_same(remote: Orchestrator, system: System) -> None:
    """Description, history, result, search: value for value, but for how long ago things were."""
    run = remote.start("payment.flow", PAYMENT, ctx=CTX)
    there = system.client.handle(run.run_id)

    output = run.result(timeout=20)

    assert output == there.result()
    assert (run.describe(), run.status()) == (there.describe(), RunStatus.COMPLETED)
    assert run.history() == there.history()
    assert list(run.follow()) == there.history()
    assert run.undo_preview() == there.undo_preview()
    assert remote.search(text=run.run_id) == system.client.search(text=run.run_id)


def test_what_is_told_of_versions_and_the_fleet_is_the_same(remote: Orchestrator, system: System) -> None:
    """And a published version, its traffic and its mark are there for both."""
    here = system.client
    (spec,) = [one.spec for one in load_path(ROOT / "specs") if one.spec.meta.key == "payment.flow"]

    assert remote.publish(spec) == here.publish(spec)
    assert remote.versions("payment.flow") == here.versions("payment.flow")
    assert remote.traffic("payment.flow", {"1.0.0": 1.0}, by="input.amount") == here.traffic("payment.flow")
    remote.clear_traffic("payment.flow", reason="enough")
    assert here.traffic("payment.flow") is None is remote.traffic("payment.flow")
    assert [one.name for one in remote.stats().workers] == [one.name for one in here.stats().workers]
    assert [one.code for one in remote.doctor()] == [one.code for one in here.doctor()]


def test_the_same_key_is_the_same_run_whatever_it_came_by(remote: Orchestrator, system: System) -> None:
    """Over HTTP, over Redis, alone and among others; whether a header can carry the key or not."""
    for key in ("order-17", "Bestellung für Ada"):
        first = remote.start("payment.flow", PAYMENT, ctx=CTX, idempotency_key=key)
        (many,) = remote.start_many([Start("payment.flow", PAYMENT, CTX, idempotency_key=key)])
        over_redis = system.client.start("payment.flow", PAYMENT, ctx=CTX, idempotency_key=key)

        assert first.run_id == many.run_id == over_redis.run_id
        with pytest.raises(RunConflict) as conflict:
            remote.start("payment.flow", PAYMENT | {"amount": 1}, ctx=CTX, idempotency_key=key)
        assert conflict.value.details == {"run_id": first.run_id}


def test_errors_are_those_that_redis_would_raise(remote: Orchestrator, system: System) -> None:
    """By their codes, with their details."""
    failed = remote.start("payment.flow", PAYMENT | {"payment_method_id": "pm_declined"}, ctx=CTX)
    with pytest.raises(RunFailed) as over_http:
        failed.result(timeout=20)
    with pytest.raises(RunFailed) as over_redis:
        system.client.handle(failed.run_id).result()

    assert over_http.value.as_dict() == over_redis.value.as_dict()
    for error, doing in (
        (UnknownRun, lambda: remote.get("nobody")),
        (UnknownWorkflow, lambda: remote.start("no.flow")),
        (InvalidInput, lambda: remote.start("payment.flow", {"amount": "much"})),
        (RunOver, failed.cancel),
        (SignalNotExpected, lambda: remote.start("expense.claim", CLAIM).signal("paid")),
        (InvalidRequest, lambda: failed.retry(by="somebody else")),
    ):
        with pytest.raises(error):
            doing()
    with Orchestrator.connect(server_of(system), api_key="orc_x") as stranger, pytest.raises(Unauthenticated):
        stranger.stats()
    with Orchestrator.connect(server_of(system), api_key=token(system, "viewer")) as viewer, pytest.raises(Forbidden):
        viewer.start("payment.flow", PAYMENT)
    with Orchestrator.connect(f"http://127.0.0.1:{free_port()}") as nobody, pytest.raises(Unreachable):
        nobody.stats()


def test_verbs_do_what_they_do(remote: Orchestrator, system: System) -> None:
    """Each is found in the run and, with who and why, in the audit log."""
    gate = system.gate()
    run = remote.start("payment.flow", PAYMENT | {"payment_method_id": f"pm_gate_{gate.name}"}, ctx=CTX)
    gate.reached()

    run.pause("wait a little")
    assert run.describe().status == "paused"
    run.resume("go on")
    run.cancel("wrong card")
    gate.open()
    with pytest.raises(RunFailed):
        run.result(timeout=20)
    run.retry("right card", incarnation=1)

    assert isinstance(run.result(timeout=20), dict)
    target = f"runs/{run.run_id}"
    noted = [(one.action, one.user, one.reason) for one in system.client.access.read(None, 50) if one.target == target]
    assert noted[::-1][1:] == [
        ("pause", "ada", "wait a little"),
        ("resume", "ada", "go on"),
        ("cancel", "ada", "wrong card"),
        ("retry", "ada", "right card"),
    ]


def test_people_decide_over_http(system: System) -> None:
    """By the key's user and groups; by a link without a key; each decision is noted."""
    server = server_of(system)
    with (
        Orchestrator.connect(server, api_key=token(system, "starter", user="ann")) as ann,
        Orchestrator.connect(server, api_key=token(system, "starter", user="eve")) as eve,
        Orchestrator.connect(server, api_key=token(system, "operator", user="root")) as root,
        Orchestrator.connect(server) as keyless,
    ):
        runs = [eve.start("expense.claim", CLAIM).run_id for _ in range(2)]
        until(lambda: {*runs} <= {one.run_id for one in ann.approvals.mine()}, "the manager is asked")
        with pytest.raises(NotAsked):
            eve.approvals.decide(runs[0], "manager", "approve")
        with pytest.raises(Forbidden):
            eve.approvals.list()
        with pytest.raises(InvalidInput):
            ann.approvals.decide(runs[0], "manager", "approve")
        ann.approvals.decide(runs[0], "manager", "approve", form={"cost_centre": "C-7"}, comment="fine")
        link = root.approvals.link_token(runs[1], "manager", "ann")
        with pytest.raises(NotAsked):
            keyless.approvals.decide_by_link(runs[1], "manager", "reject", by="ann", token="0" * 32)
        keyless.approvals.decide_by_link(runs[1], "manager", "reject", by="ann", token=link)

        assert root.handle(runs[0]).result(timeout=20) is not None
        with pytest.raises(RunFailed):
            root.handle(runs[1]).result(timeout=20)
        assert not {*runs} & {one.run_id for one in root.approvals.list()}
    entries = [one for one in system.client.access.read(None, 100) if one.target == f"runs/{runs[1]}/steps/manager"]
    assert [(one.action, one.user, one.key != "", one.outcome) for one in entries[::-1]] == [
        ("make_link", "root", True, "done"),
        ("reject", "ann", True, "not_asked"),
        ("reject", "ann", True, "done"),
    ]


def test_waits_are_given_up_in_time(remote: Orchestrator, system: System) -> None:
    """The run goes on."""
    gate = system.gate()
    run = remote.start("payment.flow", PAYMENT | {"payment_method_id": f"pm_gate_{gate.name}"}, ctx=CTX)
    gate.reached()

    with pytest.raises(WaitTimeout):
        run.result(timeout=0.2)
    with pytest.raises(WaitTimeout) as given_up:
        list(run.follow(timeout=0.2))

    assert given_up.value.details == {"run_id": run.run_id, "status": "running"}


def test_whoever_follows_survives_the_death_of_the_api(make_system: MakeSystem) -> None:
    """Killed in the middle of a stream, and started again: every event is given once, in order."""
    system = make_system()
    system.publish()
    system.start_worker()
    system.start_beat()
    system.start_api()
    system.ready()
    gate, seen = system.gate(), list[object]()
    with Orchestrator.connect(server_of(system), api_key=token(system, "starter")) as remote:
        run = remote.start("payment.flow", PAYMENT | {"payment_method_id": f"pm_gate_{gate.name}"}, ctx=CTX)
        follower = threading.Thread(target=lambda: seen.extend(run.follow()))
        waiter = threading.Thread(target=lambda: seen.append(run.result(timeout=60)))
        follower.start()
        gate.reached()
        waiter.start()
        system.fleet["api"].kill()
        system.ready()
        gate.open()
        follower.join(30)
        waiter.join(30)

    entries = system.client.handle(run.run_id).history()
    assert [one for one in seen if one in entries] == entries
    assert len(seen) == len(entries) + 1


def test_the_asynchronous_client_does_the_same(connect_async: Callable[[], AsyncOrchestrator], system: System) -> None:
    """Start, wait, follow, look, decide: over HTTP on the event loop, over Redis in threads."""

    async def act() -> None:
        async with connect_async() as client:
            run = await client.start("payment.flow", PAYMENT, ctx=CTX)
            output, entries = await asyncio.gather(run.result(timeout=20), listed(run.follow()))
            there = system.client.handle(run.run_id)
            assert (output, entries) == (there.result(), there.history())
            assert asdict(await run.describe()) == asdict(there.describe())
            assert [one.run_id for one in await client.runs(limit=1)] == [run.run_id]
            assert await (await client.get(run.run_id)).status() == "completed"
            many = await client.start_many([Start("examples.sequence", {"name": f"n{one}"}) for one in range(50)])
            outputs = await asyncio.gather(*(one.result(timeout=30) for one in many))
            assert outputs == [{"text": f"Hello, N{one}"} for one in range(50)]
            with pytest.raises(UnknownRun):
                await client.get("nobody")
            assert [one for one in await client.approvals.mine() if one.run_id == run.run_id] == []

    asyncio.run(act())


def test_an_asynchronous_wait_can_be_given_up(connect_async: Callable[[], AsyncOrchestrator], system: System) -> None:
    """By its own timeout, and by being cancelled; the client ends at once."""
    gate = system.gate()

    async def act() -> None:
        async with connect_async() as client:
            run = await client.start("payment.flow", PAYMENT | {"payment_method_id": f"pm_gate_{gate.name}"}, ctx=CTX)
            await asyncio.to_thread(gate.reached)
            with pytest.raises(WaitTimeout):
                await run.result(timeout=0.2)
            with pytest.raises(WaitTimeout):
                await listed(run.follow(timeout=0.2))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run.result(), 0.2)

    asyncio.run(act())


async def listed(entries: AsyncIterator[object]) -> list[object]:
    """All that comes."""
    return [entry async for entry in entries]
