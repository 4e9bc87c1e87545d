"""Private REST over a running venue: shapes, paging, collateral, kill-switch."""

from __future__ import annotations

from decimal import Decimal

import trio
from trio.testing import MockClock

from tests.paper.venue_client import Bench, bench

MARKET = "BTC_USDT"
BUY = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "60000"}
PERP = {**BUY, "market": "BTC_PERP"}


async def test_a_duplicate_client_id_and_a_crossing_maker_are_refused(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000", clientOrderId="a")
    _, twice = await run.alice.post("order/new", **BUY, clientOrderId="a")
    assert twice["errors"] == {
        "clientOrderId": ["This client order id is already used by the current account."]
    }
    _, crossing = await run.bob.post("order/new", **{**BUY, "side": "sell"}, postOnly=True)
    assert (crossing["code"], list(crossing["errors"])) == (13, ["postOnly"])


async def test_numbers_are_taken_as_exactly_as_text(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    order = await run.alice.ok("order/new", **{**BUY, "amount": 0.1, "price": 60000.07})
    assert (order["amount"], order["price"]) == ("0.1", "60000.07")
    status, huge = await run.alice.post("order/new", **{**BUY, "amount": "9" * 60})
    assert (status, huge["code"]) == (422, 32)
    status, huge = await run.alice.post("order/new", **{**BUY, "amount": int("9" * 400)})
    assert (status, huge["code"]) == (422, 32)


async def deals_of_two(run: Bench) -> None:
    for price in ("60000", "60001"):
        await run.bob.limit("sell", price, clientOrderId=f"s-{price}")
        await run.alice.limit("buy", price, clientOrderId=f"b-{price}")


async def test_history_is_a_list_with_a_market_and_a_map_without(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await deals_of_two(run)
    deals = await run.alice.ok("trade-account/executed-history", market=MARKET)
    assert [deal["price"] for deal in deals] == ["60001", "60000"]
    assert deals[0]["deal"] == "600.01"
    assert (deals[0]["fee"], deals[0]["feeAsset"], deals[0]["role"]) == ("0.00001", "BTC", 2)
    assert await run.alice.ok("trade-account/executed-history") == {MARKET: deals}
    page = await run.alice.ok("trade-account/executed-history", market=MARKET, limit=1, offset=1)
    assert page == deals[1:]
    mine = await run.bob.ok("trade-account/executed-history", clientOrderId="s-60000")
    assert [deal["side"] for deal in mine[MARKET]] == ["sell"]
    later = await run.alice.ok("trade-account/executed-history", startDate=4_000_000_000)
    assert later == {}


async def test_open_orders_come_newest_first_and_by_id(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ids = [
        (await run.alice.limit("buy", f"5900{n}", clientOrderId=f"q{n}"))["orderId"]
        for n in range(3)
    ]
    listed = await run.alice.ok("orders", market=MARKET)
    assert [order["orderId"] for order in listed] == ids[::-1]
    assert [o["orderId"] for o in await run.alice.ok("orders", limit=1, offset=1)] == [ids[1]]
    assert await run.alice.ok("orders", market=MARKET, clientOrderId="q0") == listed[2:]
    assert await run.alice.ok("orders", market=MARKET, orderId=ids[2]) == listed[:1]
    assert await run.bob.ok("orders") == []


async def test_perpetuals_trade_on_collateral(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    resting = await run.bob.ok("order/collateral/limit", **{**PERP, "side": "sell"})
    assert "feeAsset" not in resting
    assert (resting["positionSide"], resting["reduceOnly"], resting["oto"]) == ("BOTH", False, None)
    [item] = await run.alice.ok("order/collateral/bulk", orders=[{**PERP, "stp": "cn"}])
    assert (item["result"]["status"], "oto" in item["result"]) == ("FILLED", False)
    [position] = await run.alice.ok("collateral-account/positions/open", market="BTC_PERP")
    assert (position["amount"], position["basePrice"]) == ("0.01", "60000")
    assert (await run.bob.ok("collateral-account/positions/open"))[0]["amount"] == "-0.01"
    balance = await run.alice.ok("collateral-account/balance")
    assert balance == {"USDT": Decimal("999999.67")}
    [summary] = await run.alice.ok("collateral-account/balance-summary", ticker="USDT")
    assert (summary["asset"], summary["balance"], summary["borrow"]) == ("USDT", "999999.67", "0")
    _, refused = await run.alice.post("order/collateral/limit", **PERP, reduceOnly=True)
    assert refused["code"] == 116


async def test_a_kill_switch_outlives_every_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await run.alice.limit("buy", "60000")
    timer = await run.alice.ok("order/kill-switch", market=MARKET, timeout="10", types=["spot"])
    assert timer["cancellationTime"] - timer["startTime"] == 10
    assert await run.alice.ok("order/kill-switch/status") == [timer]
    assert run.handle.cut_sockets() == 1
    await trio.sleep(9)
    assert len(await run.alice.ok("orders")) == 1
    await ws.connection.aclose()
    await trio.sleep(2.2)
    assert await run.alice.ok("orders") == []
    assert await run.alice.ok("order/kill-switch/status") == []


async def test_a_refreshed_or_deleted_timer_does_not_fire(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000")
    for _ in range(3):
        timer = await run.alice.ok("order/kill-switch", market=MARKET, timeout="5")
        assert timer["types"] is None
        await trio.sleep(4)
    assert await run.alice.ok("order/kill-switch", market=MARKET, timeout=None) == []
    assert await run.alice.ok("order/kill-switch", market=MARKET, timeout="null") == []
    await trio.sleep(10)
    assert len(await run.alice.ok("orders")) == 1


async def test_fees_are_in_percent(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    assert await run.alice.ok("market/fee") == {
        "error": None,
        "taker": "0.1",
        "maker": "0.1",
        "futures_taker": "0.055",
        "futures_maker": "0.01",
        "rpi_maker_fee_premium": None,
        "futures_rpi_maker_fee_premium": None,
        "custom_fee": {},
    }


async def test_hashes_of_all_private_bodies_are_kept(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    import hashlib

    run = await bench(nursery)
    headers, raw = run.alice.sign("/api/v4/orders", {})
    assert (await run.alice.http("POST", "/api/v4/orders", headers, raw))[0] == 200
    assert (await run.alice.http("POST", "/api/v4/orders", headers, raw))[0] == 429
    found = [(entry.path, entry.sha256) for entry in run.handle.body_hashes]
    assert found == [("/api/v4/orders", hashlib.sha256(raw).hexdigest())] * 2
