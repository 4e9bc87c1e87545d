"""Private REST handlers of OCO pairs and OTO orders (contract 6.3, 6.4)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core import order_texts
from adapters.paper.core.conditionals import Pair
from adapters.paper.core.model import (
    RATE_DECIMALS,
    MarketSpec,
    NewOco,
    Order,
    Reject,
    scaled_text,
)
from adapters.paper.rest import fields
from adapters.paper.rest import objects as rest_objects
from adapters.paper.rest.fields import Body
from adapters.paper.rest.refusals import MARKET, ApiError, refuse
from adapters.paper.venue import Venue
from adapters.paper.wire import seconds

# How a leg's fields are called: listings of pairs are snake_case, the common one is camelCase.
_CAMEL = {
    "post_only": "postOnly",
    "activation_price": "activationPrice",
    "activation_condition": "activationCondition",
}


def place_oco(venue: Venue, account: str, body: Body) -> Any:
    """POST order/collateral/oco."""
    prices = ("price", "activation_price", "stop_limit_price")
    fields.require(body, "market", "side", "amount", *prices)
    request = NewOco(
        market=fields.market(body),
        side=fields.side(body),
        amount=fields.numeric(body, "amount"),
        price=fields.numeric(body, "price"),
        activation_price=fields.numeric(body, "activation_price"),
        stop_limit_price=fields.numeric(body, "stop_limit_price"),
        client_order_id=fields.client_order_id(body),
        reduce_only=fields.flag(body, "reduceOnly"),
        position_side=fields.position_side(body),
        stp=fields.stp(body),
    )
    pair = venue.exchange.place_oco(account, request, venue.now_us())
    if isinstance(pair, Reject):
        raise ApiError(pair)
    maker, taker, _ = venue.exchange.fee_rates(account, request.market)
    fees = {
        "takerFee": scaled_text(taker, RATE_DECIMALS),
        "makerFee": scaled_text(maker, RATE_DECIMALS),
    }
    spec = venue.spec(request.market)
    return {
        "id": pair.oco_id,
        "reduceOnly": pair.stop_loss.reduce_only,
        "stop_loss": {**_created(pair.stop_loss, spec), **fees},
        "take_profit": {**_created(pair.take_profit, spec), **fees},
    }


def _created(leg: Order, spec: MarketSpec) -> dict[str, Any]:
    """A leg in the answer of a create: without `reduceOnly`, and no `margin` in its type."""
    shown = _leg(leg, spec)
    shown["type"] = leg.type.wire_name
    del shown["reduceOnly"]
    return shown


def _leg(leg: Order, spec: MarketSpec) -> dict[str, Any]:
    """A leg in the listing of pairs and in the answer of a cancel."""
    shown = rest_objects.listed(leg, spec)
    for name in ("ioc", "rpi", "postOnly", "activationCondition"):
        shown.pop(name, None)
    shown["type"] = f"margin {leg.type.wire_name}"
    shown["post_only"] = leg.post_only
    shown["mtime"] = seconds(leg.mtime_us)
    if leg.trigger_ticks:
        shown["activation_condition"] = order_texts.condition(leg)
    return shown


def _camel_leg(leg: Order, spec: MarketSpec) -> dict[str, Any]:
    """A leg in the listing of all conditional orders."""
    shown = {_CAMEL.get(name, name): value for name, value in _leg(leg, spec).items()}
    shown.pop("feeAsset", None)
    return shown


def oco_orders(venue: Venue, account: str, body: Body) -> Any:
    """POST oco-orders."""
    market = _known_market(venue, body)
    limit, offset = fields.paging(body, 50, 100)
    pairs = venue.exchange.oco_pairs(account, market)[offset : offset + limit]
    return [_pair(venue, pair) for pair in pairs]


def _pair(venue: Venue, pair: Pair) -> dict[str, Any]:
    spec = venue.spec(pair.stop_loss.market)
    return {
        "id": pair.oco_id,
        "stop_loss": _leg(pair.stop_loss, spec),
        "take_profit": _leg(pair.take_profit, spec),
    }


def conditional_orders(venue: Venue, account: str, body: Body) -> Any:
    """POST conditional-orders: pairs and OTO orders together, newest first [C]."""
    market = _known_market(venue, body)
    limit, offset = fields.paging(body, 100, 100)
    found = {
        pair.oco_id: _oco_record(venue, pair) for pair in venue.exchange.oco_pairs(account, market)
    }
    for order in venue.exchange.oto_orders(account, market):
        record = _oto_record(order, venue.spec(order.market))
        found[record["id"]] = record
    records = [found[group_id] for group_id in sorted(found, reverse=True)]
    page = records[offset : offset + limit]
    return {"limit": limit, "offset": offset, "total": len(records), "records": page}


def _oco_record(venue: Venue, pair: Pair) -> dict[str, Any]:
    spec = venue.spec(pair.stop_loss.market)
    return {
        "id": pair.oco_id,
        "type": "oco",
        "stopLoss": _camel_leg(pair.stop_loss, spec),
        "takeProfit": _camel_leg(pair.take_profit, spec),
    }


def _oto_record(order: Order, spec: MarketSpec) -> dict[str, Any]:
    oto = order_texts.oto(order, spec)
    assert oto is not None, f"order {order.order_id} is no OTO"
    record = {"id": oto["otoId"], "type": "oto"}
    for kind in ("stopLoss", "takeProfit"):
        if kind in oto:
            record[f"{kind}Price"] = oto[kind]
    record["conditionalOrder"] = rest_objects.listed(order, spec)
    return record


def cancel_oco(venue: Venue, account: str, body: Body) -> Any:
    """POST order/oco-cancel, where `orderId` is the pair's id."""
    market, oco_id, client_id = fields.one_order(body)
    result = venue.exchange.cancel_oco(account, market, oco_id, client_id, venue.now_us())
    if isinstance(result, Reject):
        raise ApiError(result)
    return _pair(venue, result)


def cancel_oto(venue: Venue, account: str, body: Body) -> Any:
    """POST order/oto-cancel."""
    fields.require(body, "market", "otoId")
    oto_id = fields.required_id(body, "otoId")
    result = venue.exchange.cancel_oto(account, fields.market(body), oto_id, venue.now_us())
    if isinstance(result, Reject):
        raise ApiError(result)
    return []


def cancel_conditional(venue: Venue, account: str, body: Body) -> Any:
    """POST order/conditional-cancel."""
    fields.require(body, "market", "id")
    group_id = fields.required_id(body, "id")
    market = fields.market(body)
    refused = venue.exchange.cancel_conditional(account, market, group_id, venue.now_us())
    if refused is not None:
        raise ApiError(refused)
    return []


def _known_market(venue: Venue, body: Body) -> str | None:
    market = fields.optional_market(body)
    if market is not None and market not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available."]})
    return market
