"""The error table of contract section 9, case by case, with bodies as documented or captured."""

from __future__ import annotations

import pytest

from engine.refusals import TABLE, RefusalKind, classify
from engine.types import Refusal

TAKE = "This order couldn't be executed as a maker order and was canceled."
GONE = "Unexecuted order was not found."

CASES = [
    ("post-only on spot would take", 422, 13, "postOnly", TAKE, "post_only_would_take"),
    ("post-only on a perpetual would take", 422, 14, "postOnly", TAKE, "post_only_would_take"),
    ("post-only refused inside a bulk", 200, 13, "postOnly", TAKE, "post_only_would_take"),
    ("cancel of an order that is gone", 400, 2, "orderId", GONE, "not_found"),
    ("modify of a finished order", 400, 6, "orderId", GONE, "not_found"),
    ("the older order not found", 422, 7, "orderId", "order not found.", "not_found"),
    (
        "bulk cancel item is gone",
        200,
        404,
        "orderId",
        "Order does not exist or already cancelled",
        "not_found",
    ),
    ("spot funds", 422, 10, "amount", "Not enough balance.", "funds"),
    ("collateral funds", 422, 17, "amount", "Not enough balance.", "funds"),
    ("funds under the code of amount validation", 422, 32, "amount", "Not enough balance", "funds"),
    ("funds under the code of a price", 422, 153, "price", "Not enough balance for it.", "funds"),
    ("amount step under the same code", 422, 32, "amount", "Min amount step = 0.000001", "other"),
    ("market not found under the code of funds", 422, 10, "market", "x", "market_stopped"),
    ("unknown market", 422, 31, "market", "Market is not available.", "market_stopped"),
    ("halted market", 422, 51, "price", "Trading in the market is not allowed.", "market_stopped"),
    ("EU restriction", 453, 30, "orderType", "This order type is not available", "market_stopped"),
    ("futures unavailable here", 451, 0, "", "Margin trading is not available", "market_stopped"),
    (
        "client id of an open order",
        422,
        36,
        "clientOrderId",
        "This client order id is already used by the current account.",
        "duplicate_client_id",
    ),
    (
        "client id with a bad character",
        422,
        36,
        "clientOrderId",
        "ClientOrderId field should contain only latin letters, numbers and dashes.",
        "other",
    ),
    ("engine sees a client id twice", 422, 43, "clientOrderId", "x", "duplicate_client_id"),
    ("rpi not allowed shares that code", 422, 43, "rpi", "not_allowed", "other"),
    ("nonce not greater, 429 with JSON", 429, 0, "", "Too many requests.", "nonce"),
    ("nonce not greater, 401", 401, 0, "", "Too many requests", "nonce"),
    (
        "nonce outside the window",
        401,
        0,
        "",
        "Your nonce is more than 5 seconds lesser than the current nonce",
        "nonce",
    ),
    ("bad signature shares the code of funds", 401, 10, "", "Unauthorized request.", "auth"),
    ("no permission", 403, 0, "", "You don't have permission to use this endpoint.", "auth"),
    ("payload differs from the body", 400, 9, "", "Invalid payload.", "auth"),
    ("invalid argument", 400, 1, "amount", "Invalid argument.", "other"),
    ("position too big", 422, 111, "amount", "margin position too big", "exposure"),
    ("pending orders too big", 422, 112, "amount", "value too big", "exposure"),
    ("too many margin orders", 422, 103, "error", "Max. limit reached.", "exposure"),
    ("busy", 422, 15, "error", "Please try again later.", "try_later"),
    ("below the minimum total", 422, 30, "total", "is less than 5.05", "other"),
    ("ioc with post-only", 422, 37, "ioc", "Either IOC or PostOnly", "other"),
]


@pytest.mark.parametrize(
    ("http_status", "code", "key", "text", "kind"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_refusal_is_classified(http_status: int, code: int, key: str, text: str, kind: str) -> None:
    assert classify(Refusal(http_status, code, key, text)) == RefusalKind(kind)


def test_every_row_is_reachable() -> None:
    for row in TABLE:
        refusal = Refusal(
            min(row.http_statuses, default=422),
            min(row.codes, default=0),
            min(row.keys, default=""),
            row.text.upper(),
        )
        assert classify(refusal) is row.kind
