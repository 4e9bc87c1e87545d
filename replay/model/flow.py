"""Everybody else, rebuilt from a journal: what rested and traded, without what was ours.

The recorded market data has our recorded orders in it. When each of them rested is known to the
microsecond from the venue's own times, so what is left of a level after taking ours away is what
others had there. Everything is put in the order of the venue's time, which is that of the journal
but for how long each frame took to reach us.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import msgspec

from engine import events as e
from engine.state import MarketState, State
from engine.types import BUY, SELL, OrderStatus, Side, VenueOrder
from replay.model.survey import each

AHEAD_NS = 2_000_000_000
"""So much of the journal is read ahead, to put it in the venue's order; a frame that took longer
acts when it was taken in."""

OVER_MAX = 10_000
"""Orders that are over and remembered: more than a minute's."""

Levels = dict[int, int]
"""Others' lots by price in ticks, best first."""


class Act(msgspec.Struct, frozen=True):
    """Something that happens at the venue, or to the engine."""

    at_ns: int
    """By our clock."""


class Depth(Act, frozen=True):
    """What others have at the best levels of a market."""

    told_ns: int
    """When the engine is told."""
    market: str
    bids: Levels
    asks: Levels
    is_snapshot: bool = False


class Touch(Act, frozen=True):
    """What others have at the best price of each side; a price of 0 tells nothing."""

    told_ns: int
    market: str
    bid: tuple[int, int]
    """Best price of the recorded book, and others' lots there: 0 where it was ours alone."""
    ask: tuple[int, int]


class Trades(Act, frozen=True):
    """Trades of everybody, oldest first."""

    told_ns: int
    event: e.PublicTrades
    news: tuple[e.PublicTrade, ...]
    """Those of them that had not been told before."""


class Told(Act, frozen=True):
    """What the engine is told as recorded."""

    event: e.AnyEvent


Resting = dict[int, tuple[Side, int, int]]
"""Our recorded orders at the venue: order id -> side, price, lots left."""

# Told as recorded: nobody's decisions change them.
_AS_RECORDED = (
    e.RunStarted,
    e.TimerFired,
    e.LoopStalled,
    e.StopRequested,
    e.PlacingForbidden,
    e.PlacingAllowed,
    e.OperatorCommanded,
    e.ParametersChanged,
    e.StreamClosed,
    e.MarkPrice,
    e.FrameRefused,
    e.RunEnded,
)
# At one time: our own orders, trades, then what the book shows of both, then the engine.
_OWN, _TRADE, _BOOK, _TOLD = range(4)


class _Own(Act, frozen=True):
    """One of our recorded orders as it is from now on."""

    market: str
    order: VenueOrder
    replaces: int = 0
    """Order id that it takes the place of."""


class _Frame(Act, frozen=True):
    """A depth or ticker frame with the book after it, ours still in it."""

    told_ns: int
    market: MarketState
    event: e.BookSnapshot | e.BookDelta | e.BestBidOffer


def flow(records: Iterable[e.Record]) -> Iterator[Act]:
    """Yield what happened in the order of the venue's time.

    Args:
        records: A journal from its first record on.
    """
    waiting: list[tuple[int, int, int, Act]] = []
    own = _OwnOrders()
    count = 0
    for before, record, after in each(records):
        horizon_ns = record.recv_ns - AHEAD_NS
        while waiting and waiting[0][0] < horizon_ns:
            yield from _released(heapq.heappop(waiting)[3], own)
        for rank, act in _acts(before, record, after):
            count += 1
            at_ns = max(act.at_ns, horizon_ns)
            heapq.heappush(waiting, (at_ns, rank, count, act))
    while waiting:
        yield from _released(heapq.heappop(waiting)[3], own)


def _acts(before: State, record: e.Record, after: State) -> Iterator[tuple[int, Act]]:
    event, at_ns = record.event, record.recv_ns
    offset_ns = before.clock_offset_ns

    def at_venue(venue_us: int) -> int:
        venue = venue_us * 1000 - offset_ns
        return venue if venue_us and at_ns - AHEAD_NS < venue <= at_ns else at_ns

    match event:
        case e.BookSnapshot() | e.BookDelta() | e.BestBidOffer():
            market = after.markets.get(event.market)
            if market is None or market.feed is before.markets[event.market].feed:
                return
            frame = _Frame(at_venue(event.venue_us), at_ns, market, event)
            yield _BOOK, frame
        case e.PublicTrades():
            known = before.markets.get(event.market)
            last = 0 if known is None else known.feed.last_trade_id
            since_us = heard_since_us(before, event.market)
            news = tuple(
                [t for t in reversed(event.trades) if t.trade_id > last and t.venue_us >= since_us]
            )
            if known is None or not (news or known.feed.trades_seen):
                yield _TOLD, Told(at_ns, event)
                return
            venue_us = max([trade.venue_us for trade in news], default=0)
            yield _TRADE, Trades(at_venue(venue_us), at_ns, event, news)
        case e.OrderOpened() | e.OrderUpdated() | e.OrderClosed() | e.OrderCancelled():
            yield _own(event.order, at_venue(event.order.modified_us))
        case e.OrdersPlaced():
            for result in event.results:
                if result.order is not None:
                    yield _own(result.order, at_venue(result.order.modified_us))
        case e.OrderModified():
            changed = event.order
            known = before.markets.get(changed.market)
            order = None if known is None else known.order(changed.client_order_id)
            # An answer may be late: then the order has been replaced again, and this is old news.
            is_old = order is None or changed.order_id in order.past_ids
            replaces = 0 if order is None or is_old else order.order_id
            yield _own(changed, at_venue(changed.modified_us), replaces)
        case _ if isinstance(event, _AS_RECORDED):
            yield _TOLD, Told(at_ns, event)
        case _:
            return


def heard_since_us(state: State, market: str) -> int:
    """Return the venue's time before which trades that are told of a market are history.

    The first ones after a subscription are, unless they were made since it was asked for.
    """
    known, link = state.markets.get(market), state.links.get(market)
    if known is None or known.feed.trades_seen or link is None:
        return 0
    return (link.opened_ns + state.clock_offset_ns) // 1000


def _own(order: VenueOrder, at_ns: int, replaces: int = 0) -> tuple[int, Act]:
    return _OWN, _Own(at_ns, order.market, order, replaces)


class _OwnOrders:
    """Our recorded orders that rest, by market; what is over stays over, whatever comes late."""

    def __init__(self) -> None:
        self.resting: dict[str, Resting] = {}
        self._over: dict[int, None] = {}

    def take(self, act: _Own) -> None:
        """Follow one order."""
        order, orders = act.order, self.resting.setdefault(act.market, {})
        if act.replaces and act.replaces != order.order_id:
            self._end(orders, act.replaces)
        if order.status is not OrderStatus.OPEN or not order.leaves_qty:
            self._end(orders, order.order_id)
        elif not order.rpi and order.order_id not in self._over:
            known = orders.get(order.order_id)
            left = order.leaves_qty if known is None else min(known[2], order.leaves_qty)
            orders[order.order_id] = (order.side, order.price, left)

    def _end(self, orders: Resting, order_id: int) -> None:
        orders.pop(order_id, None)
        self._over[order_id] = None
        if len(self._over) > OVER_MAX:
            del self._over[next(iter(self._over))]


def _released(act: Act, own: _OwnOrders) -> Iterator[Act]:
    # Our own orders are followed here; all else is told.
    if isinstance(act, _Own):
        own.take(act)
    elif isinstance(act, _Frame):
        yield _net(act, own.resting.get(act.event.market, {}))
    else:
        if isinstance(act, Told) and isinstance(act.event, e.RunStarted):
            # Nobody saw what became of them meanwhile; the venue's timer cancels what is left.
            own.resting.clear()
        yield act


def _net(frame: _Frame, orders: Resting) -> Act:
    event, book = frame.event, frame.market.feed.book
    ours: dict[Side, Levels] = {BUY: {}, SELL: {}}
    for side, price, left in orders.values():
        ours[side][price] = ours[side].get(price, 0) + left
    if isinstance(event, e.BestBidOffer):
        bid, ask = event.bid_price, event.ask_price
        return Touch(
            frame.at_ns,
            frame.told_ns,
            event.market,
            (bid, max(0, event.bid_qty - ours[BUY].get(bid, 0))),
            (ask, max(0, event.ask_qty - ours[SELL].get(ask, 0))),
        )
    bids = _others(book.bid_prices, book.bid_qtys, ours[BUY])
    asks = _others(book.ask_prices, book.ask_qtys, ours[SELL])
    is_snapshot = isinstance(event, e.BookSnapshot)
    return Depth(frame.at_ns, frame.told_ns, event.market, bids, asks, is_snapshot)


def _others(prices: tuple[int, ...], qtys: tuple[int, ...], ours: Levels) -> Levels:
    levels = dict(zip(prices, qtys, strict=True))
    for price, left in ours.items():
        if price in levels:
            levels[price] = max(0, levels[price] - left)
    return levels
