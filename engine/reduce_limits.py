"""Fold what the limits need to know over time: marks at the mid, rooms, the message rate."""

from __future__ import annotations

from msgspec.structs import replace

from engine.account import share
from engine.events import Record
from engine.risk import position_most
from engine.state import MarketState, State
from engine.top import mid2
from engine.types import NO_LIMIT
from engine.watch import marked

SENT_MARKS = 10
"""The span of the message rate moves on in so many steps."""


def at_mark(state: State, market: MarketState, record: Record) -> MarketState:
    """Mark what a market holds at the mid, and work out what it may come to hold."""
    # A feed that is not trusted marks nothing; the day still turns.
    feed = market.feed
    middle2 = mid2(market) if feed.book_ok and not feed.doubt else 0
    spec = market.quoted.market
    watch = marked(market.watch, market.inventory, spec, middle2, record.recv_ns)
    if watch is not market.watch:
        market = own_room(replace(market, watch=watch))
    if not state.settings.account_limits:
        return market
    return replace(market, inventory_max=share(state, market))


def own_room(market: MarketState) -> MarketState:
    """Return the market with the inventory that its own limits allow at the last mark."""
    most = position_most(market.quoted.limits, market.watch.mid2)
    return replace(market, long_max=most, short_max=most, inventory_max=most or 1)


def paced(state: State, now_ns: int) -> State:
    """Return the state with the requests that may be sent until the timer fires again.

    They count from the last mark that is older than the span, so at least as many are counted as
    there were within the span.
    """
    most, span_ns = state.settings.requests_max, state.settings.requests_span_ns
    if most == NO_LIMIT:
        return state
    marks = state.sent_marks
    if not marks or now_ns - marks[-1][0] >= span_ns // SENT_MARKS:
        marks = (*marks, (now_ns, state.sent))
    while len(marks) > 1 and marks[1][0] <= now_ns - span_ns:
        marks = marks[1:]
    before = marks[0][1] if marks[0][0] <= now_ns - span_ns else 0
    return replace(state, sent_marks=marks, sent_max=before + most)
