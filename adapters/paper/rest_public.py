"""Public REST handlers (contract 4); a handler takes the venue, the market and the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.paper import rest_objects
from adapters.paper.depth import aggregate
from adapters.paper.market import Market
from adapters.paper.model import US_PER_S, Side
from adapters.paper.venue import Venue
from adapters.paper.ws_objects import levels

ORDERBOOK_MAX = 100
# Aggregation levels multiply the tick by a power of ten, so that many are scanned at most.
LEVEL_MAX = 10
SCAN_MAX = 100_000

Query = Mapping[str, str]


class PublicError(Exception):
    """A refused public request: always 422 with flat texts per field (3.1)."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.body = {field: [message]}


def ping(venue: Venue, query: Query) -> Any:
    return ["pong"]


def time(venue: Venue, query: Query) -> Any:
    return {"time": venue.now_us() // US_PER_S}


def platform_status(venue: Venue, query: Query) -> Any:
    return {"status": "system operational"}


def markets(venue: Venue, query: Query) -> Any:
    return [rest_objects.market(market.spec) for market in venue.exchange.markets.values()]


def ticker(venue: Venue, query: Query) -> Any:
    return {name: venue.tickers.ticker(market) for name, market in venue.exchange.markets.items()}


def orderbook(venue: Venue, name: str, query: Query) -> Any:
    """GET public/orderbook/{market}; `level` n merges prices into 10^n ticks [C]."""
    market = _market(venue, name)
    limit = _clamped(query, "limit", ORDERBOOK_MAX) or ORDERBOOK_MAX
    step = 10 ** _clamped(query, "level", LEVEL_MAX)
    bids, asks = market.depth(limit if step == 1 else SCAN_MAX)
    if step > 1:
        asks = aggregate(asks, step, limit, up=True)
        bids = aggregate(bids, step, limit, up=False)
    return {
        "ticker_id": name,
        "timestamp": venue.now_us() // US_PER_S,
        "asks": levels(asks, market.spec),
        "bids": levels(bids, market.spec),
    }


def trades(venue: Venue, name: str, query: Query) -> Any:
    """GET public/trades/{market}, newest first."""
    market = _market(venue, name)
    sides = {"": None, "buy": Side.BUY, "sell": Side.SELL}
    wanted = query.get("type", "")
    if wanted not in sides:
        raise PublicError("type", "Type should be 'sell' or 'buy'.")
    side = sides[wanted]
    return [
        rest_objects.public_trade(trade, market.spec)
        for trade in reversed(market.trades())
        if side is None or trade.side is side
    ]


def _market(venue: Venue, name: str) -> Market:
    market = venue.exchange.markets.get(name)
    if market is None:
        raise PublicError("market", "Market is not available.")
    return market


def _clamped(query: Query, name: str, high: int) -> int:
    text = query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise PublicError(name, f"The {name} must be an integer.")
    return min(int(text), high)
