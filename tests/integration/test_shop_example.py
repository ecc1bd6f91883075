"""The example shop, as a process of its own before a real API."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.local import ManagedProcess
from orchestrator.local.redis_server import free_port
from tests.integration.system import ROOT, System, server_of, token, until

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("api_url")]


@pytest.fixture
def shop(system: System, tmp_path: Path) -> Iterator[httpx.Client]:
    """A customer's browser, before the shop."""
    port = free_port()
    surroundings = {
        "SHOP_ORCHESTRATOR_URL": server_of(system),
        "SHOP_ORCHESTRATOR_KEY": token(system, "starter", user="shop"),
    }
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'docs/examples/shop'}", **surroundings}
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port)]
    process = ManagedProcess("shop", command, env=env, log=tmp_path / "shop.log")
    process.start()
    process.wait_for_line("Uvicorn running")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=30) as browser:
        yield browser
    process.kill()


def order(number: str, card: str = "pm_ok", amount: int = 1250) -> dict[str, object]:
    """An order."""
    return {"id": number, "amount": amount, "card": card, "email": "ada@example.com"}


def charged(system: System, number: str) -> int:
    """How often an order was paid for."""
    run = system.client.start(
        "payment.flow",
        {"amount": 1250, "payment_method_id": "pm_ok"},
        ctx={"user_id": "ada@example.com", "user_email": "ada@example.com"},
        idempotency_key=f"order-{number}",
    )
    return len(system.charges(run))


def test_an_order_is_paid_and_one_that_is_sent_twice_is_paid_once(shop: httpx.Client, system: System) -> None:
    """The second time the page of the first is shown."""
    pages = [shop.post("/orders", json=order("twice")) for _ in range(2)]
    until(lambda: "Paid." in shop.get("/orders/twice").text, "it is paid")

    assert [page.url.path for page in pages] == ["/orders/twice"] * 2
    assert charged(system, "twice") == 1
    assert shop.post("/orders", json=order("twice", amount=1)).status_code == 409
    told = [entry.event for entry in system.client.events.tail(100) if entry.event and entry.event.id == "order-twice"]
    assert [(one.source, one.type, one.data["amount"]) for one in told] == [("/shop", "order.created", 1250)] * 2


def test_a_declined_card_is_told(shop: httpx.Client) -> None:
    """With the reason."""
    shop.post("/orders", json=order("declined", card="pm_declined"))
    until(lambda: "being made" not in shop.get("/orders/declined").text, "it is over")

    assert "Not paid" in shop.get("/orders/declined").text


def test_a_payment_that_takes_long_is_shown_as_going(shop: httpx.Client, system: System) -> None:
    """The page is there at once, and looks again."""
    gate = system.gate()

    going = shop.post("/orders", json=order("long", card=f"pm_gate_{gate.name}"))
    gate.open()
    until(lambda: "Paid." in shop.get("/orders/long").text, "it is paid")

    assert "being made" in going.text
    assert 'http-equiv="refresh"' in going.text
