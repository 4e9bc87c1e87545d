"""Private REST handlers that change orders (contract 5.1-5.6, 6.1, 6.2).

A handler takes the venue, the account and the decoded body, and returns the JSON answer or raises
`ApiError`. It never awaits, so each is one action of the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.paper.core import rejects
from adapters.paper.core.model import (
    PRICED_TYPES,
    STOP_TYPES,
    CancelOrder,
    MarketSpec,
    ModifyOrder,
    NewOrder,
    Order,
    OrderType,
    PositionSide,
    Reject,
)
from adapters.paper.rest import fields
from adapters.paper.rest.fields import Body
from adapters.paper.rest.objects import (
    cancelled,
    created_collateral,
    created_spot,
    kill_switch,
    listed,
)
from adapters.paper.rest.refusals import MARKET, VALIDATION, ApiError, error_body, refuse
from adapters.paper.venue import Venue

BULK_MAX = 20
CANCEL_BULK_MAX = 100
TIMEOUT_MIN_S = 5
TIMEOUT_MAX_S = 600

Handler = Callable[[Venue, str, Body], Any]
Render = Callable[[Order, MarketSpec], dict[str, Any]]


def placing(kind: OrderType, *, collateral: bool) -> Handler:
    """Return the handler of the endpoint that creates orders of one type (5.1, 5.3, 6.1, 6.2)."""
    render = created_collateral if collateral else created_spot

    def handler(venue: Venue, account: str, body: Body) -> Any:
        return _place(venue, account, _new(body, kind, collateral=collateral), render)

    return handler


def bulk(venue: Venue, account: str, body: Body) -> Any:
    """POST order/bulk."""
    return _place_bulk(venue, account, body, created_spot, collateral=False)


def collateral_bulk(venue: Venue, account: str, body: Body) -> Any:
    """POST order/collateral/bulk."""

    def render(order: Order, spec: MarketSpec) -> dict[str, Any]:
        return created_collateral(order, spec, bulk=True)

    return _place_bulk(venue, account, body, render, collateral=True)


def _new(body: Body, kind: OrderType, *, collateral: bool) -> NewOrder:
    """Read a create request; fields that the endpoint does not have are ignored."""
    has_role = not collateral and kind in PRICED_TYPES
    role = fields.bbo_role(body) if has_role else None
    priced = kind in PRICED_TYPES and role is None
    is_stop, is_limit = kind in STOP_TYPES, kind is OrderType.LIMIT
    required = ["market", "side", "amount"]
    required += ["price"] if priced else []
    required += ["activation_price"] if is_stop else []
    fields.require(body, *required)
    return NewOrder(
        market=fields.market(body),
        side=fields.side(body),
        amount=fields.numeric(body, "amount"),
        price=fields.numeric(body, "price") if priced else None,
        type=kind,
        activation_price=fields.numeric(body, "activation_price") if is_stop else None,
        stop_loss=fields.optional_numeric(body, "stopLoss") if collateral else None,
        take_profit=fields.optional_numeric(body, "takeProfit") if collateral else None,
        client_order_id=fields.client_order_id(body),
        post_only=is_limit and fields.flag(body, "postOnly"),
        ioc=is_limit and fields.flag(body, "ioc"),
        rpi=is_limit and fields.flag(body, "rpi"),
        retail=is_limit and not collateral and fields.flag(body, "retail"),
        bbo_role=role,
        stp=fields.stp(body),
        reduce_only=collateral and fields.flag(body, "reduceOnly"),
        position_side=fields.position_side(body) if collateral else PositionSide.BOTH,
        collateral=collateral,
    )


def _place(venue: Venue, account: str, request: NewOrder, render: Render) -> Any:
    order = _accepted(venue.exchange.place(account, request, venue.now_us()))
    return render(order, venue.spec(order.market))


def _accepted(result: Order | Reject) -> Order:
    if isinstance(result, Reject):
        raise ApiError(result)
    return result


def _place_bulk(
    venue: Venue, account: str, body: Body, render: Render, *, collateral: bool
) -> list[dict[str, Any]]:
    items = _items(body, BULK_MAX)
    stop_on_fail = fields.flag(body, "stopOnFail")
    requests = [_bulk_item(item, collateral=collateral) for item in items]
    results = venue.exchange.place_bulk(account, requests, stop_on_fail, venue.now_us())
    return [
        {"result": None, "error": error_body(result)}
        if isinstance(result, Reject)
        else {"result": render(result, venue.spec(result.market)), "error": None}
        for result in results
    ]


def _items(body: Body, most: int) -> list[Any]:
    orders = body.get("orders")
    if not isinstance(orders, list):
        raise refuse(VALIDATION, {"orders": ["The orders must be an array."]})
    if not 1 <= len(orders) <= most:
        text = f"The orders must have between 1 and {most} items."
        raise refuse(VALIDATION, {"orders": [text]})
    return orders


def _bulk_item(item: Any, *, collateral: bool) -> NewOrder | Reject:
    try:
        # An item that is no object has none of the required fields.
        body = item if isinstance(item, dict) else {}
        return _new(body, OrderType.LIMIT, collateral=collateral)
    except ApiError as error:
        return error.reject


def modify(venue: Venue, account: str, body: Body) -> Any:
    """POST order/modify, for limits and stops."""
    market, order_id, client_id = fields.one_order(body)
    amount, total = fields.optional_numeric(body, "amount"), fields.optional_numeric(body, "total")
    price = fields.optional_numeric(body, "price")
    activation_price = fields.optional_numeric(body, "activationPrice")
    if amount is not None and total is not None:
        raise refuse(VALIDATION, {"total": ["Either amount or total is allowed."]})
    if amount is None and total is None and price is None and activation_price is None:
        raise refuse(VALIDATION, {"amount": ["Amount field is required."]})
    request = ModifyOrder(
        market=market,
        order_id=order_id,
        client_order_id=client_id,
        amount=amount,
        total=total,
        price=price,
        activation_price=activation_price,
        stp=fields.stp(body),
    )
    order = _accepted(venue.exchange.modify(account, request, venue.now_us()))
    return listed(order, venue.spec(order.market))


def cancel(venue: Venue, account: str, body: Body) -> Any:
    """POST order/cancel."""
    market, order_id, client_id = fields.one_order(body)
    request = CancelOrder(market=market, order_id=order_id, client_order_id=client_id)
    order = _accepted(venue.exchange.cancel(account, request, venue.now_us()))
    return listed(order, venue.spec(order.market))


def cancel_bulk(venue: Venue, account: str, body: Body) -> Any:
    """POST order/cancel/bulk: item by item, never stopping early (5.5)."""
    orders = body.get("orders")
    if not isinstance(orders, list):
        raise refuse(VALIDATION, {"orders": ["validation.required"]})
    if not 1 <= len(orders) <= CANCEL_BULK_MAX:
        raise refuse(VALIDATION, {"orders": ["validation.between"]})
    requests = [_bulk_cancel(venue, item) for item in orders]
    results = venue.exchange.cancel_bulk(account, requests, venue.now_us())
    return [
        {"result": None, "error": error_body(result)}
        if isinstance(result, Reject)
        else {"result": cancelled(result), "error": None}
        for result in results
    ]


def _bulk_cancel(venue: Venue, item: Any) -> CancelOrder | Reject:
    if not isinstance(item, dict):
        return rejects.BULK_FORMAT
    market, order_id = item.get("market"), item.get("orderId")
    client_id = item.get("clientOrderId") or None
    if market is None:
        return rejects.BULK_MARKET_MISSING
    if not isinstance(market, str) or market not in venue.exchange.markets:
        return rejects.BULK_MARKET_UNKNOWN
    if order_id is None and client_id is None:
        return rejects.BULK_NO_ID
    if order_id is not None and client_id is not None:
        return rejects.BULK_BOTH_IDS
    try:
        order_id = fields.optional_order_id(item)
        client_id = fields.client_order_id(item) or None
    except ApiError as error:
        return error.reject
    return CancelOrder(market=market, order_id=order_id, client_order_id=client_id)


def cancel_all(venue: Venue, account: str, body: Body) -> Any:
    """POST order/cancel/all; one-way accounts have no position side but `both`."""
    market = fields.optional_market(body)
    types = fields.types(body, "type")
    side = _lower_position_side(venue, market, body)
    result = venue.exchange.cancel_all(account, market, types, venue.now_us(), side)
    if isinstance(result, Reject):
        raise ApiError(result)
    return []


def _lower_position_side(venue: Venue, market: str | None, body: Body) -> PositionSide | None:
    """The lowercase `positionSide`, which needs a perpetual market (5.5)."""
    value = body.get("positionSide")
    if value is None:
        return None
    sides = {side.value.lower(): side for side in PositionSide}
    if not isinstance(value, str) or value not in sides:
        raise refuse(VALIDATION, {"positionSide": ["The selected positionSide is invalid."]})
    known = venue.exchange.markets.get(market or "")
    if market is None or (known is not None and not known.spec.is_perpetual):
        text = "Position side is available for futures markets only."
        raise refuse(VALIDATION, {"positionSide": [text]})
    return sides[value]


def set_kill_switch(venue: Venue, account: str, body: Body) -> Any:
    """POST order/kill-switch; a null timeout deletes the timer, an absent one is refused."""
    missing = {}
    if body.get("market") is None:
        missing["market"] = ["Market field is required."]
    if "timeout" not in body:
        missing["timeout"] = ["Timeout field is required."]
    if missing:
        raise refuse(VALIDATION, missing)
    market = fields.market(body)
    timeout_s = _timeout(body["timeout"])
    types = fields.types(body, "types")
    result = venue.exchange.set_kill_switch(account, market, timeout_s, types, venue.now_us())
    if isinstance(result, Reject):
        raise ApiError(result)
    return [] if result is None else kill_switch(result)


def _timeout(value: Any) -> int | None:
    # Clients that cannot write a null into a text field send its name [C].
    if value is None or value == "null":
        return None
    if not isinstance(value, str):
        raise refuse(VALIDATION, {"timeout": ["Timeout field should be a string."]})
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise refuse(VALIDATION, {"timeout": ["Timeout field should be an integer."]})
    if int(value) < TIMEOUT_MIN_S:
        raise refuse(VALIDATION, {"timeout": [f"Timeout should be at least {TIMEOUT_MIN_S}."]})
    if int(value) > TIMEOUT_MAX_S:
        raise refuse(VALIDATION, {"timeout": [f"Timeout should be at most {TIMEOUT_MAX_S}."]})
    return int(value)


def kill_switch_status(venue: Venue, account: str, body: Body) -> Any:
    """POST order/kill-switch/status."""
    market = fields.optional_market(body)
    if market is not None and market not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available."]})
    return [kill_switch(timer) for timer in venue.exchange.kill_switches(account, market)]
