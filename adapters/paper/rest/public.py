"""Public REST handlers (contract 4); a handler takes the venue, the market and the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.paper.core.market import Levels, Market
from adapters.paper.core.model import US_PER_S, Side
from adapters.paper.data import objects as public_objects
from adapters.paper.data.depth import aggregate
from adapters.paper.rest import objects as rest_objects
from adapters.paper.rest.collateral import funding_event
from adapters.paper.venue import Venue
from adapters.paper.ws.objects import levels

ORDERBOOK_MAX = 100
# Aggregation levels multiply the tick by a power of ten, so that many are scanned at most.
LEVEL_MAX = 10
SCAN_MAX = 100_000
DEPTH_PERCENT = 2
FUNDING_MAX = 100
FUNDING_OFFSET_MAX = 1_000_000
DATE_MAX_S = 1 << 40

Query = Mapping[str, str]


class PublicError(Exception):
    """A refused public request with its status and body (3.1)."""

    def __init__(self, body: Mapping[str, Any], status: int = 422) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def refuse(field: str, message: str) -> PublicError:
    """Refuse as the market endpoints do: 422 with flat lists of texts per field."""
    return PublicError({field: [message]})


NO_MARKET = "Market is not available."


def ping(venue: Venue, query: Query) -> Any:
    return ["pong"]


def time(venue: Venue, query: Query) -> Any:
    return {"time": venue.now_us() // US_PER_S}


def platform_status(venue: Venue, query: Query) -> Any:
    return {"status": "system operational"}


def markets(venue: Venue, query: Query) -> Any:
    return [rest_objects.market(market.spec) for market in venue.exchange.markets.values()]


def ticker(venue: Venue, query: Query) -> Any:
    now_us = venue.now_us()
    return {
        name: public_objects.ticker(market, venue.statistics.day(market, now_us))
        for name, market in venue.exchange.markets.items()
    }


def assets(venue: Venue, query: Query) -> Any:
    """GET public/assets; what can only be known of a real wallet is left out, as allowed."""
    return {ticker: public_objects.asset(ticker, venue.exchange) for ticker in _assets(venue)}


def fee(venue: Venue, query: Query) -> Any:
    """GET public/fee: nothing can be deposited or withdrawn here."""
    return {ticker: public_objects.transfer_fee(ticker) for ticker in _assets(venue)}


def _assets(venue: Venue) -> list[str]:
    specs = [market.spec for market in venue.exchange.markets.values()]
    return sorted({asset for spec in specs for asset in (spec.base_asset, spec.quote_asset)})


def _wrapped(result: Any) -> Any:
    return {"success": True, "message": None, "result": result}


def _require_collateral(venue: Venue) -> None:
    if not venue.config.collateral_available:
        text = "Margin trading is not available in your country."
        raise PublicError({"success": False, "message": text, "errors": []}, 451)


def collateral_markets(venue: Venue, query: Query) -> Any:
    """GET public/collateral/markets: those whose record in public/markets says isCollateral."""
    _require_collateral(venue)
    return _wrapped([each["name"] for each in markets(venue, query) if each["isCollateral"]])


def futures(venue: Venue, query: Query) -> Any:
    """GET public/futures (4.2)."""
    _require_collateral(venue)
    now_us = venue.now_us()
    return _wrapped(
        [
            public_objects.future(
                market,
                venue.statistics.day(market, now_us),
                venue.exchange.perpetual(market.spec.name),
            )
            for market in venue.exchange.markets.values()
            if market.spec.is_perpetual
        ]
    )


def orderbook(venue: Venue, name: str, query: Query) -> Any:
    """GET public/orderbook/{market}; `level` n merges prices into 10^n ticks [C]."""
    market = known_market(venue, name)
    limit = _clamped(query, "limit", ORDERBOOK_MAX) or ORDERBOOK_MAX
    step = 10 ** _clamped(query, "level", LEVEL_MAX)
    bids, asks = market.depth(limit if step == 1 else SCAN_MAX)
    if step > 1:
        asks = aggregate(asks, step, limit, up=True)
        bids = aggregate(bids, step, limit, up=False)
    return _book(venue, market, asks, bids)


def orderbook_depth(venue: Venue, name: str, query: Query) -> Any:
    """GET public/orderbook/depth/{market}: every level within 2 % of the last price.

    Before the first trade of a market there is no last price, and the book comes back empty [C].
    """
    market = known_market(venue, name)
    last = market.last_ticks or 0
    bids, asks = market.depth(SCAN_MAX)
    # Whole numbers decide: a level at exactly 2 % still counts.
    near_asks = tuple(level for level in asks if level[0] * 100 <= last * (100 + DEPTH_PERCENT))
    near_bids = tuple(level for level in bids if level[0] * 100 >= last * (100 - DEPTH_PERCENT))
    return _book(venue, market, near_asks, near_bids if last else ())


def _book(venue: Venue, market: Market, asks: Levels, bids: Levels) -> Any:
    return {
        "ticker_id": market.spec.name,
        "timestamp": venue.now_us() // US_PER_S,
        "asks": levels(asks, market.spec),
        "bids": levels(bids, market.spec),
    }


def trades(venue: Venue, name: str, query: Query) -> Any:
    """GET public/trades/{market}, newest first."""
    market = known_market(venue, name)
    sides = {"": None, "buy": Side.BUY, "sell": Side.SELL}
    wanted = query.get("type", "")
    if wanted not in sides:
        raise refuse("type", "Type should be 'sell' or 'buy'.")
    side = sides[wanted]
    return [
        rest_objects.public_trade(trade, market.spec)
        for trade in reversed(market.trades())
        if side is None or trade.side is side
    ]


def funding_history(venue: Venue, name: str, query: Query) -> Any:
    """GET public/funding-history/{market}, newest first; most refusals are texts, not lists."""
    if not name:
        raise PublicError({"market": "market is required"})
    market = known_market(venue, name)
    if not market.spec.is_perpetual:
        raise refuse("market", NO_MARKET)
    limit = _bounded(query, "limit", 1, FUNDING_MAX, FUNDING_MAX)
    offset = _bounded(query, "offset", 0, FUNDING_OFFSET_MAX, 0)
    start_s = _bounded(query, "startDate", 0, DATE_MAX_S, 0)
    end_s = _bounded(query, "endDate", 0, DATE_MAX_S, DATE_MAX_S)
    if "startDate" in query and "endDate" in query and end_s <= start_s:
        raise PublicError({"endDate": "endDate must be greater than to startDate"})
    found = [
        event
        for event in venue.exchange.funding_events(name)
        if start_s <= event.time_us // US_PER_S <= end_s
    ]
    return [funding_event(event, market.spec) for event in found[offset : offset + limit]]


def known_market(venue: Venue, name: str) -> Market:
    """Return a market that exists."""
    market = venue.exchange.markets.get(name)
    if market is None:
        raise refuse("market", NO_MARKET)
    return market


def integer(text: str) -> int | None:
    """Read an integer of a query as a client writes one, None for anything else."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _clamped(query: Query, name: str, high: int) -> int:
    """Read an integer that is moved into 0..high rather than refused."""
    value = integer(query.get(name, "0"))
    if value is None:
        raise refuse(name, f"The {name} must be an integer.")
    return max(0, min(value, high))


def _bounded(query: Query, name: str, low: int, high: int, default: int) -> int:
    """Read an integer of funding-history; only the text of the upper bound is documented [C]."""
    value = integer(query.get(name, str(default)))
    if value is None:
        raise PublicError({name: f"{name} must be an integer"})
    if value > high:
        raise PublicError({name: f"{name} must be less than or equal to {high}"})
    if value < low:
        raise PublicError({name: f"{name} must be greater than or equal to {low}"})
    return value
