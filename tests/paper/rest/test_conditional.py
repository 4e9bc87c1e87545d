"""OCO and OTO endpoints over a running venue: shapes, lists and cancels (contract 6.3, 6.4)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.paper.venue_client import Bench, bench

PERP = "BTC_PERP"
OCO = {
    "market": PERP, "side": "buy", "amount": "0.01", "price": "59000",
    "activation_price": "61000", "stop_limit_price": "61100",
}  # fmt: skip
OTO = {
    "market": PERP, "side": "buy", "amount": "0.01", "price": "59500",
    "stopLoss": "59000", "takeProfit": "61000",
}  # fmt: skip
LEG = {
    "orderId", "clientOrderId", "market", "side", "type", "timestamp", "dealMoney", "dealStock",
    "amount", "left", "dealFee", "price", "post_only", "mtime", "status", "stp", "positionSide",
}  # fmt: skip
STOP = {"activation_price", "activation_condition", "activated"}
FEES = {"takerFee", "makerFee"}
MISSING = ["Unexecuted order was not found."]


async def traded(nursery: trio.Nursery) -> Bench:
    """A venue with a last price of 60000 on the perpetual."""
    run = await bench(nursery)
    for side in ("sell", "buy"):
        body = {"market": PERP, "side": side, "price": "60000", "amount": "0.01"}
        await run.bob.ok("order/collateral/limit", **body)
    return run


async def test_a_pair_is_created_listed_and_cancelled(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await traded(nursery)
    created = await run.alice.ok("order/collateral/oco", **OCO, clientOrderId="p")
    assert set(created) == {"id", "reduceOnly", "stop_loss", "take_profit"}
    assert set(created["stop_loss"]) == LEG | STOP | FEES
    assert set(created["take_profit"]) == LEG | FEES
    stop, limit = created["stop_loss"], created["take_profit"]
    assert (stop["type"], stop["price"], stop["activation_price"]) == (
        "stop limit",
        "61100",
        "61000",
    )
    assert (stop["activation_condition"], stop["activated"]) == ("gte", 0)
    assert (limit["type"], limit["price"], limit["takerFee"]) == ("limit", "59000", "0.00055")

    [listed] = await run.alice.ok("oco-orders", market=PERP)
    assert listed["id"] == created["id"]
    assert set(listed["stop_loss"]) == LEG | STOP | {"reduceOnly"}
    assert (listed["stop_loss"]["type"], listed["take_profit"]["type"]) == (
        "margin stop limit",
        "margin limit",
    )
    assert len(await run.alice.ok("orders", market=PERP, clientOrderId="p")) == 2
    assert await run.bob.ok("oco-orders") == []

    answer = await run.alice.ok("order/oco-cancel", market=PERP, orderId=created["id"])
    assert {answer[leg]["status"] for leg in ("stop_loss", "take_profit")} == {"CANCELED"}
    assert answer["id"] == created["id"]
    assert await run.alice.ok("orders") == []


async def test_conditional_orders_lists_both_kinds_newest_first(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await traded(nursery)
    pair = await run.alice.ok("order/collateral/oco", **OCO)
    order = await run.alice.ok("order/collateral/limit", **OTO)
    assert order["oto"] == {
        "otoId": order["oto"]["otoId"],
        "takeProfit": "61000",
        "stopLoss": "59000",
    }
    found = await run.alice.ok("conditional-orders", market=PERP)
    assert (found["limit"], found["offset"], found["total"]) == (100, 0, 2)
    oto, oco = found["records"]
    assert (oto["type"], oto["id"]) == ("oto", order["oto"]["otoId"])
    assert (oto["stopLossPrice"], oto["takeProfitPrice"]) == ("59000", "61000")
    assert oto["conditionalOrder"]["orderId"] == order["orderId"]
    assert oto["conditionalOrder"]["type"] == "limit"
    assert (oco["type"], oco["id"]) == ("oco", pair["id"])
    assert oco["stopLoss"]["activationPrice"] == "61000"
    assert oco["takeProfit"]["postOnly"] is False
    page = await run.alice.ok("conditional-orders", offset=1, limit=1)
    assert (page["total"], page["records"]) == (2, [oco])

    assert await run.alice.ok("order/oto-cancel", market=PERP, otoId=oto["id"]) == []
    assert await run.alice.ok("order/conditional-cancel", market=PERP, id=pair["id"]) == []
    assert (await run.alice.ok("conditional-orders"))["records"] == []
    assert await run.alice.ok("orders") == []


async def test_bulk_items_may_have_triggers_but_do_not_show_them(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await traded(nursery)
    [item] = await run.alice.ok("order/collateral/bulk", orders=[OTO])
    assert "oto" not in item["result"]
    assert (await run.alice.ok("conditional-orders"))["total"] == 1


async def test_triggers_show_with_the_position_and_among_the_orders(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await traded(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await run.alice.ok("order/collateral/limit", **OTO)
    await ws.call("ordersPending_subscribe", PERP)
    body = {"market": PERP, "side": "sell", "price": "59500", "amount": "0.01"}
    await run.bob.ok("order/collateral/limit", **body)
    [position] = await run.alice.ok("collateral-account/positions/open", market=PERP)
    take, stop = await run.alice.ok("orders", market=PERP)
    assert position["tpsl"] == {
        "takeProfitId": take["orderId"],
        "takeProfit": "61000",
        "stopLossId": stop["orderId"],
        "stopLoss": "59000",
    }
    assert (take["type"], take["amount"], take["activationCondition"]) == (
        "stop market",
        "0",
        "gte",
    )
    events = [await ws.push("ordersPending_update") for _ in range(3)]
    assert [(event, order["type"]) for event, order in events] == [(3, 7), (1, 10), (1, 10)]


REFUSED: list[tuple[str, dict[str, Any], int, int, dict[str, list[str]]]] = [
    (
        "order/collateral/oco",
        {},
        422,
        30,
        {
            name: [f"{name[:1].upper()}{name[1:].replace('_', ' ')} field is required."]
            for name in OCO
        },
    ),
    ("order/oco-cancel", {"market": PERP, "orderId": 1}, 400, 2, {"orderId": MISSING}),
    ("order/oco-cancel", {"market": PERP, "clientOrderId": "x"}, 400, 2, {"orderId": MISSING}),
    ("order/oto-cancel", {"market": PERP, "otoId": 1}, 400, 2, {"otoId": MISSING}),
    ("order/conditional-cancel", {"market": PERP, "id": 1}, 400, 2, {"id": MISSING}),
    (
        "order/conditional-cancel",
        {"market": PERP, "id": "x"},
        422,
        30,
        {"id": ["Id field should be an integer."]},
    ),
    (
        "order/oto-cancel",
        {"market": PERP},
        422,
        30,
        {"otoId": ["OtoId field is required."]},
    ),
    (
        "order/conditional-cancel",
        {"market": "NOPE", "id": 1},
        422,
        31,
        {"market": ["Market is not available."]},
    ),
    ("oco-orders", {"market": "NOPE"}, 422, 31, {"market": ["Market is not available."]}),
    (
        "conditional-orders",
        {"limit": 101},
        422,
        30,
        {"limit": ["The limit may not be greater than 100."]},
    ),
    (
        "order/collateral/limit",
        {**OTO, "takeProfit": "59000", "stopLoss": "61000"},
        422,
        105,
        {"takeProfit": ["Wrong activation price for take profit."]},
    ),
    (
        "order/collateral/limit",
        {**OTO, "stopLoss": "59500"},
        422,
        106,
        {"stopLoss": ["Wrong activation price for stop loss."]},
    ),
]


@pytest.mark.parametrize(("path", "body", "status", "code", "errors"), REFUSED)
async def test_refusals(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    path: str,
    body: dict[str, Any],
    status: int,
    code: int,
    errors: dict[str, list[str]],
) -> None:
    run = await traded(nursery)
    found_status, found = await run.alice.post(path, **body)
    assert (found_status, found["code"], found["errors"]) == (status, code, errors)
    assert await run.alice.ok("orders") == []
