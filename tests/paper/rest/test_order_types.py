"""Market, stop and bulk-cancel endpoints over a running venue (contract 5.3-5.5, 6.2)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.paper.venue_client import Bench, bench

MARKET, PERP = "BTC_USDT", "BTC_PERP"
SPOT_EXTRAS = {"ioc", "rpi"}
STOP_EXTRAS = {"activation_price", "activationCondition", "activated"}
COLLATERAL_EXTRAS = {"positionSide", "reduceOnly", "oto"}
COMMON = {
    "orderId", "clientOrderId", "market", "side", "type", "timestamp", "dealMoney", "dealStock",
    "amount", "left", "dealFee", "status", "stp",
}  # fmt: skip


async def quoted(nursery: trio.Nursery) -> Bench:
    """A venue with a book on both markets and a last price of 60000."""
    run = await bench(nursery)
    for market, path in ((MARKET, "order/new"), (PERP, "order/collateral/limit")):
        for side, price, amount in (
            ("sell", "60000", "0.1"),
            ("buy", "60000", "0.1"),
            ("sell", "60010", "2"),
            ("buy", "59990", "2"),
        ):
            body = {"market": market, "side": side, "price": price, "amount": amount}
            await run.bob.ok(path, **body)
    return run


SHAPES: list[tuple[str, dict[str, Any], dict[str, Any], set[str]]] = [
    (
        "order/market",
        {"market": MARKET, "side": "buy", "amount": "60.01"},
        {"type": "market", "status": "FILLED", "amount": "60.01", "left": "0", "ioc": False},
        SPOT_EXTRAS | {"feeAsset"},
    ),
    (
        "order/stock_market",
        {"market": MARKET, "side": "buy", "amount": "0.01", "clientOrderId": "c"},
        {"type": "stock market", "status": "FILLED", "dealStock": "0.01", "clientOrderId": "c"},
        SPOT_EXTRAS | {"feeAsset"},
    ),
    (
        "order/stop_limit",
        {
            "market": MARKET, "side": "buy", "amount": "0.01", "price": "61000",
            "activation_price": "60500",
        },
        {
            "type": "stop limit", "status": "OPEN", "price": "61000",
            "activation_price": "60500", "activationCondition": "gte", "activated": 0,
        },
        SPOT_EXTRAS | STOP_EXTRAS | {"price", "postOnly"},
    ),
    (
        "order/stop_market",
        {"market": MARKET, "side": "buy", "amount": "100", "activation_price": "60500"},
        {"type": "stop market", "amount": "100", "left": "100", "dealMoney": "0"},
        SPOT_EXTRAS | STOP_EXTRAS,
    ),
    (
        "order/collateral/market",
        {"market": PERP, "side": "sell", "amount": "0.01"},
        {"type": "market", "status": "FILLED", "dealStock": "0.01", "oto": None},
        COLLATERAL_EXTRAS,
    ),
    (
        "order/collateral/stop-limit",
        {
            "market": PERP, "side": "sell", "amount": "0.01", "price": "58000",
            "activation_price": "59000",
        },
        {"type": "stop limit", "price": "58000", "activation_price": "59000"},
        COLLATERAL_EXTRAS | {"price", "activation_price"},
    ),
    (
        "order/collateral/trigger-market",
        {"market": PERP, "side": "sell", "amount": "0.01", "activation_price": "59000"},
        {"type": "stop market", "amount": "0.01", "reduceOnly": False},
        COLLATERAL_EXTRAS | {"activation_price"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "shown", "extras"), SHAPES, ids=[shape[0] for shape in SHAPES]
)
async def test_shapes(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    path: str,
    body: dict[str, Any],
    shown: dict[str, Any],
    extras: set[str],
) -> None:
    run = await quoted(nursery)
    answer = await run.alice.ok(path, **body)
    assert set(answer) == COMMON | extras
    assert {name: answer[name] for name in shown} == shown


async def test_missing_fields_are_named_together(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    required = {
        "order/market": ("market", "side", "amount"),
        "order/stock_market": ("market", "side", "amount"),
        "order/stop_limit": ("market", "side", "amount", "price", "activation_price"),
        "order/stop_market": ("market", "side", "amount", "activation_price"),
        "order/collateral/market": ("market", "side", "amount"),
        "order/collateral/stop-limit": ("market", "side", "amount", "price", "activation_price"),
        "order/collateral/trigger-market": ("market", "side", "amount", "activation_price"),
    }
    for path, names in required.items():
        status, refused = await run.alice.post(path)
        assert (status, refused["code"], set(refused["errors"])) == (422, 30, set(names))
    _, refused = await run.alice.post("order/stop_market", market=MARKET, side="buy", amount="10")
    assert refused["errors"] == {"activation_price": ["Activation price field is required."]}


async def test_a_stop_is_listed_triggered_and_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await quoted(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("ordersPending_subscribe", MARKET)
    stop = {
        "market": MARKET, "side": "buy", "amount": "0.01", "price": "60005",
        "activation_price": "60010",
    }  # fmt: skip
    created = await run.alice.ok("order/stop_limit", **stop, clientOrderId="s")
    [listed] = await run.alice.ok("orders", market=MARKET, clientOrderId="s")
    assert (listed["orderId"], listed["activated"]) == (created["orderId"], 0)
    await run.bob.limit("buy", "60010", "0.01")
    [listed] = await run.alice.ok("orders", market=MARKET)
    assert (listed["orderId"], listed["activated"]) == (created["orderId"], 1)
    events = [await ws.push("ordersPending_update") for _ in range(2)]
    assert [event for event, _ in events] == [1, 1]
    assert [order["activated"] for _, order in events] == [0, 1]
    assert {order["id"] for _, order in events} == {created["orderId"]}
    assert events[0][1]["activation_condition"] == "gte"
    await run.alice.ok("order/cancel", market=MARKET, orderId=created["orderId"])
    history = await run.alice.ok("trade-account/order/history", orderId=created["orderId"])
    assert isinstance(history[MARKET][0]["activated"], int)
    assert events[0][1]["type"] == 3


async def test_a_trigger_at_the_last_price_is_refused(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await quoted(nursery)
    body = {"market": MARKET, "side": "sell", "amount": "0.01", "activation_price": "60000"}
    status, refused = await run.alice.post("order/stop_market", **body)
    assert (status, refused["code"]) == (422, 30)
    text = "Activation price should not be equal to the last price"
    assert refused["errors"] == {"activationPrice": [text]}


async def test_bulk_cancel_answers_item_by_item(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    order = await run.alice.limit("buy", "50000", clientOrderId="a")
    await run.alice.limit("buy", "50001", clientOrderId="b")
    items: list[Any] = [
        "x",
        {"orderId": 1},
        {"market": "NOPE", "orderId": 1},
        {"market": MARKET},
        {"market": MARKET, "orderId": 1, "clientOrderId": "a"},
        {"market": MARKET, "orderId": order["orderId"]},
        {"market": MARKET, "orderId": order["orderId"]},
        {"market": MARKET, "clientOrderId": "b"},
    ]
    answers = await run.alice.ok("order/cancel/bulk", orders=items)
    missing = {"orderId": ["Order does not exist or already cancelled"]}
    assert [
        each["result"] or (each["error"]["code"], each["error"]["errors"]) for each in answers
    ] == [
        (30, {"request": ["Invalid order format"]}),
        (30, {"market": ["validation.required"]}),
        (30, {"market": ["validation.market_not_exist"]}),
        (30, {"request": ["validation.required"]}),
        (30, {"request": ["api.validation.order.chooseOneId"]}),
        {"orderId": order["orderId"], "clientOrderId": "a", "market": MARKET},
        (404, missing),
        {"orderId": order["orderId"] + 1, "clientOrderId": "b", "market": MARKET},
    ]
    assert answers[6]["error"]["message"] == "Order not found"
    assert await run.alice.ok("orders") == []


@pytest.mark.parametrize(
    ("orders", "text"),
    [(None, "required"), ("x", "required"), ([], "between"), ([{}] * 101, "between")],
)
async def test_bulk_cancel_refuses_what_is_no_list_of_1_to_100(
    nursery: trio.Nursery, autojump_clock: MockClock, orders: Any, text: str
) -> None:
    run = await bench(nursery)
    body = {} if orders is None else {"orders": orders}
    status, refused = await run.alice.post("order/cancel/bulk", **body)
    assert (status, refused["code"]) == (422, 30)
    assert refused["errors"] == {"orders": [f"validation.{text}"]}
