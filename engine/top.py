"""The market's best prices without our own orders, merged from depth and best-bid-offer."""

from __future__ import annotations

from engine.book import Book
from engine.state import Feed, MarketState
from engine.strategy import View
from engine.working import Shown

Top = tuple[int, int, int, int]
"""Bid price, bid quantity, ask price, ask quantity; a price of 0 means an empty side."""


def merged_top(feed: Feed) -> Top:
    """Best prices by whichever of depth and best-bid-offer has the higher update id (11.5)."""
    book, bbo = feed.book, feed.bbo
    if bbo is not None and bbo.update_id >= book.update_id:
        return bbo.bid_price, bbo.bid_qty, bbo.ask_price, bbo.ask_qty
    bid, bid_qty = (book.bid_prices[0], book.bid_qtys[0]) if book.bid_prices else (0, 0)
    ask, ask_qty = (book.ask_prices[0], book.ask_qtys[0]) if book.ask_prices else (0, 0)
    return bid, bid_qty, ask, ask_qty


def net_top(market: MarketState) -> Top:
    """Best prices and quantities of everybody else: what a strategy may price from.

    A side that holds nothing but our own orders as far as the depth window shows is empty (0, 0).
    """
    feed = market.feed
    bid, bid_qty, ask, ask_qty = merged_top(feed)
    if bid in market.own_bids:
        bid, bid_qty = _next(bid, bid_qty, feed.book, market.own_bids, 1)
    if ask in market.own_asks:
        ask, ask_qty = _next(ask, ask_qty, feed.book, market.own_asks, -1)
    return bid, bid_qty, ask, ask_qty


def _next(price: int, qty: int, book: Book, own: Shown, sign: int) -> tuple[int, int]:
    # The first level, from the best on, on which somebody else has something; `sign` is +1 for
    # bids, whose prices fall.
    rest = qty - own[price]
    if rest > 0:
        return price, rest
    prices, qtys = book.bid_prices, book.bid_qtys
    if sign < 0:
        prices, qtys = book.ask_prices, book.ask_qtys
    for level, level_qty in zip(prices, qtys, strict=True):
        if (price - level) * sign > 0:
            rest = level_qty - own.get(level, 0)
            if rest > 0:
                return level, rest
    return 0, 0


def view_of(market: MarketState, now_ns: int) -> View | None:
    """What the market's strategy sees now; None unless somebody else quotes both sides."""
    bid, bid_qty, ask, ask_qty = net_top(market)
    if not bid or not ask or bid >= ask:
        return None
    quoted = market.quoted
    return View(
        quoted.market,
        now_ns,
        bid,
        bid_qty,
        ask,
        ask_qty,
        market.position,
        market.inventory_max,
        market.memory,
        market.fees,
        market.inventory.funding.rate,
    )


def mid2(market: MarketState) -> int:
    """Best bid plus best ask, ticks: twice the mid, exact; 0 unless both sides are there."""
    feed = market.feed
    book, bbo = feed.book, feed.bbo
    if bbo is not None and bbo.update_id >= book.update_id:
        bid, ask = bbo.bid_price, bbo.ask_price
        return bid + ask if bid and ask else 0
    return book.bid_prices[0] + book.ask_prices[0] if book.bid_prices and book.ask_prices else 0


def mark2_of(market: MarketState) -> int:
    """Twice the mark of P&L, ticks: the mid, or the last there was; 0 before the first."""
    return mid2(market) or market.watch.mid2
