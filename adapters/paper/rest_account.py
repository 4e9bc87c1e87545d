"""Private REST handlers that only read (contract 5.7, 5.8, 5.9, 6.5, 6.6, 7)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from adapters.paper import fields, rest_objects
from adapters.paper.fields import Body
from adapters.paper.model import US_PER_S, Deal
from adapters.paper.refusals import MARKET, VALIDATION, refuse
from adapters.paper.venue import Venue
from adapters.paper.wire import units_number
from adapters.paper.ws_objects import spot_balance

DATE_MAX_S = 1 << 40


def websocket_token(venue: Venue, account: str, body: Body) -> Any:
    """POST profile/websocket_token (7)."""
    return {"websocket_token": venue.tokens.issue(account, venue.clock.now_ns())}


def market_fee(venue: Venue, account: str, body: Body) -> Any:
    """POST market/fee (7): percent, the pairs of the first market of a kind and own exceptions."""
    exchange = venue.exchange
    spec = next(a for a in venue.config.exchange.accounts if a.name == account)
    pairs: dict[bool, tuple[str, str]] = {}
    custom: dict[str, dict[str, str]] = {}
    for name, market in exchange.markets.items():
        maker, taker, _ = exchange.fee_rates(account, name)
        pair = (rest_objects.percent(maker), rest_objects.percent(taker))
        if name in spec.fees or pairs.setdefault(market.spec.is_perpetual, pair) != pair:
            custom[name] = {"taker": pair[1], "maker": pair[0]}
    spot, futures = pairs.get(False, ("0", "0")), pairs.get(True, ("0", "0"))
    return {
        "error": None,
        "taker": spot[1],
        "maker": spot[0],
        "futures_taker": futures[1],
        "futures_maker": futures[0],
        "rpi_maker_fee_premium": rest_objects.ratio_percent(spec.rpi_maker_premium),
        "futures_rpi_maker_fee_premium": rest_objects.ratio_percent(spec.futures_rpi_maker_premium),
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


def executed_history(venue: Venue, account: str, body: Body) -> Any:
    """POST trade-account/executed-history (5.8): a list with `market`, else a map by market."""
    market = fields.optional_market(body)
    client_id = fields.client_order_id(body)
    limit, offset = fields.paging(body, 50, 500)
    start_s = fields.integer(body, "startDate", 0, DATE_MAX_S)
    end_s = fields.integer(body, "endDate", 0, DATE_MAX_S)
    if market is not None and market not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available."]})
    if client_id and not _client_id_known(venue, account, client_id, market):
        raise refuse(VALIDATION, {"orderHistory": ["OrderHistory was not found."]})
    matching = _matching(venue, account, market, client_id, start_s, end_s)
    page = list(islice(matching, offset, offset + limit))
    if market is not None:
        return [rest_objects.deal(fill, venue.spec(market)) for fill in page]
    by_market: dict[str, list[Any]] = {}
    for fill in page:
        shown = rest_objects.deal(fill, venue.spec(fill.market))
        by_market.setdefault(fill.market, []).append(shown)
    return by_market


def _client_id_known(venue: Venue, account: str, client_id: str, market: str | None) -> bool:
    exchange = venue.exchange
    if any(o.client_order_id == client_id for o in exchange.open_orders(account, market)):
        return True
    return any(
        order.client_order_id == client_id and (market is None or order.market == market)
        for order in exchange.finished_orders(account)
    )


def _matching(
    venue: Venue,
    account: str,
    market: str | None,
    client_id: str,
    start_s: int | None,
    end_s: int | None,
) -> Iterator[Deal]:
    for fill in venue.exchange.deals(account):
        if market is not None and fill.market != market:
            continue
        if client_id and fill.client_order_id != client_id:
            continue
        if start_s is not None and fill.time_us < start_s * US_PER_S:
            return  # Newest first: everything after it is older still.
        if end_s is None or fill.time_us // US_PER_S <= end_s:
            yield fill


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
    wanted = _collateral_tickers(venue, account, body)
    balances = venue.exchange.collateral(account)
    return {asset: units_number(balances[asset].balance) for asset in wanted}


def collateral_summary(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/balance-summary (6.6)."""
    wanted = _collateral_tickers(venue, account, body)
    balances = venue.exchange.collateral(account)
    return [rest_objects.balance_summary(balances[asset]) for asset in wanted]


def _collateral_tickers(venue: Venue, account: str, body: Body) -> list[str]:
    ticker = body.get("ticker")
    known = list(venue.exchange.collateral(account))
    if ticker is None:
        return known
    if not isinstance(ticker, str) or ticker not in known:
        raise refuse(VALIDATION, {"ticker": ["ticker is invalid."]})
    return [ticker]


def positions(venue: Venue, account: str, body: Body) -> Any:
    """POST collateral-account/positions/open (6.5)."""
    market = fields.optional_market(body)
    if market is not None and market not in venue.exchange.markets:
        raise refuse(MARKET, {"market": ["Market is not available."]})
    held = venue.exchange.positions(account, market)
    return [rest_objects.position(position, venue.spec(position.market)) for position in held]
