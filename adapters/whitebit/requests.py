"""Encode one intent into one REST request; pure, so that replay can compare the bytes.

A body is compact JSON in a fixed order of members: those of the intent in the order written here,
then `"request"`, `"nonce"`, `"nonceWindow":true` (contract section 2). It is built by formatting,
since names and ids hold no character that JSON escapes, which is asserted for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from adapters.whitebit.signing import TOKEN_PATH
from engine.errors import LocalProtocolError
from engine.intents import (
    ArmKillSwitch,
    CancelAll,
    CancelOrder,
    DisarmKillSwitch,
    Intent,
    ModifyOrder,
    NewOrder,
    PlaceOrders,
    QueryFees,
    QueryFills,
    QueryFunding,
    QueryKillSwitch,
    QueryMarginBalances,
    QueryMarkets,
    QueryOpenOrders,
    QueryPositions,
    QuerySpotBalances,
    QueryTime,
)
from engine.types import BOTH, LONG, SHORT, Market, PositionSide, Product, Side, Stp

PAGE_LIMIT = 100
"""Items asked for a page: the most that `/orders` gives (5.7), taken for deals too."""

_BULK_MAX = 20
_TIMEOUT_S_MIN = 5
_TIMEOUT_S_MAX = 600


class Request(msgspec.Struct, frozen=True, gc=False):
    """What is put on the wire, but for host and headers; a GET has no body and no signature."""

    method: str
    path: str
    body: bytes


_SIDES: Mapping[Side, str] = {Side.BUY: "buy", Side.SELL: "sell"}
# (post_only, rpi) -> members; rpi says it all, and the venue refuses both together (5.1).
_FLAGS: Mapping[tuple[bool, bool], str] = {
    (False, False): "",
    (True, False): ',"postOnly":true',
    (False, True): ',"rpi":true',
    (True, True): ',"rpi":true',
}
_POSITION_SIDES: Mapping[PositionSide, str] = {
    LONG: ',"positionSide":"LONG"',
    SHORT: ',"positionSide":"SHORT"',
}
_STP: Mapping[Stp, str] = {stp: f',"stp":"{stp.value}"' for stp in Stp}
_POWERS: tuple[int, ...] = tuple([10**exponent for exponent in range(19)])
_KILL_SWITCH_TYPES: Mapping[Product, str] = {
    Product.SPOT: '["spot"]',
    Product.PERPETUAL: '["futures"]',
    Product.MARGIN: '["margin"]',
}


def encode(intent: Intent, market: Market | None, nonce: int) -> Request:
    """Return the request of a REST intent.

    Args:
        intent: What to do.
        market: The market it names; None for an intent without a market.
        nonce: Milliseconds, drawn for this request alone; unused by a GET.

    Raises:
        LocalProtocolError: if the intent breaks a rule that the planner guarantees, or is one for
            a stream.
    """
    encoder = ENCODERS.get(type(intent))
    if encoder is None:
        raise LocalProtocolError(f"expected a REST intent, found {type(intent).__name__}")
    return encoder(intent, market, nonce)


def encode_token(nonce: int) -> Request:
    """Return the request for a WebSocket token; neither it nor its answer is journaled."""
    return _post(TOKEN_PATH, "", nonce)


def encode_hedge_mode(nonce: int) -> Request:
    """Return the question for the account's position mode (6.6), asked before a run starts."""
    return _post("/api/v4/collateral-account/hedge-mode", "", nonce)


def encode_cancel_id(market: str, order_id: int, nonce: int) -> Request:
    """Return the request that cancels any order of the account, by the venue's own id (5.5)."""
    members = f'"market":"{_name(market)}","orderId":{order_id},'
    return _post("/api/v4/order/cancel", members, nonce)


def _post(path: str, members: str, nonce: int) -> Request:
    body = f'{{{members}"request":"{path}","nonce":{nonce},"nonceWindow":true}}'
    return Request("POST", path, body.encode("ascii"))


def _known(market: Market | None, name: str) -> Market:
    if market is None or market.name != name:
        raise LocalProtocolError(f"expected the market {name!r} to encode for, found {market}")
    return market


@lru_cache(maxsize=64)
def _name(name: str) -> str:
    if name.isascii() and name.replace("_", "").isalnum():
        return name
    raise LocalProtocolError(f"expected a market name, found {name!r}")


@lru_cache(maxsize=1024)
def _client_id(text: str) -> str:
    # The set of contract 10.6 without dots and underscores, which one error text forbids (G-9).
    if text.isascii() and text.replace("-", "").isalnum():
        return text
    raise LocalProtocolError(f"expected a client order id of letters and digits, found {text!r}")


# Sizes repeat and prices do not, so only sizes are remembered.
@lru_cache(maxsize=1024)
def _amount(units: int, decimals: int) -> str:
    return _decimal(units, decimals)


def _decimal(units: int, decimals: int) -> str:
    # What money.format_units writes, for positive units, in two thirds of its time.
    scale = _POWERS[decimals]
    part = units % scale
    if part:
        return f"{units // scale}.{str(scale + part)[1:]}".rstrip("0")
    return str(units // scale)


def _order(order: NewOrder, market: str, prices: int, lots: int, stp: bool) -> str:
    # `market` is the member that names it; `prices` and `lots` are decimals.
    flags = _FLAGS[order.post_only, order.rpi]
    if order.price <= 0 or order.qty <= 0:
        raise LocalProtocolError(f"expected price and qty > 0, found {order.price}, {order.qty}")
    if stp:
        flags = flags + _STP[order.stp]
    if order.ioc:
        if order.post_only or order.rpi:
            raise LocalProtocolError("expected an ioc order without post-only and rpi")
        flags += ',"ioc":true'
    if order.reduce_only:
        flags += ',"reduceOnly":true'
    if order.position_side is not BOTH:
        # Left out of a one-way account's orders (G-17).
        flags += _POSITION_SIDES[order.position_side]
    return (
        f'{market},"side":"{_SIDES[order.side]}",'
        f'"amount":"{_amount(order.qty, lots)}","price":"{_decimal(order.price, prices)}",'
        f'"clientOrderId":"{_client_id(order.client_order_id)}"{flags}'
    )


def _place(intent: PlaceOrders, market: Market | None, nonce: int) -> Request:
    market = _known(market, intent.market)
    orders = intent.orders
    member = f'"market":"{_name(intent.market)}"'
    prices, lots = market.price_decimals, market.qty_decimals
    spot = market.product is Product.SPOT
    if len(orders) == 1:
        path = "/api/v4/order/new" if spot else "/api/v4/order/collateral/limit"
        return _post(path, _order(orders[0], member, prices, lots, True) + ",", nonce)
    if not 1 <= len(orders) <= _BULK_MAX:
        raise LocalProtocolError(f"expected 1 to {_BULK_MAX} orders, found {len(orders)}")
    if spot:
        path = "/api/v4/order/bulk"
    else:
        path = "/api/v4/order/collateral/bulk"
        # It has no documented stp (G-16), so an order that may take must go alone.
        if not all(order.post_only or order.rpi for order in orders):
            raise LocalProtocolError("expected only post-only or rpi orders in a collateral bulk")
    items = "},{".join([_order(order, member, prices, lots, spot) for order in orders])
    return _post(path, f'"orders":[{{{items}}}],', nonce)


def _modify(intent: ModifyOrder, market: Market | None, nonce: int) -> Request:
    market, price, qty = _known(market, intent.market), intent.price, intent.qty
    if price <= 0 or qty <= 0:
        raise LocalProtocolError(f"expected price and qty > 0, found {price}, {qty}")
    # Always with stp: its documented default on a modify is "no" (10.5).
    return _post(
        "/api/v4/order/modify",
        f'"market":"{_name(intent.market)}","clientOrderId":"{_client_id(intent.client_order_id)}",'
        f'"amount":"{_amount(qty, market.qty_decimals)}",'
        f'"price":"{_decimal(price, market.price_decimals)}"{_STP[intent.stp]},',
        nonce,
    )


def _cancel(intent: CancelOrder, _market: Market | None, nonce: int) -> Request:
    client_id = _client_id(intent.client_order_id)
    members = f'"market":"{_name(intent.market)}","clientOrderId":"{client_id}",'
    return _post("/api/v4/order/cancel", members, nonce)


def _cancel_all(intent: CancelAll, _market: Market | None, nonce: int) -> Request:
    return _post("/api/v4/order/cancel/all", f'"market":"{_name(intent.market)}",', nonce)


def _arm(intent: ArmKillSwitch, market: Market | None, nonce: int) -> Request:
    market = _known(market, intent.market)
    if not _TIMEOUT_S_MIN <= intent.timeout_s <= _TIMEOUT_S_MAX:
        raise LocalProtocolError(
            f"expected a timeout of {_TIMEOUT_S_MIN} to {_TIMEOUT_S_MAX} s, "
            f"found {intent.timeout_s}"
        )
    # A string: the venue refuses an integer (5.6).
    members = (
        f'"market":"{_name(intent.market)}","timeout":"{intent.timeout_s}",'
        f'"types":{_KILL_SWITCH_TYPES[market.product]},'
    )
    return _post("/api/v4/order/kill-switch", members, nonce)


def _disarm(intent: DisarmKillSwitch, _market: Market | None, nonce: int) -> Request:
    members = f'"market":"{_name(intent.market)}","timeout":null,'
    return _post("/api/v4/order/kill-switch", members, nonce)


def _open_orders(intent: QueryOpenOrders, _market: Market | None, nonce: int) -> Request:
    return _post("/api/v4/orders", _page(intent.market, intent.offset), nonce)


def _fills(intent: QueryFills, _market: Market | None, nonce: int) -> Request:
    members = _page(intent.market, intent.offset)
    return _post("/api/v4/trade-account/executed-history", members, nonce)


def _spot_balances(_intent: QuerySpotBalances, _market: Market | None, nonce: int) -> Request:
    return _post("/api/v4/trade-account/balance", "", nonce)


def _margin_balances(_intent: QueryMarginBalances, _market: Market | None, nonce: int) -> Request:
    return _post("/api/v4/collateral-account/balance-summary", "", nonce)


def _positions(intent: QueryPositions, _market: Market | None, nonce: int) -> Request:
    path = "/api/v4/collateral-account/positions/open"
    return _post(path, _optional_market(intent.market), nonce)


def _fees(_intent: QueryFees, _market: Market | None, nonce: int) -> Request:
    # The documented market parameter is ignored, all fees return (section 7).
    return _post("/api/v4/market/fee", "", nonce)


def _funding(intent: QueryFunding, _market: Market | None, nonce: int) -> Request:
    members = _page(intent.market, intent.offset)
    return _post("/api/v4/collateral-account/funding-history", members, nonce)


def _kill_switches(intent: QueryKillSwitch, _market: Market | None, nonce: int) -> Request:
    return _post("/api/v4/order/kill-switch/status", _optional_market(intent.market), nonce)


def _time(_intent: QueryTime, _market: Market | None, _nonce: int) -> Request:
    return Request("GET", "/api/v4/public/time", b"")


def _markets(_intent: QueryMarkets, _market: Market | None, _nonce: int) -> Request:
    return Request("GET", "/api/v4/public/markets", b"")


def _page(market: str, offset: int) -> str:
    return f'"market":"{_name(market)}","limit":{PAGE_LIMIT},"offset":{offset},'


def _optional_market(market: str) -> str:
    return f'"market":"{_name(market)}",' if market else ""


ENCODERS: Mapping[type, Callable[[Any, Market | None, int], Request]] = {
    PlaceOrders: _place,
    ModifyOrder: _modify,
    CancelOrder: _cancel,
    CancelAll: _cancel_all,
    ArmKillSwitch: _arm,
    DisarmKillSwitch: _disarm,
    QueryOpenOrders: _open_orders,
    QueryFills: _fills,
    QuerySpotBalances: _spot_balances,
    QueryMarginBalances: _margin_balances,
    QueryPositions: _positions,
    QueryFees: _fees,
    QueryFunding: _funding,
    QueryKillSwitch: _kill_switches,
    QueryTime: _time,
    QueryMarkets: _markets,
}
"""How each REST intent becomes a request; `encode` says what goes in."""
