"""Intents and the documented bodies of their answers, shared by the tests of REST."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

from adapters.whitebit.responses import normalise_response
from engine import events, intents
from engine.types import OrderStatus, Refusal, Role, Side, Stp, VenueFill, VenueOrder
from tests.whitebit.venue import MARKETS

SPOT = "BTC_USDT"


def new(client_order_id: str) -> intents.NewOrder:
    return intents.NewOrder(client_order_id, Side.BUY, 4_000_000, 10_000, Stp.NO, False, True, 0)


PLACE = intents.PlaceOrders(SPOT, (new("q1"),))
BULK = intents.PlaceOrders(SPOT, (new("q1"), new("q2"), new("q3")))
MODIFY = intents.ModifyOrder(SPOT, "q1", 1, 1, Stp.NO)
CANCEL = intents.CancelOrder(SPOT, "q1")

# The documented order object (5.0), of an order that rests.
ORDER: dict[str, Any] = {
    "orderId": 4180284841,
    "clientOrderId": "q1",
    "market": "BTC_USDT",
    "side": "buy",
    "type": "limit",
    "timestamp": 1595792396.165973,
    "dealMoney": "0",
    "dealStock": "0",
    "amount": "0.010",
    "left": "0.01",
    "dealFee": "0",
    "feeAsset": "USDT",
    "price": "40000",
    "postOnly": True,
    "ioc": False,
    "status": "OPEN",
    "stp": "cn",
}
VENUE_ORDER = VenueOrder(
    market=SPOT,
    order_id=4180284841,
    client_order_id="q1",
    side=Side.BUY,
    price=4_000_000,
    qty=10_000,
    leaves_qty=10_000,
    filled_qty=0,
    status=OrderStatus.OPEN,
    status_text="OPEN",
    post_only=True,
    rpi=False,
    stp="cn",
    modified_us=0,
)
POST_ONLY_ERROR = {
    "code": 13,
    "message": "Inner validation failed",
    "errors": {"postOnly": ["This order couldn't be executed as a maker order and was canceled."]},
}
POST_ONLY = Refusal(
    200, 13, "postOnly", "This order couldn't be executed as a maker order and was canceled."
)
DEAL = {
    "id": 1343815269,
    "clientOrderId": "q1",
    "time": 1641051917.532965,
    "side": "sell",
    "role": 2,
    "amount": "9.986",
    "price": "0.99",
    "deal": "9.981007",
    "fee": "-0.009981007",
    "orderId": 58166729555,
    "feeAsset": "USDT",
}
FILL = VenueFill(
    SPOT,
    1343815269,
    58166729555,
    "q1",
    Side.SELL,
    Role.TAKER,
    99,
    9_986_000,
    Decimal("-0.009981007"),
    "USDT",
    1641051917_532965,
)
FEES = {
    "error": None,
    "taker": "0.1",
    "maker": "0.1",
    "futures_taker": "0.035",
    "futures_maker": "-0.01",
    "rpi_maker_fee_premium": None,
    "futures_rpi_maker_fee_premium": "0.01",
    "custom_fee": {"ETH_PERP": {"taker": "0.055", "maker": "0.02"}},
}
MARKET = {
    "name": "BTC_USDT",
    "stock": "BTC",
    "money": "USDT",
    "stockPrec": "6",
    "moneyPrec": "2",
    "feePrec": "4",
    "makerFee": "0.1",
    "takerFee": "0.1",
    "minAmount": "0.0000101",
    "minTotal": "5.050000001",
    "maxTotal": "10000000.123456789",
    "tradesEnabled": True,
    "isCollateral": True,
    "type": "spot",
    "isTradFiFutures": False,
    "delistedAt": None,
}


def answer(intent: intents.Intent, status: int, body: object) -> events.AnyEvent:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    market = MARKETS.get(getattr(intent, "market", ""))
    return normalise_response(intent, market, status, raw, MARKETS)


def opened(**changes: Any) -> VenueOrder:
    return msgspec.structs.replace(VENUE_ORDER, **changes)


def filled_answer(client_order_id: str) -> dict[str, Any]:
    return {**ORDER, "clientOrderId": client_order_id, "left": "0", "dealStock": "0.01"}
