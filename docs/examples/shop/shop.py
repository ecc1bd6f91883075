"""A small shop that takes payments. It speaks to Orchestrator over HTTP, and to nothing else of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from html import escape

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from orchestrator import AsyncOrchestrator, RunConflict, RunFailed, WaitTimeout

PATIENCE_S = 1.0
"""So long the customer waits for the page; it looks again by itself while the payment is going."""


class Order(BaseModel):
    """What a customer buys."""

    id: str
    amount: int
    """Cents."""
    card: str
    email: str


@asynccontextmanager
async def connected(shop: FastAPI) -> AsyncIterator[None]:
    """The client lives as long as the shop."""
    url, key = os.environ["SHOP_ORCHESTRATOR_URL"], os.environ["SHOP_ORCHESTRATOR_KEY"]
    async with AsyncOrchestrator.connect(url, api_key=key) as orchestrator:
        shop.state.orchestrator = orchestrator
        shop.state.runs = {}  # the run of each order; a real shop has a column for it
        yield


app = FastAPI(title="Shop", lifespan=connected)


@app.post("/orders", status_code=303)
async def take_order(order: Order, request: Request) -> RedirectResponse:
    """Pay for an order, and tell everybody of it. Sent twice, it is paid once: the run belongs to the order."""
    orchestrator: AsyncOrchestrator = request.app.state.orchestrator
    try:
        run = await orchestrator.start(
            "payment.flow",
            {"amount": order.amount, "payment_method_id": order.card},
            ctx={"user_id": order.email, "user_email": order.email},
            idempotency_key=f"order-{order.id}",
        )
    except RunConflict as error:
        raise HTTPException(409, f"order {order.id} is another one") from error
    await orchestrator.events.emit(
        id=f"order-{order.id}", source="/shop", type="order.created", data=order.model_dump(exclude={"card"})
    )
    request.app.state.runs[order.id] = run.run_id
    with suppress(WaitTimeout, RunFailed):  # the page tells both
        await run.result(timeout=PATIENCE_S)
    return RedirectResponse(f"/orders/{order.id}", 303)


@app.get("/orders/{order_id}")
async def show_order(order_id: str, request: Request) -> HTMLResponse:
    """How the payment of an order stands."""
    if order_id not in request.app.state.runs:
        raise HTTPException(404, f"no order {order_id}")
    orchestrator: AsyncOrchestrator = request.app.state.orchestrator
    run = await orchestrator.handle(request.app.state.runs[order_id]).describe()
    if run.status == "completed":
        return page(order_id, "Paid. A receipt is on its way.")
    if run.status in ("failed", "cancelled"):
        return page(order_id, f"Not paid: {(run.error or {}).get('message') or run.status}")
    return page(order_id, "Your payment is being made …", again=True)


def page(order_id: str, text: str, *, again: bool = False) -> HTMLResponse:
    """A page about an order, which looks again by itself if there is more to come."""
    refresh = '<meta http-equiv="refresh" content="1">' if again else ""
    return HTMLResponse(f"<!doctype html>{refresh}<title>Order {escape(order_id)}</title><p>{escape(text)}</p>")
