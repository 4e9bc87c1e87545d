"""Public WebSocket methods on prices: lastprice, candles, market, marketToday, premiumIndex."""

from __future__ import annotations

from typing import Any

from adapters.paper.data import objects as public_objects
from adapters.paper.data.klines import CANDLES_MAX, is_interval
from adapters.paper.venue import Venue
from adapters.paper.ws.methods import (
    CONFIRMED,
    Answer,
    Method,
    expect,
    integer,
    invalid,
    market,
    markets,
)
from adapters.paper.ws.session import CandleSubscription, Session


def _named(venue: Venue, params: list[Any]) -> tuple[str, ...]:
    """One market or more; only some channels take none for all (11.4)."""
    names = markets(venue, params)
    if not names:
        raise invalid()
    return names


def _interval(value: Any) -> int:
    interval_s = integer(value)
    if not is_interval(interval_s):
        raise invalid()
    return interval_s


def last_price_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    expect(params, 1)
    book = venue.exchange.markets[market(venue, params[0])]
    return Answer(book.spec.price_text(book.last_ticks or 0))


def last_price_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    session.last_price = dict.fromkeys(_named(venue, params))
    return CONFIRMED


def last_price_unsubscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    session.last_price = {}
    return CONFIRMED


def candles_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """Oldest first; of more than 1440 the newest [C]."""
    expect(params, 4)
    name = market(venue, params[0])
    start_s, end_s = integer(params[1]), integer(params[2])
    interval_s = _interval(params[3])
    if not 0 <= start_s <= end_s:
        raise invalid()
    end_s = min(end_s, venue.statistics.now_s(name, venue.now_us()))
    found = venue.statistics.klines[name].candles(
        start_s, end_s, interval_s, CANDLES_MAX, newest=True
    )
    spec = venue.spec(name)
    return Answer([public_objects.named_candle(candle, spec) for candle in found])


def candles_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    expect(params, 2)
    session.candles = CandleSubscription(market(venue, params[0]), _interval(params[1]))
    return CONFIRMED


def candles_unsubscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    session.candles = None
    return CONFIRMED


def market_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    expect(params, 2)
    name, period_s = market(venue, params[0]), integer(params[1])
    if period_s < 1:
        raise invalid()
    return Answer(venue.feeds.market.period(name, period_s, venue.now_us()))


def today_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    expect(params, 1)
    return Answer(venue.feeds.market.today(market(venue, params[0]), venue.now_us()))


def premium_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """All perpetuals, or those named."""
    names = markets(venue, params)
    if not all(venue.spec(name).is_perpetual for name in names):
        raise invalid()
    session.sets["premiumIndex"] = names
    return CONFIRMED


def _subscribe(channel: str) -> Method:
    def subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
        session.sets[channel] = _named(venue, params)
        return CONFIRMED

    return subscribe


def _unsubscribe(channel: str) -> Method:
    def unsubscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
        session.sets.pop(channel, None)
        return CONFIRMED

    return unsubscribe


METHODS: dict[str, Method] = {
    "lastprice_request": last_price_request,
    "lastprice_subscribe": last_price_subscribe,
    "lastprice_unsubscribe": last_price_unsubscribe,
    "candles_request": candles_request,
    "candles_subscribe": candles_subscribe,
    "candles_unsubscribe": candles_unsubscribe,
    "market_request": market_request,
    "market_subscribe": _subscribe("market"),
    "market_unsubscribe": _unsubscribe("market"),
    # The documented name breaks the pattern of all others, so both are understood (G-32).
    "marketToday_query": today_request,
    "marketToday_request": today_request,
    "marketToday_subscribe": _subscribe("marketToday"),
    "marketToday_unsubscribe": _unsubscribe("marketToday"),
    "premiumIndex_subscribe": premium_subscribe,
    "premiumIndex_unsubscribe": _unsubscribe("premiumIndex"),
}
