"""Refusals of private REST: codes, statuses and verbatim texts (contract 5, 6, 9)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.paper.venue_client import bench

MARKET = "BTC_USDT"
BUY = {"market": MARKET, "side": "buy", "amount": "0.01", "price": "60000"}
PERP = {**BUY, "market": "BTC_PERP"}
REQUIRED = {
    name: f"{name.capitalize()} field is required."
    for name in ("market", "side", "amount", "price")
}
CHARSET = "ClientOrderId field should contain only latin letters, numbers and dashes."
# Path -> (name, body, code, errors); a single text stands for a list of one.
Case = tuple[str, dict[str, Any], int, dict[str, Any]]
TABLE: dict[str, list[Case]] = {
    "order/new": [
        ("every field missing", {}, 30, REQUIRED),
        (
            "a null counts as missing",
            {**BUY, "price": None},
            30,
            {"price": "Price field is required."},
        ),
        (
            "no price but a queue role",
            {"market": "BTC_USDT", "side": "buy", "amount": "0.01", "bboRole": 3},
            30,
            {"bboRole": "The selected bboRole is invalid."},
        ),
        (
            "another side",
            {**BUY, "side": 1},
            30,
            {"side": "Side field should contain only 'buy' or 'sell' values."},
        ),
        (
            "an amount that is no number",
            {**BUY, "amount": True},
            32,
            {"amount": "Amount field should be numeric string or number."},
        ),
        (
            "an amount in words",
            {**BUY, "amount": "lots"},
            32,
            {"amount": "Amount field should be numeric string or number."},
        ),
        (
            "a price that is a list",
            {**BUY, "price": ["1"]},
            33,
            {"price": "Price field should be numeric string or number."},
        ),
        (
            "a negative amount",
            {**BUY, "amount": "-1"},
            32,
            {"amount": "Amount should be greater than 0."},
        ),
        ("a price of zero", {**BUY, "price": 0}, 33, {"price": "Price should be greater than 0."}),
        (
            "too small and off the step",
            {**BUY, "amount": "0.0000001"},
            32,
            {
                "amount": [
                    "Given amount is less than min amount 0.00001",
                    "Min amount step = 0.000001",
                ]
            },
        ),
        (
            "a price off its step",
            {**BUY, "price": "60000.001"},
            33,
            {"price": "Min price step = 0.01"},
        ),
        (
            "a total too small",
            {**BUY, "amount": "0.00001"},
            30,
            {"total": "Total (amount * price) is less than 5.05"},
        ),
        (
            "an unknown market",
            {**BUY, "market": "NOPE"},
            31,
            {"market": "Market is not available."},
        ),
        (
            "an empty market",
            {**BUY, "market": ""},
            31,
            {"market": "Market field should not be empty string."},
        ),
        (
            "a client id of another type",
            {**BUY, "clientOrderId": 7},
            36,
            {"clientOrderId": "ClientOrderId field should be a string."},
        ),
        (
            "a client id with a space",
            {**BUY, "clientOrderId": "a b"},
            36,
            {"clientOrderId": CHARSET},
        ),
        (
            "ioc with post-only",
            {**BUY, "ioc": True, "postOnly": True},
            37,
            {"ioc": "Either IOC or PostOnly flag in true state is allowed."},
        ),
        (
            "retail with rpi",
            {**BUY, "retail": True, "rpi": True},
            41,
            {"retail": "api.tradeErrors.flagsCantBeCombined.rpiRetail"},
        ),
        (
            "retail without permission",
            {**BUY, "retail": True},
            42,
            {"retail": "api.validation.retail.not_allowed"},
        ),
        (
            "a flag that is no boolean",
            {**BUY, "postOnly": "yes"},
            30,
            {"postOnly": "PostOnly field should be a boolean."},
        ),
        ("an unknown stp", {**BUY, "stp": "dc"}, 30, {"stp": "The selected stp is invalid."}),
        ("not enough money", {**BUY, "amount": "100"}, 10, {"amount": "Not enough balance."}),
    ],
    "order/collateral/limit": [
        (
            "ioc with rpi",
            {**BUY, "market": "BTC_PERP", "ioc": True, "rpi": True},
            40,
            {"ioc": "Either IOC or RPI flag in true state is allowed."},
        ),
    ],
    "order/bulk": [
        ("bulk without orders", {}, 30, {"orders": "The orders must be an array."}),
        (
            "bulk of none",
            {"orders": []},
            30,
            {"orders": "The orders must have between 1 and 20 items."},
        ),
        (
            "bulk of 21",
            {"orders": [BUY] * 21},
            30,
            {"orders": "The orders must have between 1 and 20 items."},
        ),
    ],
    "order/cancel": [
        (
            "cancel of nothing",
            {},
            30,
            {"market": "Market field is required.", "orderId": "OrderId field is required."},
        ),
        (
            "cancel without id",
            {"market": "BTC_USDT"},
            30,
            {"orderId": "OrderId field is required."},
        ),
        (
            "cancel with both ids",
            {"market": "BTC_USDT", "orderId": 1, "clientOrderId": "a"},
            30,
            {"orderId": "Only one of orderId and clientOrderId is allowed."},
        ),
        (
            "cancel with an id that is no number",
            {"market": "BTC_USDT", "orderId": "1a"},
            30,
            {"orderId": "OrderId field should be an integer."},
        ),
        (
            "cancel of an unknown order, its id as text",
            {"market": "BTC_USDT", "orderId": "1"},
            2,
            {"orderId": "Unexecuted order was not found."},
        ),
        (
            "cancel of an unknown order",
            {"market": "BTC_USDT", "orderId": 1},
            2,
            {"orderId": "Unexecuted order was not found."},
        ),
        (
            "cancel on an unknown market",
            {"market": "NOPE", "orderId": 1},
            31,
            {"market": "Market is not available."},
        ),
    ],
    "order/modify": [
        (
            "modify of an unknown order",
            {"market": "BTC_USDT", "orderId": 1, "price": "1"},
            2,
            {"orderId": "Unexecuted order was not found."},
        ),
        (
            "modify of nothing",
            {"market": "BTC_USDT", "orderId": 1},
            30,
            {"amount": "Amount field is required."},
        ),
    ],
    "order/cancel/all": [
        ("cancel all by a text", {"type": "spot"}, 30, {"type": "The type must be an array."}),
    ],
    "order/kill-switch": [
        (
            "kill-switch of nothing",
            {},
            30,
            {"market": "Market field is required.", "timeout": "Timeout field is required."},
        ),
        (
            "kill-switch in integers",
            {"market": "BTC_USDT", "timeout": 60},
            30,
            {"timeout": "Timeout field should be a string."},
        ),
        (
            "kill-switch too short",
            {"market": "BTC_USDT", "timeout": "4"},
            30,
            {"timeout": "Timeout should be at least 5."},
        ),
        (
            "kill-switch too long",
            {"market": "BTC_USDT", "timeout": "601"},
            30,
            {"timeout": "Timeout should be at most 600."},
        ),
        (
            "kill-switch of an unknown market",
            {"market": "NOPE", "timeout": "60"},
            31,
            {"market": "Market is not available."},
        ),
    ],
    "orders": [
        (
            "a page too long",
            {"limit": 101, "offset": 4294967296},
            30,
            {
                "limit": "The limit may not be greater than 100.",
                "offset": "The offset may not be greater than 4294967295.",
            },
        ),
        (
            "orders of an unknown market",
            {"market": "NOPE"},
            31,
            {"market": "Market is not available"},
        ),
    ],
    "trade-account/executed-history": [
        (
            "pages in text",
            {"limit": "1", "offset": "0"},
            30,
            {
                "limit": "Limit field should be an integer.",
                "offset": "Offset field should be an integer.",
            },
        ),
        (
            "history of an unknown client id",
            {"clientOrderId": "gone"},
            30,
            {"orderHistory": "OrderHistory was not found."},
        ),
    ],
    "trade-account/balance": [
        (
            "balance of an unknown asset",
            {"ticker": "NOPE"},
            30,
            {"ticker": "Currency was not found."},
        ),
        ("balance of a number", {"ticker": 1}, 30, {"ticker": "Ticker field should be a string."}),
    ],
    "collateral-account/balance": [
        (
            "collateral of an unknown asset",
            {"ticker": "NOPE"},
            30,
            {"ticker": "ticker is invalid."},
        ),
    ],
}
STATUS_400 = (2,)
INNER = (2, 10)
CASES = [(path, *case) for path, cases in TABLE.items() for case in cases]


@pytest.mark.parametrize(
    ("path", "name", "body", "code", "errors"), CASES, ids=[case[1] for case in CASES]
)
async def test_refusals(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    path: str,
    name: str,
    body: dict[str, Any],
    code: int,
    errors: dict[str, Any],
) -> None:
    run = await bench(nursery)
    status, found = await run.alice.post(path, **body)
    assert status == (400 if code in STATUS_400 else 422)
    texts = {field: [each] if isinstance(each, str) else each for field, each in errors.items()}
    message = "Inner validation failed" if code in INNER else "Validation failed"
    assert found == {"code": code, "message": message, "errors": texts}
    assert await run.alice.ok("orders") == []
