"""Private REST handlers that only read (contract 5.7, 5.9, 6.5, 6.6, 7)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core.model import CollateralBalance
from adapters.paper.rest import fields
from adapters.paper.rest import objects as rest_objects
from adapters.paper.rest.fields import Body
from adapters.paper.rest.refusals import MARKET, VALIDATION, refuse
from adapters.paper.venue import Venue
from adapters.paper.wire import units_number
from adapters.paper.ws.objects import spot_balance


def websocket_token(venue: Venue, account: str, body: Body) -> Any:
    """POST profile/websocket_token (7)."""
    return {"websocket_token": venue.tokens.issue(account, venue.clock.steady_ns())}


def market_fee(venue: Venue, account: str, body: Body) -> Any:
    """POST market/fee (7), in percent; `market` is ignored, all fees are told.

    The default pair of a kind is that of its first market [C]; whatever this account pays
    differently on a market is its `custom_fee`, so an entry there always decides.
    """
    exchange = venue.exchange
    spec = exchange.accounts[account].spec
    defaults: dict[bool, tuple[str, str]] = {}
    custom: dict[str, dict[str, str]] = {}
    for name, market in exchange.markets.items():
        usual = rest_objects.fee_pair(market.spec)
        default = defaults.setdefault(market.spec.is_perpetual, usual)
        maker, taker, _ = exchange.fee_rates(account, name)
        pair = (rest_objects.percent(maker), rest_objects.percent(taker))
        if name in spec.fees or pair != default:
            custom[name] = {"taker": pair[1], "maker": pair[0]}
    spot, futures = defaults.get(False, ("0", "0")), defaults.get(True, ("0", "0"))
    return {
        "error": None,
        "taker": spot[1],
        "maker": spot[0],
        "futures_taker": futures[1],
        "futures_maker": futures[0],
        "rpi_maker_fee_premium": rest_objects.premium(spec, spec.rpi_maker_premium),
        "futures_rpi_maker_fee_premium": rest_objects.premium(spec, spec.futures_rpi_maker_premium),
        "custom_fee": custom,
    }


def orders(venue: Venue, account: str, body: Body) -> Any:
    """POST orders (5.7); ids are looked for within a market only."""
    market = fields.optional_market(body)
    order_id, client_id = fields.optional_order_id(body), fields.client_order_id(body)
    limit, offset = fields.paging(body, 50, 100)
    if market is None and (order_id is not None or client_id):
        raise refuse(VALIDATION, {"market": ["Market field is required."]})
    if market is not None and market not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available"]})
    found = [
        order
        for order in venue.exchange.open_orders(account, market)
        if (order_id is None or order.order_id == order_id)
        and (not client_id or order.client_order_id == client_id)
    ]
    page = found[offset : offset + limit]
    return [rest_objects.listed(order, venue.spec(order.market)) for order in page]


def spot_balances(venue: Venue, account: str, body: Body) -> Any:
    """POST trade-account/balance (5.9); always a map by ticker (G-24)."""
    balances = venue.exchange.spot_balances(account)
    ticker = body.get("ticker")
    if ticker is None:
        return {
            asset: spot_balance(balance)
            for asset, balance in balances.items()
            if balance.available or balance.freeze
        }
    if not isinstance(ticker, str):
        raise refuse(VALIDATION, {"ticker": ["Ticker field should be a string."]})
    if ticker not in balances:
        raise refuse(VALIDATION, {"ticker": ["Currency was not found."]})
    return {ticker: spot_balance(balances[ticker])}


def collateral_balance(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/balance (6.6), the endpoint that answers JSON numbers."""
    held = _collateral(venue, account, body)
    return {balance.asset: units_number(balance.balance) for balance in held}


def collateral_summary(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/balance-summary (6.6)."""
    if body.get("ticker") is None:
        held = venue.exchange.collateral_balances(account)
    else:
        held = _collateral(venue, account, body)
    return [rest_objects.balance_summary(each) for each in held]


def _collateral(venue: Venue, account: str, body: Body) -> list[CollateralBalance]:
    ticker = body.get("ticker")
    if ticker is None:
        return list(venue.exchange.collateral(account).values())
    held = venue.exchange.collateral_in(account, ticker) if isinstance(ticker, str) else None
    if held is None:
        raise refuse(VALIDATION, {"ticker": ["ticker is invalid."]})
    return [held]


def positions(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/positions/open (6.5)."""
    market = fields.optional_market(body)
    if market is not None and market not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available."]})
    held = venue.exchange.positions(account, market)
    return [rest_objects.position(position, venue.spec(position.market)) for position in held]
