"""Public REST of versions 1 and 2, which clients still call for what version 4 lacks.

No part of the contract: shapes are those of the predecessor documentation and of captures. Like
the live wire, a refusal is answered with 200 and `success` false.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from adapters.paper.core.market import Market
from adapters.paper.core.model import US_PER_S, Side
from adapters.paper.data import objects as public_objects
from adapters.paper.data.klines import CANDLES_MAX, DAY_S, HOUR_S, MINUTE_S, MONTH_S, WEEK_S
from adapters.paper.rest import public as rest_public
from adapters.paper.rest.public import NO_MARKET, PublicError, Query, integer
from adapters.paper.venue import Venue
from adapters.paper.ws import objects as ws_objects

INTERVALS = {
    "1m": MINUTE_S,
    "3m": 3 * MINUTE_S,
    "5m": 5 * MINUTE_S,
    "15m": 15 * MINUTE_S,
    "30m": 30 * MINUTE_S,
    "1h": HOUR_S,
    "2h": 2 * HOUR_S,
    "4h": 4 * HOUR_S,
    "6h": 6 * HOUR_S,
    "8h": 8 * HOUR_S,
    "12h": 12 * HOUR_S,
    "1d": DAY_S,
    "3d": 3 * DAY_S,
    "1w": WEEK_S,
    "1M": MONTH_S,
}
# What a kline without a start goes back, by the unit of its interval.
SPANS = {"m": DAY_S, "h": WEEK_S, "d": 30 * DAY_S, "w": 30 * DAY_S, "M": 365 * DAY_S}
DEPTH_MAX = 100
HISTORY_MAX = 100
HISTORY_DEFAULT = 50
TIME_MAX_S = 1 << 40
MARKET_FIELDS_V1 = (
    "name",
    "stock",
    "money",
    "stockPrec",
    "moneyPrec",
    "feePrec",
    "makerFee",
    "takerFee",
    "minAmount",
)
MARKET_FIELDS_V2 = (*MARKET_FIELDS_V1, "minTotal", "tradesEnabled")


def _refuse(field: str, text: str) -> PublicError:
    return PublicError({"success": False, "message": {field: [text]}, "result": None}, 200)


def _wrapped(result: Any) -> Any:
    return {"success": True, "message": None, "result": result}


def _market(venue: Venue, query: Query) -> Market:
    if "market" not in query:
        raise _refuse("market", "The market field is required.")
    return _known(venue, query["market"])


def _known(venue: Venue, name: str) -> Market:
    market = venue.exchange.markets.get(name)
    if market is None:
        raise _refuse("market", NO_MARKET)
    return market


def _number(query: Query, name: str, low: int, high: int, default: int) -> int:
    value = integer(query.get(name, str(default)))
    if value is None:
        raise _refuse(name, f"The {name} must be an integer.")
    if value > high:
        raise _refuse(name, f"{name} must be less than or equal to {high}")
    if value < low:
        raise _refuse(name, f"{name} must be greater than or equal to {low}")
    return value


def _records(venue: Venue, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{field: record[field] for field in fields} for record in rest_public.markets(venue, {})]


def markets_v1(venue: Venue, query: Query) -> Any:
    return _wrapped(_records(venue, MARKET_FIELDS_V1))


def markets_v2(venue: Venue, query: Query) -> Any:
    return _wrapped(_records(venue, MARKET_FIELDS_V2))


def symbols(venue: Venue, query: Query) -> Any:
    return _wrapped(list(venue.exchange.markets))


def ticker_v1(venue: Venue, query: Query) -> Any:
    """GET v1 ticker: one market's last 24 hours."""
    market = _market(venue, query)
    return _wrapped(_day(venue, market))


def tickers(venue: Venue, query: Query) -> Any:
    """GET v1 tickers: the same of all markets, where the volume is called `vol`."""
    now_s = venue.now_us() // US_PER_S
    names = ("bid", "ask", "low", "high", "last", "deal", "change")
    found = {}
    for name, market in venue.exchange.markets.items():
        shown = _day(venue, market)
        told = {"vol": shown["volume"], **{each: shown[each] for each in names}}
        found[name] = {"ticker": told, "at": now_s}
    return _wrapped(found)


def _day(venue: Venue, market: Market) -> dict[str, str]:
    day = venue.statistics.day(market, venue.now_us())
    bid, ask = public_objects.best_texts(market)
    change = public_objects.change_text(day)
    return {**public_objects.today(market, day), "bid": bid, "ask": ask, "change": change}


def kline(venue: Venue, query: Query) -> Any:
    """GET v1 kline: from `start` on when it is given, else the newest candles [C]."""
    market = _market(venue, query)
    interval = query.get("interval", "1h")
    if interval not in INTERVALS:
        raise _refuse("interval", "Invalid interval")
    limit = _number(query, "limit", 1, CANDLES_MAX, CANDLES_MAX)
    now_s = venue.statistics.now_s(market.spec.name, venue.now_us())
    end_s = _number(query, "end", 0, TIME_MAX_S, now_s)
    start_s = _number(query, "start", 0, TIME_MAX_S, max(end_s - SPANS[interval[-1]], 0))
    if start_s > end_s:
        raise _refuse("start", "start must be less than or equal to end")
    found = venue.statistics.klines[market.spec.name].candles(
        start_s, min(end_s, now_s), INTERVALS[interval], limit, newest="start" not in query
    )
    return _wrapped([public_objects.candle(candle, market.spec) for candle in found])


def depth_result(venue: Venue, query: Query) -> Any:
    """GET v1 depth/result, the only one without an envelope."""
    market = _market(venue, query)
    return _sides(market, _number(query, "limit", 1, DEPTH_MAX, DEPTH_MAX))


def _sides(market: Market, limit: int) -> dict[str, Any]:
    bids, asks = market.depth(limit)
    return {
        "asks": ws_objects.levels(asks, market.spec),
        "bids": ws_objects.levels(bids, market.spec),
    }


def history(venue: Venue, query: Query) -> Any:
    """GET v1 history: trades with an id above `lastId`, newest first."""
    market = _market(venue, query)
    if "lastId" not in query:
        raise _refuse("lastId", "The lastId field is required.")
    last_id = _number(query, "lastId", 0, 1 << 62, 0)
    limit = _number(query, "limit", 1, HISTORY_MAX, HISTORY_DEFAULT)
    found = (trade for trade in reversed(market.trades()) if trade.trade_id > last_id)
    shown = []
    for trade in islice(found, limit):
        record = ws_objects.trade(trade, market.spec)
        del record["rpi"]
        shown.append(record)
    return _wrapped(shown)


def ticker_v2(venue: Venue, query: Query) -> Any:
    """GET v2 ticker: all markets with their best prices."""
    now_us = venue.now_us()
    found = []
    for name, market in venue.exchange.markets.items():
        shown = _day(venue, market)
        found.append(
            {
                "lastUpdateTimestamp": _iso(now_us),
                "tradingPairs": name,
                "lastPrice": shown["last"],
                "lowestAsk": shown["ask"],
                "highestBid": shown["bid"],
                "baseVolume24h": shown["volume"],
                "quoteVolume24h": shown["deal"],
                "tradesEnabled": True,
            }
        )
    return _wrapped(found)


def fee_v2(venue: Venue, query: Query) -> Any:
    """GET v2 fee: the trading fees in percent, here those of the first market."""
    record = rest_public.markets(venue, {})[0]
    return _wrapped({name: record[name] for name in ("makerFee", "takerFee")})


def assets_v2(venue: Venue, query: Query) -> Any:
    """GET v2 assets; the id is the ticker [C]."""
    updated = _iso(venue.now_us())
    found = {}
    for ticker, asset in rest_public.assets(venue, {}).items():
        found[ticker] = {
            "id": ticker,
            "lastUpdateTimestamp": updated,
            "name": asset["name"],
            "canWithdraw": asset["can_withdraw"],
            "canDeposit": asset["can_deposit"],
            "minWithdrawal": asset["min_withdraw"],
            "maxWithdrawal": asset["max_withdraw"],
            "makerFee": asset["maker_fee"],
            "takerFee": asset["taker_fee"],
        }
    return _wrapped(found)


def trades_v2(venue: Venue, name: str, query: Query) -> Any:
    """GET v2 trades/{market}, newest first."""
    market = _known(venue, name)
    return _wrapped(
        [
            {
                "tradeId": trade.trade_id,
                "price": market.spec.price_text(trade.ticks),
                "volume": market.spec.qty_text(trade.lots),
                "time": _iso(trade.time_us),
                "isBuyerMaker": trade.side is Side.SELL,
            }
            for trade in reversed(market.trades())
        ]
    )


def depth_v2(venue: Venue, name: str, query: Query) -> Any:
    """GET v2 depth/{market}."""
    market = _known(venue, name)
    updated = _iso(market.changed_us)
    return _wrapped({"lastUpdateTimestamp": updated, **_sides(market, DEPTH_MAX)})


def _iso(time_us: int) -> str:
    # Milliseconds are always 000, as in every example.
    return datetime.fromtimestamp(time_us // US_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


PATHS: dict[str, Callable[[Venue, Query], Any]] = {
    "/api/v1/public/markets": markets_v1,
    "/api/v1/public/tickers": tickers,
    "/api/v1/public/ticker": ticker_v1,
    "/api/v1/public/kline": kline,
    "/api/v1/public/symbols": symbols,
    "/api/v1/public/depth/result": depth_result,
    "/api/v1/public/history": history,
    "/api/v2/public/markets": markets_v2,
    "/api/v2/public/ticker": ticker_v2,
    "/api/v2/public/fee": fee_v2,
    "/api/v2/public/assets": assets_v2,
}
MARKET_PATHS: dict[str, Callable[[Venue, str, Query], Any]] = {
    "/api/v2/public/trades/": trades_v2,
    "/api/v2/public/depth/": depth_v2,
}
