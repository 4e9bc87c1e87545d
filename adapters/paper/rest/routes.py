"""Routes of the REST surface: from one HTTP request to one HTTP response, without awaiting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from adapters.paper.auth import AuthRefusal, Signed, permission_of
from adapters.paper.core.model import OrderType
from adapters.paper.http import OVER_LIMIT, Request, Response
from adapters.paper.rest import account as rest_account
from adapters.paper.rest import collateral as rest_collateral
from adapters.paper.rest import conditional as rest_conditional
from adapters.paper.rest import history as rest_history
from adapters.paper.rest import old as rest_old
from adapters.paper.rest import positions as rest_positions
from adapters.paper.rest import public as rest_public
from adapters.paper.rest import trade as rest_trade
from adapters.paper.rest.fields import Body
from adapters.paper.rest.public import PublicError, Query
from adapters.paper.rest.refusals import ApiError, error_body
from adapters.paper.rest.trade import placing
from adapters.paper.venue import Venue
from adapters.paper.wire import encode

PrivateHandler = Callable[[Venue, str, Body], Any]
PRIVATE: dict[str, PrivateHandler] = {
    "/api/v4/profile/websocket_token": rest_account.websocket_token,
    "/api/v4/market/fee": rest_account.market_fee,
    "/api/v4/orders": rest_account.orders,
    "/api/v4/trade-account/executed-history": rest_history.executed_history,
    "/api/v4/trade-account/order": rest_history.order_deals,
    "/api/v4/trade-account/order/history": rest_history.order_history,
    "/api/v4/trade-account/order/history/query": rest_history.delisting_history,
    "/api/v4/trade-account/balance": rest_account.spot_balances,
    "/api/v4/collateral-account/balance": rest_account.collateral_balance,
    "/api/v4/collateral-account/balance-summary": rest_account.collateral_summary,
    "/api/v4/collateral-account/positions/open": rest_account.positions,
    "/api/v4/collateral-account/leverage": rest_collateral.leverage,
    "/api/v4/collateral-account/hedge-mode": rest_collateral.hedge_mode,
    "/api/v4/collateral-account/hedge-mode/update": rest_collateral.update_hedge_mode,
    "/api/v4/collateral-account/funding-history": rest_collateral.funding_history,
    "/api/v4/collateral-account/positions/history": rest_positions.history,
    "/api/v4/collateral-account/positions/closed-pnl": rest_positions.closed_pnl,
    "/api/v4/collateral-account/adl-quantile": rest_positions.adl_quantile,
    "/api/v4/collateral-account/summary": rest_collateral.summary,
    "/api/v4/collateral-account/position/close": rest_collateral.close,
    "/api/v4/order/new": placing(OrderType.LIMIT, collateral=False),
    "/api/v4/order/market": placing(OrderType.MARKET, collateral=False),
    "/api/v4/order/stock_market": placing(OrderType.STOCK_MARKET, collateral=False),
    "/api/v4/order/stop_limit": placing(OrderType.STOP_LIMIT, collateral=False),
    "/api/v4/order/stop_market": placing(OrderType.STOP_MARKET, collateral=False),
    "/api/v4/order/bulk": rest_trade.bulk,
    "/api/v4/order/modify": rest_trade.modify,
    "/api/v4/order/cancel": rest_trade.cancel,
    "/api/v4/order/cancel/bulk": rest_trade.cancel_bulk,
    "/api/v4/order/cancel/all": rest_trade.cancel_all,
    "/api/v4/order/kill-switch": rest_trade.set_kill_switch,
    "/api/v4/order/kill-switch/status": rest_trade.kill_switch_status,
    "/api/v4/order/collateral/limit": placing(OrderType.LIMIT, collateral=True),
    "/api/v4/order/collateral/market": placing(OrderType.MARKET, collateral=True),
    "/api/v4/order/collateral/stop-limit": placing(OrderType.STOP_LIMIT, collateral=True),
    "/api/v4/order/collateral/trigger-market": placing(OrderType.STOP_MARKET, collateral=True),
    "/api/v4/order/collateral/bulk": rest_trade.collateral_bulk,
    "/api/v4/order/collateral/oco": rest_conditional.place_oco,
    "/api/v4/oco-orders": rest_conditional.oco_orders,
    "/api/v4/conditional-orders": rest_conditional.conditional_orders,
    "/api/v4/order/oco-cancel": rest_conditional.cancel_oco,
    "/api/v4/order/oto-cancel": rest_conditional.cancel_oto,
    "/api/v4/order/conditional-cancel": rest_conditional.cancel_conditional,
}
PUBLIC: dict[str, Callable[[Venue, Query], Any]] = {
    "/api/v4/public/ping": rest_public.ping,
    "/api/v4/public/time": rest_public.time,
    "/api/v4/public/platform/status": rest_public.platform_status,
    "/api/v4/public/markets": rest_public.markets,
    "/api/v4/public/ticker": rest_public.ticker,
    "/api/v4/public/assets": rest_public.assets,
    "/api/v4/public/fee": rest_public.fee,
    "/api/v4/public/futures": rest_public.futures,
    "/api/v4/public/collateral/markets": rest_public.collateral_markets,
    **rest_old.PATHS,
}
# The market is the rest of the path.
PUBLIC_MARKET: dict[str, Callable[[Venue, str, Query], Any]] = {
    "/api/v4/public/orderbook/": rest_public.orderbook,
    "/api/v4/public/orderbook/depth/": rest_public.orderbook_depth,
    "/api/v4/public/trades/": rest_public.trades,
    "/api/v4/public/funding-history/": rest_public.funding_history,
    **rest_old.MARKET_PATHS,
}
NOT_FOUND = Response(404)
WRONG_METHOD = Response(405)


def respond(venue: Venue, address: str, request: Request) -> Response:
    """Answer one request from a client at `address`."""
    handler = PRIVATE.get(request.path)
    if handler is not None:
        if request.method != "POST":
            return WRONG_METHOD
        return _private(venue, address, request, handler)
    endpoint = _public_endpoint(request.path)
    if endpoint is None:
        return NOT_FOUND
    if request.method != "GET":
        return WRONG_METHOD
    return _public(venue, address, request, endpoint)


def _private(venue: Venue, address: str, request: Request, handler: PrivateHandler) -> Response:
    venue.bodies.add(request.path, request.body)
    now_ns = venue.clock.now_ns()
    try:
        signed = venue.authenticator.check(
            request.headers, request.body, request.path, now_ns, address
        )
        if not venue.limiter.allow(address, request.path, venue.clock.steady_ns()):
            return OVER_LIMIT
        if venue.faults is not None:
            signed = Signed(signed.account, venue.faults.unopened(request.path, signed.body))
    except AuthRefusal as refusal:
        return Response(refusal.status, encode(refusal.body))
    except ApiError as error:
        return Response(error.reject.http, encode(error_body(error.reject)))
    account, path, body = signed.account, request.path, signed.body
    if venue.state is None or permission_of(path) == "read":
        return _perform(venue, account, body, handler)
    again = partial(_perform, venue, account, body, handler)
    return venue.state.ask(venue, account, path, body, again)


def perform(venue: Venue, account: str, path: str, body: Body) -> Response:
    """Answer a private request that was accepted once, see `state.py`."""
    return _perform(venue, account, body, PRIVATE[path])


def _perform(venue: Venue, account: str, body: Body, handler: PrivateHandler) -> Response:
    try:
        return Response(200, encode(_act(venue, account, body, handler)))
    except ApiError as error:
        return Response(error.reject.http, encode(error_body(error.reject)))


def _act(venue: Venue, account: str, body: Body, handler: PrivateHandler) -> Any:
    venue.catch_up()
    try:
        return handler(venue, account, body)
    finally:
        # A refused request changed nothing, but the background may have acted before it.
        venue.publish()


def _public_endpoint(path: str) -> str | None:
    if path in PUBLIC:
        return path
    for prefix in PUBLIC_MARKET:
        if path.startswith(prefix) and "/" not in path[len(prefix) :]:
            return prefix
    return None


def _public(venue: Venue, address: str, request: Request, endpoint: str) -> Response:
    now_ns = venue.clock.steady_ns()
    if not venue.limiter.allow(address, endpoint, now_ns):
        return OVER_LIMIT
    make = partial(_public_answer, venue, request, endpoint)
    if not venue.config.public_cache:
        return make()
    return venue.public_cache.answer(request.path, request.query, now_ns, make)


def _public_answer(venue: Venue, request: Request, endpoint: str) -> Response:
    query = dict(parse_qsl(request.query))
    try:
        if endpoint in PUBLIC:
            return Response(200, encode(PUBLIC[endpoint](venue, query)))
        market = request.path[len(endpoint) :]
        return Response(200, encode(PUBLIC_MARKET[endpoint](venue, market, query)))
    except PublicError as error:
        return Response(error.status, encode(error.body))
