"""A liquidation as its owner sees it over the WebSocket and REST (contract 10.12, 11.5)."""

from __future__ import annotations

from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import DEMO_ACCOUNTS, ExchangeConfig
from tests.paper.venue_client import bench

PERP = "BTC_PERP"
POOR = msgspec.structs.replace(DEMO_ACCOUNTS[0], collateral={"USDT": "1000"})
CONFIG = VenueConfig(exchange=ExchangeConfig(accounts=(POOR, DEMO_ACCOUNTS[1])))


async def test_margin_call_and_liquidation(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, CONFIG)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("positionsAccountMargin_subscribe")
    await ws.call("ordersExecuted_subscribe", [PERP], 0)
    exchange = run.handle.exchange

    async def order(side: str, price: str, amount: str, *, alice: bool = False) -> None:
        client = run.alice if alice else run.bob
        fields = {"market": PERP, "side": side, "price": price, "amount": amount}
        await client.ok("order/collateral/limit", **fields)

    async def mark(price: str) -> None:
        exchange.set_index(PERP, price, 0)
        await order("sell", price, "0.001")
        await order("buy", price, "0.001")

    await order("sell", "60000", "0.15")
    await order("buy", "60000", "0.15", alice=True)
    await ws.push("ordersExecuted_update")
    held = (await run.alice.ok("collateral-account/positions/open"))[0]
    assert held["liquidationPrice"] == "55016.8"
    await mark("55400")
    event, record = await ws.push("positionsAccountMargin_update")
    assert (event, record["liq_stage"], record["amount"]) == (1, "margin_call", "0.15")
    assert record["liq_price"] == "55016.8"
    held = (await run.alice.ok("collateral-account/positions/open"))[0]
    assert held["liquidationState"] == "margin_call"
    await mark("55016.8")
    await order("buy", "55000", "10")
    event, record = await ws.push("positionsAccountMargin_update")
    assert (event, record["liq_stage"]) == (2, "liquidation")
    closing: dict[str, Any] = (await ws.push("ordersExecuted_update"))[0]
    assert closing["client_order_id"] == f"liquidation_{closing['id']}_!"
    assert (closing["source"], closing["type"], closing["side"]) == ("liquidation", 8, 1)
    assert (closing["ioc"], closing["amount"], closing["status"]) == (True, "0.038", "FILLED")
