"""Histories of positions over REST, and the deleveraging queue (contract 6.5)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import BTC_PERP, BTC_USDT, ExchangeConfig
from tests.paper.venue_client import START_NS, Bench, bench

PERP = "BTC_PERP"
START_S = START_NS // 1_000_000_000
HISTORY = "collateral-account/positions/history"
CLOSED = "collateral-account/positions/closed-pnl"


async def trade(run: Bench, side: str, amount: str, *prices: str) -> dict[str, Any]:
    """Alice takes `amount` from bob at each price with one order, which is returned."""
    other = "sell" if side == "buy" else "buy"
    order = {"market": PERP, "amount": amount}
    for price in prices:
        await run.bob.ok("order/collateral/limit", **order, side=other, price=price)
    order["amount"] = str(float(amount) * len(prices))
    taken: dict[str, Any] = await run.alice.ok(
        "order/collateral/limit", **order, side=side, price=prices[-1]
    )
    return taken


async def lived(run: Bench) -> list[int]:
    """A position of 0.2 from 100 and 102 is closed at 110 and turned to -0.1; order ids."""
    first = await trade(run, "buy", "0.1", "100", "102")
    second = await trade(run, "sell", "0.3", "110")
    return [first["orderId"], second["orderId"]]


async def test_every_order_that_changed_a_position(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    first, second = await lived(run)
    found = await run.alice.ok(HISTORY)
    shown = [
        (r["amount"], r["basePrice"], r["orderDetail"]["id"], r["orderDetail"]["tradeAmount"])
        for r in found
    ]
    assert shown == [
        ("-0.1", "110", second, "0.1"),
        ("0", "", second, "0.2"),
        ("0.2", "101", first, "0.2"),
    ]
    assert found[2]["positionId"] == found[1]["positionId"] != found[0]["positionId"]
    detail = found[1]["orderDetail"]
    assert (detail["price"], detail["tradeFee"], detail["fundingFee"]) == ("110", "0.0121", "0")
    assert detail["realizedPnl"] == "1.7879"
    assert (found[2]["orderDetail"]["price"], found[2]["side"]) == ("101", "BOTH")
    assert found[2]["orderDetail"]["realizedPnl"] == "-0.01111"
    only = await run.alice.ok(HISTORY, positionId=found[0]["positionId"])
    assert only == found[:1]
    assert await run.alice.ok(HISTORY, limit=1, offset=1, market=PERP) == found[1:2]
    assert await run.alice.ok(HISTORY, market="BTC_USDT") == []
    assert await run.alice.ok(HISTORY, endDate=START_S - 1) == []


async def test_closed_positions(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    market = msgspec.structs.replace(BTC_PERP, funding_interval_minutes=1)
    config = ExchangeConfig(markets=(BTC_USDT, market))
    run = await bench(nursery, VenueConfig(exchange=config))
    await trade(run, "buy", "0.1", "100", "102")
    await trio.sleep(61)
    await trade(run, "sell", "0.2", "110")
    closed = (await run.alice.ok(CLOSED))[0]
    closed.pop("positionId")
    opened, ended = closed.pop("openDate"), closed.pop("closeDate")
    assert (opened, ended) == (START_S, START_S + 61)
    assert closed == {
        "market": PERP,
        # 1.8 of P&L less both fees.
        "grossPnl": "1.77679",
        "netPnl": "1.77678592",
        "totalTradeFee": "0.02321",
        "totalFunding": "0.00000408",
        "avgEntryPrice": "101",
        "avgExitPrice": "110",
        "closedSize": "0.2",
        "amount": "0",
        "side": "BOTH",
        "isHedge": False,
    }
    assert await run.alice.ok(CLOSED, startDate=START_S, endDate=START_S + 60) == []
    assert len(await run.alice.ok(CLOSED, startDate=START_S + 61)) == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (HISTORY, {"limit": 101}, "limit"),
        (HISTORY, {"positionId": "1"}, "positionId"),
        (HISTORY, {"startDate": 2, "endDate": 1}, "startDate"),
        (HISTORY, {"endDate": START_S + 60}, "endDate"),
        (CLOSED, {"startDate": "1"}, "startDate"),
        (CLOSED, {"limit": 100, "offset": 9901}, "offset"),
        (CLOSED, {"limit": 0}, "limit"),
    ],
)
async def test_refusals(
    path: str, body: Any, field: str, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    status, answer = await run.alice.post(path, **body)
    assert (status, answer["code"], list(answer["errors"])) == (422, 30, [field])


async def test_adl_quantile(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    path = "collateral-account/adl-quantile"
    assert await run.alice.ok(path) == []
    await trade(run, "buy", "0.1", "100")
    assert await run.alice.ok(path) == [{"market": PERP, "long": 0, "short": None}]
    assert await run.bob.ok(path) == [{"market": PERP, "long": None, "short": 0}]
