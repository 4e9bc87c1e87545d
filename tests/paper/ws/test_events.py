"""Event sequences of contract 10.13 over real sockets."""

from __future__ import annotations

from typing import Any

import trio

from tests.paper.venue_client import Bench, Client, Ws, bench

MARKET = "BTC_USDT"


async def watcher(client: Client) -> Ws:
    ws = await client.open_ws(authorize=True)
    await ws.call("deals_subscribe", [])
    await ws.call("ordersPending_subscribe", MARKET, "BTC_PERP")
    await ws.call("ordersExecuted_subscribe", [MARKET, "BTC_PERP"], 0)
    return ws


def brief(events: list[tuple[str, Any]]) -> list[tuple[Any, ...]]:
    """Events as (letter, event id or role, order id, status)."""
    shown: list[tuple[Any, ...]] = []
    for method, params in events:
        if method == "deals_update":
            shown.append(("D", params[9], params[3], params[5]))
        elif method == "ordersPending_update":
            shown.append(("P", params[0], params[1]["id"], params[1]["status"]))
        else:
            shown.append(("X", len(params), params[0]["id"], params[0]["status"]))
    return shown


async def test_an_order_rests_fills_partly_then_fully(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    ws = await watcher(run.alice)
    order = await run.alice.limit("buy", "60000", "0.03")
    assert (order["status"], order["left"], order["type"]) == ("OPEN", "0.03", "limit")
    await run.bob.limit("sell", "60000", "0.01")
    taker = await run.bob.limit("sell", "59000", "0.05", ioc=True)
    assert (taker["status"], taker["dealStock"], taker["dealMoney"]) == ("CANCELED", "0.02", "1200")
    number = order["orderId"]
    assert brief(await ws.sequence(6)) == [
        ("P", 1, number, "OPEN"),
        ("D", 1, number, "0.01"),
        ("P", 2, number, "PARTIALLY_FILLED"),
        ("D", 1, number, "0.02"),
        ("P", 3, number, "FILLED"),
        ("X", 1, number, "FILLED"),
    ]


async def test_an_instant_fill_has_event_three_only(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    await run.bob.limit("sell", "60000", "0.05")
    ws = await watcher(run.alice)
    order = await run.alice.limit("buy", "60000", "0.05")
    assert (order["status"], order["feeAsset"], order["dealFee"]) == ("FILLED", "BTC", "0.00005")
    number = order["orderId"]
    assert brief(await ws.sequence(3)) == [
        ("D", 2, number, "0.05"),
        ("P", 3, number, "FILLED"),
        ("X", 1, number, "FILLED"),
    ]


async def test_modify_ends_the_old_order_and_opens_a_new_one(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    ws = await watcher(run.alice)
    old = await run.alice.limit("buy", "60000", clientOrderId="q-1", postOnly=True)
    new = await run.alice.ok(
        "order/modify", market=MARKET, clientOrderId="q-1", price="59999.5", stp="cn"
    )
    assert new["orderId"] != old["orderId"]
    assert (new["clientOrderId"], new["postOnly"], new["price"]) == ("q-1", True, "59999.5")
    assert brief(await ws.sequence(4)) == [
        ("P", 1, old["orderId"], "OPEN"),
        ("P", 3, old["orderId"], "CANCELED"),
        ("X", 1, old["orderId"], "CANCELED"),
        ("P", 1, new["orderId"], "OPEN"),
    ]


async def test_self_trade_prevention_cancels_the_resting_order(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    ws = await watcher(run.alice)
    resting = await run.alice.limit("buy", "60000")
    incoming = await run.alice.limit("sell", "60000", stp="cb")
    assert incoming["status"] == "CANCELED_STP"
    events = brief(await ws.sequence(5))
    ended = [resting["orderId"], incoming["orderId"]]
    assert [event[0] for event in events[1:]] == ["P", "P", "X", "X"]
    assert [event[2] for event in events[1:]] == ended * 2
    assert {event[3] for event in events[1:]} == {"CANCELED_STP"}
    assert await run.alice.ok("orders", market=MARKET) == []


async def test_bulk_answers_item_by_item(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    ws = await watcher(run.alice)
    buy = {"market": MARKET, "side": "buy", "amount": "0.01"}
    items = [
        {**buy, "price": "60000", "clientOrderId": ""},
        {**buy, "price": "60000.001"},
        {**buy, "side": "hold", "price": "60000"},
        7,
        {**buy, "market": "BTC_PERP", "price": "60000"},
    ]
    answer = await run.alice.ok("order/bulk", orders=items)
    assert [item["error"] and item["error"]["code"] for item in answer] == [None, 33, 30, 30, 31]
    assert [item["result"] is None for item in answer] == [False, True, True, True, True]
    stopped = await run.alice.ok("order/bulk", orders=items, stopOnFail=True)
    assert [item["error"] is None for item in stopped] == [True, False]
    first, second = answer[0]["result"]["orderId"], stopped[0]["result"]["orderId"]
    assert brief(await ws.sequence(2)) == [("P", 1, first, "OPEN"), ("P", 1, second, "OPEN")]


async def test_cancel_all_ends_every_order(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    ws = await watcher(run.alice)
    ids = [(await run.alice.limit("buy", price))["orderId"] for price in ("60000", "59999")]
    assert await run.alice.ok("order/cancel/all", type=["spot"]) == []
    events = brief(await ws.sequence(6))
    assert sorted(events[2:]) == sorted(
        (letter, event, number, "CANCELED")
        for number in ids
        for letter, event in (("P", 3), ("X", 1))
    )


async def test_events_of_one_account_stay_private(nursery: trio.Nursery) -> None:
    run: Bench = await bench(nursery, real=True)
    ws = await watcher(run.bob)
    await run.alice.limit("buy", "60000")
    await run.bob.limit("sell", "60000", "0.02")
    events = await ws.sequence(2)
    assert [method for method, _ in events] == ["deals_update", "ordersPending_update"]
    assert events[1][1][1]["status"] == "PARTIALLY_FILLED"
