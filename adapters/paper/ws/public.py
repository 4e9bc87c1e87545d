"""Public WebSocket methods on the book and its trades, and the service's own (11.2-11.5)."""

from __future__ import annotations

from typing import Any

from adapters.paper.core.model import US_PER_S, PublicTrade
from adapters.paper.data import depth
from adapters.paper.venue import Venue
from adapters.paper.wire import seconds
from adapters.paper.ws import objects as ws_objects
from adapters.paper.ws.methods import (
    CONFIRMED,
    PAGE_MAX,
    Answer,
    Method,
    expect,
    integer,
    invalid,
    market,
    markets,
    page,
)
from adapters.paper.ws.session import DepthSubscription, Session


def ping(venue: Venue, session: Session, params: list[Any]) -> Answer:
    return Answer("pong")


def time(venue: Venue, session: Session, params: list[Any]) -> Answer:
    return Answer(venue.now_us() // US_PER_S)


def _limit(value: Any) -> int:
    if not 0 < integer(value) <= PAGE_MAX:
        raise invalid()
    return int(value)


def _step(venue: Venue, name: str, interval: Any) -> int:
    if not isinstance(interval, str) or interval not in depth.INTERVALS:
        raise invalid()
    return depth.step_ticks(interval, venue.spec(name).money_prec)


def depth_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    expect(params, 3)
    name = market(venue, params[0])
    limit, step = _limit(params[1]), _step(venue, name, params[2])
    window, book = venue.feeds.depth.window(name, limit, step), venue.exchange.markets[name]
    return Answer(
        {
            "timestamp": seconds(book.changed_us),
            "asks": ws_objects.levels(window.asks, book.spec),
            "bids": ws_objects.levels(window.bids, book.spec),
        }
    )


def depth_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """Add or, with `multi` false, replace by one market; absent `multi` is false [C]."""
    expect(params, 3, 4)
    name = market(venue, params[0])
    limit, step = _limit(params[1]), _step(venue, name, params[2])
    multi = params[3] if len(params) == 4 else False
    if limit not in depth.LIMITS or not isinstance(multi, bool):
        raise invalid()
    if not multi:
        session.depth.clear()
    subscription = DepthSubscription(name, limit, step)
    session.depth[name] = subscription
    return Answer(CONFIRMED.result, (venue.feeds.depth.snapshot(subscription, venue.now_us()),))


def depth_unsubscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    for name in markets(venue, params) or tuple(session.depth):
        session.depth.pop(name, None)
    return CONFIRMED


def book_ticker_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """Add one market, or all of them; a subscribe never removes one (G-10)."""
    expect(params, 0, 1)
    names = markets(venue, params) or tuple(venue.exchange.markets)
    session.book_ticker.update(dict.fromkeys(names))
    now_us = venue.now_us()
    return Answer(
        CONFIRMED.result, tuple(venue.feeds.book_ticker_snapshot(name, now_us) for name in names)
    )


def book_ticker_unsubscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    for name in markets(venue, params) or tuple(session.book_ticker):
        session.book_ticker.pop(name, None)
    return CONFIRMED


def _newest_trades(venue: Venue, name: str) -> list[PublicTrade]:
    return list(reversed(venue.exchange.markets[name].trades()))


def trades_request(venue: Venue, session: Session, params: list[Any]) -> Answer:
    """Newest first, those with an id above `largest_id`."""
    expect(params, 3)
    name = market(venue, params[0])
    largest_id, limit = page(params[2], params[1])
    spec = venue.spec(name)
    found = [trade for trade in _newest_trades(venue, name) if trade.trade_id > largest_id]
    return Answer([ws_objects.trade(trade, spec) for trade in found[:limit]])


def trades_subscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    names = markets(venue, params)
    session.sets["trades"] = names
    return Answer(
        CONFIRMED.result,
        tuple(
            venue.feeds.trades_frame(name, _newest_trades(venue, name))
            for name in names or tuple(venue.exchange.markets)
        ),
    )


def trades_unsubscribe(venue: Venue, session: Session, params: list[Any]) -> Answer:
    session.sets.pop("trades", None)
    return CONFIRMED


METHODS: dict[str, Method] = {
    "ping": ping,
    "time": time,
    "depth_request": depth_request,
    "depth_subscribe": depth_subscribe,
    "depth_unsubscribe": depth_unsubscribe,
    "bookTicker_subscribe": book_ticker_subscribe,
    "bookTicker_unsubscribe": book_ticker_unsubscribe,
    "trades_request": trades_request,
    "trades_subscribe": trades_subscribe,
    "trades_unsubscribe": trades_unsubscribe,
}
