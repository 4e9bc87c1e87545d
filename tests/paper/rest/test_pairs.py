"""Margin on a spot pair as its owner sees it over REST and WebSocket (contract 6, 11.5, G-22)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import BTC_USDT, DEMO_ACCOUNTS, ExchangeConfig
from tests.paper.venue_client import Bench, Client, Ws, bench

MARKET, PERP = "BTC_USDT", "BTC_PERP"
LIMIT = "order/collateral/limit"
POOR = msgspec.structs.replace(DEMO_ACCOUNTS[0], collateral={"USDT": "1000"})
CONFIG = VenueConfig(exchange=ExchangeConfig(accounts=(POOR, DEMO_ACCOUNTS[1])))
# Every minute some units of the last decimals: 6000 x 0.000585 / 1440 a minute.
MINUTE = "0.0024375"


async def trade(run: Bench, side: str, amount: str, price: str = "60000") -> Any:
    """Let alice trade on margin with a spot order of bob."""
    other = "sell" if side == "buy" else "buy"
    await run.bob.ok("order/new", market=MARKET, side=other, amount=amount, price=price)
    return await run.alice.ok(LIMIT, market=MARKET, side=side, amount=amount, price=price)


async def balances(client: Client) -> dict[str, dict[str, str]]:
    found = await client.ok("collateral-account/balance-summary")
    return {each.pop("asset"): each for each in found}


async def test_a_long_and_its_fee(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    opened = await trade(run, "buy", "0.1")
    assert (opened["type"], opened["status"], opened["dealFee"]) == ("limit", "FILLED", "6")
    assert (opened["positionSide"], opened["reduceOnly"], opened["oto"]) == ("BOTH", False, None)
    [deal] = await run.alice.ok("trade-account/executed-history", market=MARKET)
    assert (deal["fee"], deal["feeAsset"], deal["role"]) == ("6", "USDT", 2)
    history = await run.alice.ok("trade-account/order/history", market=MARKET)
    [row] = history[MARKET]
    assert (row["type"], row["feeAsset"], row["positionSide"]) == ("limit", "USDT", "BOTH")
    assert (await run.alice.ok("trade-account/balance", ticker="BTC"))["BTC"]["available"] == "10"
    assert await balances(run.alice) == {
        "USDT": {
            "balance": "999994",
            "borrow": "6000",
            "availableWithoutBorrow": "999394",
            "availableWithBorrow": "9993940",
        },
        # 166.565666 BTC cost no more than that.
        "BTC": {
            "balance": "0",
            "borrow": "0",
            "availableWithoutBorrow": "0",
            "availableWithBorrow": "166.565666",
        },
    }
    assert await run.alice.ok("collateral-account/balance") == {"USDT": 999994}
    await trio.sleep(60)
    [held] = await run.alice.ok("collateral-account/positions/open", market=MARKET)
    assert (held["amount"], held["basePrice"], held["margin"]) == ("0.1", "60000", "600")
    assert (held["funding"], held["unrealizedFunding"]) == ("0", MINUTE)
    summary = await run.alice.ok("collateral-account/summary")
    assert (summary["unrealizedFunding"], summary["equity"]) == (MINUTE, "999993.9975625")
    await trade(run, "sell", "0.05")
    [held] = await run.alice.ok("collateral-account/positions/open")
    assert (held["amount"], held["funding"], held["unrealizedFunding"]) == ("0.05", MINUTE, "0")
    [change, _] = await run.alice.ok("collateral-account/positions/history")
    assert (change["realizedFunding"], change["orderDetail"]["fundingFee"]) == (MINUTE, MINUTE)
    await run.bob.ok("order/new", market=MARKET, side="buy", amount="0.05", price="61000")
    path = "collateral-account/position/close"
    assert await run.alice.ok(path, market=MARKET, positionId=held["positionId"]) == []
    assert await run.alice.ok("collateral-account/positions/open") == []
    [closed] = await run.alice.ok("collateral-account/positions/closed-pnl")
    assert (closed["market"], closed["totalFunding"]) == (MARKET, MINUTE)
    # A gain of 50 less 6, 3 and 3.05 of fees.
    assert (closed["grossPnl"], closed["netPnl"]) == ("37.95", "37.9475625")
    assert (await balances(run.alice))["USDT"]["borrow"] == "0"
    assert await run.alice.ok("collateral-account/funding-history") == {
        "records": [],
        "limit": 100,
        "offset": 0,
    }
    run.handle.exchange.check()


async def opened(client: Client, *channels: str) -> Ws:
    ws = await client.open_ws(authorize=True)
    for channel in channels:
        await ws.call(f"{channel}_subscribe")
    return ws


async def test_a_short_is_a_borrow_on_the_websocket(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, CONFIG)
    ws = await opened(run.alice, "borrowsMargin", "balanceMargin", "positionsMargin")
    await ws.call("ordersExecuted_subscribe", [MARKET], 0)
    assert await ws.push("borrowsMargin_update") == {"total": 0, "records": []}
    await trade(run, "sell", "0.1")
    [told] = await ws.push("ordersExecuted_update")
    assert (told["type"], told["fee_asset"], told["position_side"]) == (7, "USDT", "BOTH")
    shown = await ws.push("borrowsMargin_update")
    [record] = shown["records"]
    assert shown["total"] == 1
    assert (record["asset"], record["amount"]) == ("BTC", "-0.1")
    # 994 + 6000 = 0.1 x 1.03 x the price, and the next tick.
    assert (record["liq_price"], record["unrealized_funding"]) == ("67902.92", "0")
    rows = {each["a"]: each for each in await ws.push("balanceMargin_update")}
    assert rows["BTC"] == {"a": "BTC", "B": "0", "b": "0.1", "av": "0", "ab": "0.065666"}
    assert (rows["USDT"]["B"], rows["USDT"]["b"], rows["USDT"]["av"]) == ("994", "0", "394")
    answer = await ws.call("balanceMargin_request")
    assert (answer["BTC"]["borrow"], answer["USDT"]["available_with_borrow"]) == ("0.1", "3940")
    await trio.sleep(59)
    await ws.call("ping")
    await trio.sleep(1)
    await ws.call("ping")
    ws.pushes.clear()
    [record] = (await ws.push("borrowsMargin_update"))["records"]
    [position] = (await ws.push("positionsMargin_update"))["records"]
    assert record["unrealized_funding"] == position["unrealized_funding"] == MINUTE
    assert (position["market"], position["amount"], position["funding"]) == (MARKET, "-0.1", "0")
    await trade(run, "buy", "0.1")
    await trio.sleep(5)
    await ws.call("ping")
    told = [each["params"] for each in ws.pushes if each["method"] == "borrowsMargin_update"]
    assert told[-1] == {"total": 0, "records": []}
    assert [each["total"] for each in told].count(0) == 1


async def test_margin_call_and_liquidation_tell_of_the_borrow(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, CONFIG)
    ws = await opened(run.alice, "borrowsAccountMargin", "positionsAccountMargin")
    await trade(run, "buy", "0.15")
    for price, event, bid in (("55400", 1, "0.001"), ("55000", 2, "0.101")):
        await run.bob.ok("order/new", market=MARKET, side="buy", amount=bid, price=price)
        await run.bob.ok("order/new", market=MARKET, side="sell", amount="0.001", price=price)
        number, record = await ws.push("borrowsAccountMargin_update")
        assert (number, record["asset"], record["amount"]) == (event, "USDT", "-9000")
        number, position = await ws.push("positionsAccountMargin_update")
        assert (number, position["market"]) == (event, MARKET)
        assert position["liq_price"] == record["liq_price"]
    await trio.sleep(3)
    [held] = await run.alice.ok("collateral-account/positions/open")
    assert held["amount"] == "0.1125"


async def test_types_of_one_market_are_told_apart(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    order = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "50000"}
    spot, lent = await run.alice.ok("order/new", **order), await run.alice.ok(LIMIT, **order)
    oco = {"activation_price": "70000", "stop_limit_price": "70100"}
    await run.alice.ok("order/collateral/oco", **{**order, "price": "49000"}, **oco)
    listed = {each["orderId"]: each for each in await run.alice.ok("orders", market=MARKET)}
    assert len(listed) == 4
    assert listed[lent["orderId"]]["positionSide"] == "BOTH"
    assert len(await run.alice.ok("oco-orders", market=MARKET)) == 1
    changed = {"market": MARKET, "orderId": lent["orderId"], "amount": "0.02"}
    lent = await run.alice.ok("order/modify", **changed)
    timer = {"market": MARKET, "timeout": "5", "types": ["margin"]}
    await run.alice.ok("order/kill-switch", **timer)
    await trio.sleep(6)
    assert [each["orderId"] for each in await run.alice.ok("orders")] == [spot["orderId"]]
    lent = await run.alice.ok(LIMIT, **order)
    await run.alice.ok("order/cancel/all", market=MARKET, type=["spot", "futures"])
    assert [each["orderId"] for each in await run.alice.ok("orders")] == [lent["orderId"]]
    answer = await run.alice.ok("order/cancel", market=MARKET, orderId=lent["orderId"])
    assert answer["status"] == "CANCELED"


@pytest.mark.parametrize("is_margin", [True, False])
async def test_which_markets_are_collateral(
    nursery: trio.Nursery, autojump_clock: MockClock, is_margin: bool
) -> None:
    market = msgspec.structs.replace(BTC_USDT, is_margin=is_margin)
    accounts = tuple(msgspec.structs.replace(each, collateral={}) for each in DEMO_ACCOUNTS)
    exchange = ExchangeConfig(markets=(market,), accounts=accounts)
    run = await bench(nursery, VenueConfig(exchange=exchange))
    _, found = await run.alice.get("markets")
    assert found[0]["isCollateral"] is is_margin
    _, listed = await run.alice.get("collateral/markets")
    assert listed["result"] == ([MARKET] if is_margin else [])
    order = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "50000"}
    for path in (LIMIT, "order/collateral/market", "order/collateral/oco"):
        more = {"activation_price": "51000", "stop_limit_price": "51000"} if "oco" in path else {}
        status, answer = await run.alice.post(path, **order, **more)
        if is_margin:
            # There are neither funds nor a book.
            assert (status, answer["code"] in (10, 12, 151)) == (422, True)
        else:
            assert (status, answer["code"], list(answer["errors"])) == (422, 31, ["market"])
