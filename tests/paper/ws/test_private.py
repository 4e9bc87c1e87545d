"""Private channels: the event sequences of contract 10.13, snapshots, sets, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.ws.socket import METHODS
from tests.paper.venue_client import Bench, bench
from tests.paper.ws.test_events import brief, watcher

MARKET = "BTC_USDT"
PERP = {"market": "BTC_PERP", "amount": "0.01", "price": "60000"}
Act = Callable[[Bench], Awaitable[Any]]


async def rests_after_a_fill(run: Bench) -> Any:
    await run.bob.limit("sell", "60000", "0.004")
    return await run.alice.limit("buy", "60000")


async def ioc_without_a_match(run: Bench) -> Any:
    return await run.alice.limit("buy", "60000", ioc=True)


async def ioc_partly_filled(run: Bench) -> Any:
    await run.bob.limit("sell", "60000", "0.004")
    return await run.alice.limit("buy", "60000", ioc=True)


async def post_only_that_would_take(run: Bench) -> Any:
    await run.bob.limit("sell", "60000")
    status, answer = await run.alice.post(
        "order/new", market=MARKET, side="buy", amount="0.01", price="60000", postOnly=True
    )
    assert (status, answer["code"]) == (422, 13)
    return {"status": None}


async def cancelled_after_a_fill(run: Bench) -> Any:
    order = await rests_after_a_fill(run)
    return await run.alice.ok("order/cancel", market=MARKET, orderId=order["orderId"])


async def replacement_fills_at_once(run: Bench) -> Any:
    await run.bob.limit("sell", "60000")
    order = await run.alice.limit("buy", "59000")
    return await run.alice.ok(
        "order/modify", market=MARKET, orderId=order["orderId"], price="60000", stp="cn"
    )


async def stp_cancels_the_incoming(run: Bench) -> Any:
    await run.alice.limit("sell", "60000")
    return await run.alice.limit("buy", "60000", stp="cn")


async def self_trade(run: Bench) -> Any:
    await run.alice.limit("sell", "60000")
    return await run.alice.limit("buy", "60000")


async def killed(run: Bench) -> Any:
    order = await run.alice.limit("buy", "60000")
    await run.alice.ok("order/kill-switch", market=MARKET, timeout="5")
    await trio.sleep(7)
    return order


async def position_is_gone(run: Bench) -> Any:
    """A resting reduce-only order dies with its position."""
    sell = {**PERP, "side": "sell"}
    await run.bob.ok("order/collateral/limit", **sell)
    await run.alice.ok("order/collateral/limit", side="buy", **PERP)
    resting = await run.alice.ok(
        "order/collateral/limit", **{**sell, "price": "61000"}, reduceOnly=True
    )
    await run.bob.ok("order/collateral/limit", side="buy", **PERP)
    await run.alice.ok("order/collateral/limit", **sell)
    return resting


async def market_order(run: Bench) -> Any:
    await run.bob.limit("sell", "60000")
    return await run.alice.ok("order/market", market=MARKET, side="buy", amount="600")


async def market_order_beyond_the_band(run: Bench) -> Any:
    for price in ("60000", "70000"):
        await run.bob.limit("sell", price)
    return await run.alice.ok("order/stock_market", market=MARKET, side="buy", amount="0.02")


async def a_trade(run: Bench, price: str) -> None:
    await run.bob.limit("sell", price)
    await run.bob.limit("buy", price, stp="no")


async def stop_rests_once_triggered(run: Bench) -> Any:
    await a_trade(run, "60000")
    stop = await run.alice.ok(
        "order/stop_limit",
        market=MARKET,
        side="buy",
        amount="0.01",
        price="60500",
        activation_price="61000",
    )
    await a_trade(run, "61000")
    return stop


async def stop_fills_once_triggered(run: Bench) -> Any:
    await a_trade(run, "60000")
    body = {"market": MARKET, "side": "buy", "amount": "620", "activation_price": "61000"}
    stop = await run.alice.ok("order/stop_market", **body)
    await run.bob.limit("sell", "62000")
    await a_trade(run, "61000")
    return stop


async def stop_cancelled(run: Bench) -> Any:
    await a_trade(run, "60000")
    body = {"market": MARKET, "side": "buy", "amount": "620", "activation_price": "61000"}
    stop = await run.alice.ok("order/stop_market", **body)
    return await run.alice.ok("order/cancel", market=MARKET, orderId=stop["orderId"])


SEQUENCES: list[tuple[Act, str | None, list[str]]] = [
    (rests_after_a_fill, "PARTIALLY_FILLED", ["D2", "P1 PARTIALLY_FILLED"]),
    (ioc_without_a_match, "CANCELED", ["P3 CANCELED", "X CANCELED"]),
    (ioc_partly_filled, "CANCELED", ["D2", "P3 CANCELED", "X CANCELED"]),
    (post_only_that_would_take, None, []),
    (market_order, "FILLED", ["D2", "P3 FILLED", "X FILLED"]),
    (
        market_order_beyond_the_band,
        "CANCELED_TAKER_BAND",
        ["D2", "P3 CANCELED_TAKER_BAND", "X CANCELED_TAKER_BAND"],
    ),
    (stop_rests_once_triggered, "OPEN", ["P1 OPEN", "P1 OPEN"]),
    (stop_fills_once_triggered, "OPEN", ["P1 OPEN", "D2", "P1 OPEN", "P3 FILLED", "X FILLED"]),
    (stop_cancelled, "CANCELED", ["P1 OPEN", "P3 CANCELED", "X CANCELED"]),
    (
        cancelled_after_a_fill,
        "CANCELED",
        ["D2", "P1 PARTIALLY_FILLED", "P3 CANCELED", "X CANCELED"],
    ),
    (
        replacement_fills_at_once,
        "FILLED",
        ["P1 OPEN", "P3 CANCELED", "X CANCELED", "D2", "P3 FILLED", "X FILLED"],
    ),
    (stp_cancels_the_incoming, "CANCELED_STP", ["P1 OPEN", "P3 CANCELED_STP", "X CANCELED_STP"]),
    (
        self_trade,
        "FILLED",
        ["P1 OPEN", "D1", "D2", "P3 FILLED", "P3 FILLED", "X FILLED", "X FILLED"],
    ),
    (killed, "OPEN", ["P1 OPEN", "P3 CANCELED", "X CANCELED"]),
    (
        position_is_gone,
        "OPEN",
        [
            *("D2", "P3 FILLED", "X FILLED", "P1 OPEN", "D2", "P3 FILLED"),
            *("P3 AUTO_CANCELED_REDUCE_ONLY", "X FILLED", "X AUTO_CANCELED_REDUCE_ONLY"),
        ],
    ),
]


@pytest.mark.parametrize(("act", "status", "events"), SEQUENCES)
async def test_event_sequences(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    act: Act,
    status: str | None,
    events: list[str],
) -> None:
    run = await bench(nursery)
    ws = await watcher(run.alice)
    assert (await act(run))["status"] == status
    # Whatever was announced has been sent before the answer to a later request.
    await ws.call("ping")
    told = []
    for letter, event, _, shown in brief([(m["method"], m["params"]) for m in ws.pushes]):
        told.append({"D": f"D{event}", "P": f"P{event} {shown}", "X": f"X {shown}"}[letter])
    assert told == events


async def test_balances_come_once_a_second_and_only_what_changed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("balanceSpot_subscribe")
    for price in range(59_000, 59_030):
        await run.alice.limit("buy", str(price), "0.001")
    await trio.sleep(3)
    await ws.call("ping")
    [(method, [shown])] = await ws.sequence(1)
    assert (method, ws.pushes) == ("balanceSpot_update", [])
    freeze = sum(range(59_000, 59_030)) / 1000
    assert list(shown) == ["USDT"]
    assert float(shown["USDT"]["freeze"]) == freeze
    assert await ws.call("balanceSpot_unsubscribe") == {"status": "success"}
    await run.alice.ok("order/cancel/all")
    await trio.sleep(3)
    await ws.call("ping")
    assert ws.pushes == []


@pytest.mark.parametrize("channel", ["positionsMargin", "borrowsMargin"])
async def test_a_snapshot_channel_begins_with_what_there_is(
    nursery: trio.Nursery, autojump_clock: MockClock, channel: str
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call(f"{channel}_subscribe")
    assert await ws.push(f"{channel}_update") == {"total": 0, "records": []}
    await trio.sleep(5)
    await ws.call("ping")
    assert ws.pushes == []


async def test_a_subscribe_replaces_the_set_and_an_unsubscribe_empties_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("ordersPending_subscribe", MARKET)
    await ws.call("ordersPending_subscribe", "BTC_PERP")
    await run.alice.limit("buy", "60000")
    await run.alice.ok("order/collateral/limit", side="buy", **PERP)
    assert (await ws.push("ordersPending_update"))[1]["market"] == "BTC_PERP"
    for channel in ("ordersPending", "ordersExecuted", "deals"):
        await ws.call(f"{channel}_unsubscribe")
    await run.alice.ok("order/cancel/all")
    await ws.call("ping")
    assert ws.pushes == []


@pytest.mark.parametrize(
    ("wanted", "seen"), [(0, ["limit"]), (1, ["limit"]), (2, [])], ids=["all", "limit", "market"]
)
async def test_executed_orders_by_kind(
    nursery: trio.Nursery, autojump_clock: MockClock, wanted: int, seen: list[str]
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("ordersExecuted_subscribe", [MARKET], wanted)
    await run.alice.limit("buy", "60000", ioc=True)
    await ws.call("ping")
    assert len(ws.pushes) == len(seen)
    for types, count in (([], 1), ([1], 1), ([2], 0)):
        asked = {"market": MARKET, "order_types": types}
        answer = await ws.call("ordersExecuted_request", asked, 0, 10)
        assert len(answer["records"]) == count


async def test_queries_are_paged(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    ids = [(await run.alice.limit("buy", f"5900{n}"))["orderId"] for n in range(3)]
    answer = await ws.call("ordersPending_request", MARKET, 1, 1)
    assert [record["id"] for record in answer.pop("records")] == [ids[1]]
    assert answer == {"limit": 1, "offset": 1, "total": 3}
    await run.bob.limit("sell", "59000", "0.03")
    deals = await ws.call("deals_request", MARKET, 0, 2)
    assert [record["order_id"] for record in deals["records"]] == ids[:2]
    for page in ([-1, 10], [0, 101], [0, 0], ["0", 10], [0, None]):
        assert (await ws.ask("deals_request", MARKET, *page))["error"]["code"] == 1


PRIVATE = ("balance", "orders", "deals", "positions", "borrows", "ADL")


async def test_every_private_method_needs_authorization(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    private = [method for method in METHODS if method.startswith(PRIVATE)]
    assert len(private) == 25
    for method in private:
        assert (await ws.ask(method))["error"] == {"code": 6, "message": "require authentication"}


async def test_adl_quantiles_are_of_perpetuals(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    assert await ws.call("ADLQuantile_subscribe", "BTC_PERP") == {"status": "success"}
    assert await ws.push("ADLQuantile_update") == [["BTC_PERP", None, None]]
    await run.bob.ok("order/collateral/limit", side="sell", **PERP)
    await run.alice.ok("order/collateral/limit", side="buy", **PERP)
    assert await ws.push("ADLQuantile_update") == [["BTC_PERP", 0, None]]
    await trio.sleep(5)
    await ws.call("ping")
    assert ws.pushes == []
    assert (await ws.ask("ADLQuantile_subscribe", MARKET))["error"]["code"] == 1
    assert await ws.call("ADLQuantile_unsubscribe") == {"status": "success"}
