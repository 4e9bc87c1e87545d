"""Histories over REST: filters, paging, windows, refusals (contract 5.8), and fees (7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import (
    BTC_USDT,
    ExchangeConfig,
    FeeOverride,
    Order,
    OrderType,
    Side,
    Status,
)
from adapters.paper.core.specs import DEMO_ACCOUNTS, AccountSpec
from adapters.paper.rest.history import DAY_S, _floor_s
from adapters.paper.rest.objects import finished as finished_row
from tests.paper.venue_client import START_NS, Bench, Client, bench

MARKET = "BTC_USDT"
HISTORY = "trade-account/order/history"
START_S = START_NS // 1_000_000_000
PERP = {"market": "BTC_PERP", "amount": "0.01", "price": "60000"}


def config(**alice: Any) -> VenueConfig:
    """The usual markets and accounts, the first one with other settings."""
    first: AccountSpec = msgspec.structs.replace(DEMO_ACCOUNTS[0], **alice)
    return VenueConfig(exchange=ExchangeConfig(accounts=(first, DEMO_ACCOUNTS[1])))


async def a_day(run: Bench) -> dict[str, int]:
    """Orders of every outcome, one second apart; their ids by outcome."""
    alice, bob = run.alice, run.bob
    ids = {}
    await bob.limit("sell", "60000", "0.015")
    orders: dict[str, dict[str, Any]] = {
        "filled": {"side": "buy", "price": "60000", "clientOrderId": "a"},
        "partly": {"side": "buy", "price": "60000", "ioc": True, "clientOrderId": "b"},
        "cancelled": {"side": "buy", "price": "59000", "clientOrderId": "a"},
        "open": {"side": "buy", "price": "58000", "clientOrderId": "c"},
    }
    for name, order in orders.items():
        ids[name] = (await alice.limit(**order))["orderId"]
        if name == "cancelled":
            await alice.ok("order/cancel", market=MARKET, orderId=ids[name])
        await trio.sleep(1)
    await bob.ok("order/collateral/limit", side="sell", **PERP)
    perp = await alice.ok("order/collateral/limit", side="buy", **PERP)
    return {**ids, "perp": perp["orderId"]}


async def finished(client: Client, **filters: Any) -> list[int]:
    answer = await client.ok(HISTORY, **filters)
    return [row["id"] for rows in answer.values() for row in rows]


async def test_order_history_filters(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ids = await a_day(run)
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "everything, latest first within a market": (
            {},
            ["perp", "cancelled", "partly", "filled"],
        ),
        "one market": ({"market": MARKET}, ["cancelled", "partly", "filled"]),
        "filled": ({"market": MARKET, "status": "FILLED"}, ["filled"]),
        "every cancel": ({"status": "CANCELED"}, ["cancelled", "partly"]),
        "cancelled after fills": ({"status": "PARTIALLY_FILLED"}, ["partly"]),
        "an id wins over everything else": (
            {"orderId": ids["filled"], "clientOrderId": "b", "status": "CANCELED", "endDate": 1},
            ["filled"],
        ),
        "an unknown id is no error": ({"orderId": 1}, []),
        "an open order is no history": ({"orderId": ids["open"]}, []),
        "an id of another market": ({"orderId": ids["filled"], "market": "BTC_PERP"}, []),
        "a client id, each time it was used": ({"clientOrderId": "a"}, ["cancelled", "filled"]),
        "from a second on": ({"market": MARKET, "startDate": START_S + 2}, ["cancelled"]),
        "up to a second": ({"endDate": START_S}, ["filled"]),
        "a page": ({"market": MARKET, "limit": 1, "offset": 1}, ["partly"]),
        "past the end": ({"offset": 50}, []),
    }
    for name, (filters, expected) in cases.items():
        assert await finished(run.alice, **filters) == [ids[e] for e in expected], name
    assert await finished(run.bob, orderId=ids["filled"]) == []


async def test_an_order_history_row(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ids = await a_day(run)
    [row] = (await run.alice.ok(HISTORY, orderId=ids["partly"]))[MARKET]
    assert row == {
        "id": ids["partly"],
        "clientOrderId": "b",
        "side": "buy",
        "type": "limit",
        "amount": "0.01",
        "price": "60000",
        "ctime": START_S + 1,
        "ftime": START_S + 1,
        "dealFee": "0.000005",
        "dealStock": "0.005",
        "dealMoney": "300",
        "postOnly": False,
        "ioc": True,
        "status": "CANCELED",
        "feeAsset": "BTC",
        "rpi": False,
        "reduceOnly": False,
    }
    [perp] = (await run.alice.ok(HISTORY, orderId=ids["perp"]))["BTC_PERP"]
    assert (perp["positionSide"], perp["feeAsset"]) == ("BOTH", "USDT")
    [cancelled] = (await run.alice.ok(HISTORY, orderId=ids["cancelled"]))[MARKET]
    assert (cancelled["dealFee"], cancelled["feeAsset"]) == ("0", "BTC")


async def test_a_stop_in_the_order_history(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for side in ("sell", "buy"):
        await run.bob.limit(side, "60000")
    stop = {"market": MARKET, "side": "buy", "amount": "0.01", "activation_price": "61000"}
    ids = [(await run.alice.ok("order/stop_limit", **stop, price="61500"))["orderId"] for _ in "ab"]
    await run.alice.ok("order/cancel", market=MARKET, orderId=ids[1])
    await trio.sleep(2)
    await run.bob.limit("sell", "61000", "0.02")
    await run.bob.limit("buy", "61000", "0.01")
    rows = (await run.alice.ok(HISTORY))[MARKET]
    assert [row["id"] for row in rows] == ids
    assert [row["status"] for row in rows] == ["FILLED", "CANCELED"]
    filled, waiting = rows
    assert (filled["type"], filled["price"]) == ("stop limit", "61500")
    assert (filled["activationPrice"], filled["activationCondition"]) == ("61000", ">=")
    assert (filled["activated"], filled["ctime"]) == (START_S + 2, START_S)
    # One that never was triggered has no such time.
    assert (waiting["activated"], waiting["activationCondition"]) == (0, ">=")


@pytest.mark.parametrize("status", list(Status))
def test_statuses_are_those_of_histories(status: Status) -> None:
    order = Order(
        order_id=1,
        account="a",
        market=MARKET,
        side=Side.SELL,
        type=OrderType.LIMIT,
        ticks=1,
        lots=1,
        leaves_lots=1,
        ctime_us=0,
        mtime_us=0,
        status=status,
    )
    documented = {
        "FILLED",
        "CANCELED",
        "CANCELED_STP",
        "AUTO_CANCELED_REDUCE_ONLY",
        "AUTO_CANCELED_LIQUIDATION",
    }
    shown = finished_row(order, BTC_USDT)["status"]
    assert shown == (status if status in documented else "CANCELED")


async def test_the_deals_of_one_order(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    makers = [
        (await run.bob.limit("sell", price, rpi=rpi))["orderId"]
        for price, rpi in (("60000", False), ("60001", False))
    ]
    order = await run.alice.limit("buy", "60001", "0.02", clientOrderId="x")
    answer = await run.alice.ok("trade-account/order", orderId=order["orderId"])
    assert (answer["offset"], answer["limit"]) == (0, 50)
    assert [record["dealOrderId"] for record in answer["records"]] == makers[::-1]
    [deal] = await run.alice.ok("trade-account/executed-history", market=MARKET, limit=1)
    shared = {k: v for k, v in deal.items() if k not in ("side", "orderId")}
    assert answer["records"][0] == {**shared, "dealOrderId": makers[1], "rpi": False}
    page = await run.alice.ok("trade-account/order", orderId=order["orderId"], limit=1, offset=1)
    assert page == {"records": answer["records"][1:], "offset": 1, "limit": 1}
    foreign = await run.bob.ok("trade-account/order", orderId=order["orderId"])
    assert foreign["records"] == []


TOO_WIDE = "The range between startDate and endDate may not be greater than 31 days."
REFUSED: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("order", {}, {"orderId": "OrderId field is required."}),
    ("order", {"orderId": "one"}, {"orderId": "OrderId field should be an integer."}),
    ("order", {"orderId": 1, "limit": 0}, {"limit": "The limit must be at least 1."}),
    (
        "executed-history",
        {"limit": "x", "offset": "y"},
        {
            "limit": "Limit field should be an integer.",
            "offset": "Offset field should be an integer.",
        },
    ),
    ("executed-history", {"market": "btc"}, {"market": "Market field format is invalid."}),
    ("executed-history", {"market": "A_B"}, {"market": "Market is not available."}),
    (
        "executed-history",
        {"clientOrderId": "none"},
        {"orderHistory": "OrderHistory was not found."},
    ),
    ("order/history", {"clientOrderId": "none"}, {"orderHistory": "OrderHistory was not found."}),
    ("order/history", {"limit": 501}, {"limit": "The limit may not be greater than 500."}),
    ("order/history", {"status": "OPEN"}, {"status": "The selected status is invalid."}),
    ("order/history", {"startDate": START_S - 31 * DAY_S - 1}, {"startDate": TOO_WIDE}),
    (
        "order/history",
        {"startDate": 1_600_000_000, "endDate": 1_600_000_001},
        {"startDate": "The startDate must be at least 1774051200."},
    ),
    (
        "order/history",
        {"startDate": START_S, "endDate": START_S - 1},
        {"startDate": "The startDate must not be later than endDate."},
    ),
    ("order/history/query", {"status": "FILLED"}, {"status": "The selected status is invalid."}),
    (
        "order/history/query",
        {"offset": 9_999, "limit": 2},
        {"offset": "The sum of offset and limit may not be greater than 10000."},
    ),
]


@pytest.mark.parametrize(("path", "body", "texts"), REFUSED)
async def test_refusals(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    path: str,
    body: dict[str, Any],
    texts: dict[str, str],
) -> None:
    run = await bench(nursery)
    status, answer = await run.alice.post(f"trade-account/{path}", **body)
    errors = {name: [text] for name, text in texts.items()}
    code = 31 if "market" in texts else 30
    assert (status, answer["code"], answer["errors"]) == (422, code, errors)
    assert answer["message"] == "Validation failed"


async def test_the_widest_window_and_a_late_end_are_accepted(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    start, late = START_S - 31 * DAY_S, START_S + 1_000_000
    assert await run.alice.ok(HISTORY, startDate=start, endDate=late) == {}
    assert await run.alice.ok("trade-account/executed-history", startDate=1, market=MARKET) == []
    query = {"market": MARKET, "status": "delisting", "startDate": start, "endDate": late}
    assert await run.alice.ok("trade-account/order/history/query", **query) == []


@pytest.mark.parametrize(
    ("now", "floor"),
    [
        ("2026-11-23T05:30:00", "2026-05-23"),
        ("2026-08-31T23:59:59", "2026-02-28"),
        ("2026-03-01T00:00:00", "2025-09-01"),
    ],
)
def test_histories_reach_back_six_months(now: str, floor: str) -> None:
    def second(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())

    assert _floor_s(second(now) * 1_000_000) == second(floor)


async def test_an_institutional_account_keeps_no_cancels(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, config(institutional=True))
    ids = await a_day(run)
    assert await finished(run.alice, market=MARKET) == [ids["filled"]]
    status, answer = await run.alice.post(HISTORY, orderId=ids["cancelled"])
    assert (status, answer) == (200, {})
    deals = await run.alice.ok("trade-account/executed-history", clientOrderId="b")
    assert [deal["orderId"] for deal in deals[MARKET]] == [ids["partly"]]


async def test_own_fees_rebates_and_premiums(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    fees = {
        MARKET: FeeOverride(maker="-0.0001", taker="0.0005"),
        # On futures the lower one of custom and market fee is charged and told.
        "BTC_PERP": FeeOverride(maker="0.0002", taker="0.0004"),
    }
    run = await bench(nursery, config(fees=fees, rpi_maker_premium="0.00015"))
    answer = await run.alice.ok("market/fee", market=7)
    assert answer == {
        "error": None,
        "taker": "0.1",
        "maker": "0.1",
        "futures_taker": "0.055",
        "futures_maker": "0.01",
        "rpi_maker_fee_premium": "0.015",
        "futures_rpi_maker_fee_premium": None,
        "custom_fee": {
            MARKET: {"taker": "0.05", "maker": "-0.01"},
            "BTC_PERP": {"taker": "0.04", "maker": "0.01"},
        },
    }
    await run.alice.limit("sell", "60000")
    await run.alice.limit("sell", "60000", rpi=True)
    await run.bob.limit("buy", "60000", "0.02", retail=True)
    deals = await run.alice.ok("trade-account/executed-history", market=MARKET)
    # 600 at the rebate of 0.01 %, and 600 at 0.015 % - 0.01 %.
    assert [(deal["fee"], deal["feeAsset"]) for deal in deals] == [
        ("0.03", "USDT"),
        ("-0.06", "USDT"),
    ]


async def test_no_premium_is_told_without_the_rpi_mode(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, config(rpi_allowed=False, rpi_maker_premium="0.00015"))
    assert (await run.alice.ok("market/fee"))["rpi_maker_fee_premium"] is None
