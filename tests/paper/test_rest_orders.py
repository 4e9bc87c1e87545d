"""Private REST over a running venue: validation texts, shapes, paging, kill-switch."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.paper.venue_client import Bench, bench

MARKET = "BTC_USDT"
BUY = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "60000"}
PERP = {**BUY, "market": "BTC_PERP"}
REQUIRED = {
    name: [f"{name.capitalize()} field is required."]
    for name in ("market", "side", "amount", "price")
}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in BUY.items() if name not in names}


CASES: list[tuple[str, str, dict[str, Any], int, int, dict[str, list[str]]]] = [
    ("every field missing", "order/new", {}, 422, 30, REQUIRED),
    (
        "a null counts as missing",
        "order/new",
        {**BUY, "price": None},
        422,
        30,
        {"price": REQUIRED["price"]},
    ),
    (
        "no price but a queue role",
        "order/new",
        {**without("price"), "bboRole": 3},
        422,
        30,
        {"bboRole": ["The selected bboRole is invalid."]},
    ),
    (
        "another side",
        "order/new",
        {**BUY, "side": 1},
        422,
        30,
        {"side": ["Side field should contain only 'buy' or 'sell' values."]},
    ),
    (
        "an amount that is no number",
        "order/new",
        {**BUY, "amount": True},
        422,
        32,
        {"amount": ["Amount field should be numeric string or number."]},
    ),
    (
        "an amount in words",
        "order/new",
        {**BUY, "amount": "lots"},
        422,
        32,
        {"amount": ["Amount field should be numeric string or number."]},
    ),
    (
        "a price that is a list",
        "order/new",
        {**BUY, "price": ["1"]},
        422,
        33,
        {"price": ["Price field should be numeric string or number."]},
    ),
    (
        "a negative amount",
        "order/new",
        {**BUY, "amount": "-1"},
        422,
        32,
        {"amount": ["Amount should be greater than 0."]},
    ),
    (
        "a price of zero",
        "order/new",
        {**BUY, "price": 0},
        422,
        33,
        {"price": ["Price should be greater than 0."]},
    ),
    (
        "too small and off the step",
        "order/new",
        {**BUY, "amount": "0.0000001"},
        422,
        32,
        {"amount": ["Given amount is less than min amount 0.00001", "Min amount step = 0.000001"]},
    ),
    (
        "a price off its step",
        "order/new",
        {**BUY, "price": "60000.001"},
        422,
        33,
        {"price": ["Min price step = 0.01"]},
    ),
    (
        "a total too small",
        "order/new",
        {**BUY, "amount": "0.00001"},
        422,
        30,
        {"total": ["Total (amount * price) is less than 5.05"]},
    ),
    (
        "an unknown market",
        "order/new",
        {**BUY, "market": "NOPE"},
        422,
        31,
        {"market": ["Market is not available."]},
    ),
    (
        "an empty market",
        "order/new",
        {**BUY, "market": ""},
        422,
        31,
        {"market": ["Market field should not be empty string."]},
    ),
    (
        "a client id of another type",
        "order/new",
        {**BUY, "clientOrderId": 7},
        422,
        36,
        {"clientOrderId": ["ClientOrderId field should be a string."]},
    ),
    (
        "a client id with a space",
        "order/new",
        {**BUY, "clientOrderId": "a b"},
        422,
        36,
        {
            "clientOrderId": [
                "ClientOrderId field should contain only latin letters, numbers and dashes."
            ]
        },
    ),
    (
        "ioc with post-only",
        "order/new",
        {**BUY, "ioc": True, "postOnly": True},
        422,
        37,
        {"ioc": ["Either IOC or PostOnly flag in true state is allowed."]},
    ),
    (
        "ioc with rpi",
        "order/collateral/limit",
        {**PERP, "ioc": True, "rpi": True},
        422,
        40,
        {"ioc": ["Either IOC or RPI flag in true state is allowed."]},
    ),
    (
        "retail with rpi",
        "order/new",
        {**BUY, "retail": True, "rpi": True},
        422,
        41,
        {"retail": ["api.tradeErrors.flagsCantBeCombined.rpiRetail"]},
    ),
    (
        "retail without permission",
        "order/new",
        {**BUY, "retail": True},
        422,
        42,
        {"retail": ["api.validation.retail.not_allowed"]},
    ),
    (
        "a flag that is no boolean",
        "order/new",
        {**BUY, "postOnly": "yes"},
        422,
        30,
        {"postOnly": ["PostOnly field should be a boolean."]},
    ),
    (
        "an unknown stp",
        "order/new",
        {**BUY, "stp": "dc"},
        422,
        30,
        {"stp": ["The selected stp is invalid."]},
    ),
    (
        "not enough money",
        "order/new",
        {**BUY, "amount": "100"},
        422,
        10,
        {"amount": ["Not enough balance."]},
    ),
    (
        "bulk without orders",
        "order/bulk",
        {},
        422,
        30,
        {"orders": ["The orders must be an array."]},
    ),
    (
        "bulk of none",
        "order/bulk",
        {"orders": []},
        422,
        30,
        {"orders": ["The orders must have between 1 and 20 items."]},
    ),
    (
        "bulk of 21",
        "order/bulk",
        {"orders": [BUY] * 21},
        422,
        30,
        {"orders": ["The orders must have between 1 and 20 items."]},
    ),
    (
        "cancel of nothing",
        "order/cancel",
        {},
        422,
        30,
        {"market": ["Market field is required."], "orderId": ["OrderId field is required."]},
    ),
    (
        "cancel without id",
        "order/cancel",
        {"market": MARKET},
        422,
        30,
        {"orderId": ["OrderId field is required."]},
    ),
    (
        "cancel with both ids",
        "order/cancel",
        {"market": MARKET, "orderId": 1, "clientOrderId": "a"},
        422,
        30,
        {"orderId": ["Only one of orderId and clientOrderId is allowed."]},
    ),
    (
        "cancel with an id in text",
        "order/cancel",
        {"market": MARKET, "orderId": "1"},
        422,
        30,
        {"orderId": ["OrderId field should be an integer."]},
    ),
    (
        "cancel of an unknown order",
        "order/cancel",
        {"market": MARKET, "orderId": 1},
        400,
        2,
        {"orderId": ["Unexecuted order was not found."]},
    ),
    (
        "cancel on an unknown market",
        "order/cancel",
        {"market": "NOPE", "orderId": 1},
        422,
        31,
        {"market": ["Market is not available."]},
    ),
    (
        "modify of an unknown order",
        "order/modify",
        {"market": MARKET, "orderId": 1, "price": "1"},
        400,
        2,
        {"orderId": ["Unexecuted order was not found."]},
    ),
    (
        "modify of nothing",
        "order/modify",
        {"market": MARKET, "orderId": 1},
        422,
        30,
        {"amount": ["Amount field is required."]},
    ),
    (
        "modify with a trigger",
        "order/modify",
        {"market": MARKET, "orderId": 1, "activationPrice": "1"},
        400,
        158,
        {"activation_price": ["Activation price is not allowed for this order type."]},
    ),
    (
        "cancel all by a text",
        "order/cancel/all",
        {"type": "spot"},
        422,
        30,
        {"type": ["The type must be an array."]},
    ),
    (
        "kill-switch of nothing",
        "order/kill-switch",
        {},
        422,
        30,
        {"market": ["Market field is required."], "timeout": ["Timeout field is required."]},
    ),
    (
        "kill-switch in integers",
        "order/kill-switch",
        {"market": MARKET, "timeout": 60},
        422,
        30,
        {"timeout": ["Timeout field should be a string."]},
    ),
    (
        "kill-switch too short",
        "order/kill-switch",
        {"market": MARKET, "timeout": "4"},
        422,
        30,
        {"timeout": ["Timeout should be at least 5."]},
    ),
    (
        "kill-switch too long",
        "order/kill-switch",
        {"market": MARKET, "timeout": "601"},
        422,
        30,
        {"timeout": ["Timeout should be at most 600."]},
    ),
    (
        "kill-switch of an unknown market",
        "order/kill-switch",
        {"market": "NOPE", "timeout": "60"},
        422,
        31,
        {"market": ["Market is not available."]},
    ),
    (
        "a page too long",
        "orders",
        {"limit": 101, "offset": 4294967296},
        422,
        30,
        {
            "limit": ["The limit may not be greater than 100."],
            "offset": ["The offset may not be greater than 4294967295."],
        },
    ),
    (
        "pages in text",
        "trade-account/executed-history",
        {"limit": "1", "offset": "0"},
        422,
        30,
        {
            "limit": ["Limit field should be an integer."],
            "offset": ["Offset field should be an integer."],
        },
    ),
    (
        "history of an unknown client id",
        "trade-account/executed-history",
        {"clientOrderId": "gone"},
        422,
        30,
        {"orderHistory": ["OrderHistory was not found."]},
    ),
    (
        "orders of an unknown market",
        "orders",
        {"market": "NOPE"},
        422,
        31,
        {"market": ["Market is not available"]},
    ),
    (
        "balance of an unknown asset",
        "trade-account/balance",
        {"ticker": "NOPE"},
        422,
        30,
        {"ticker": ["Currency was not found."]},
    ),
    (
        "balance of a number",
        "trade-account/balance",
        {"ticker": 1},
        422,
        30,
        {"ticker": ["Ticker field should be a string."]},
    ),
    (
        "collateral of an unknown asset",
        "collateral-account/balance",
        {"ticker": "NOPE"},
        422,
        30,
        {"ticker": ["ticker is invalid."]},
    ),
]


@pytest.mark.parametrize(
    ("name", "path", "body", "status", "code", "errors"), CASES, ids=[case[0] for case in CASES]
)
async def test_refusals(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    name: str,
    path: str,
    body: dict[str, Any],
    status: int,
    code: int,
    errors: dict[str, list[str]],
) -> None:
    run = await bench(nursery)
    found_status, found = await run.alice.post(path, **body)
    assert (found_status, found["code"], found["errors"]) == (status, code, errors)
    inner = code in (2, 10)
    assert found["message"] == ("Inner validation failed" if inner else "Validation failed")
    assert await run.alice.ok("orders") == []


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
        "rpi_maker_fee_premium": "0",
        "futures_rpi_maker_fee_premium": "0",
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
