"""Whether what a channel shows is of now: by when it came, and by when the venue stamped it.

Each channel has its own rule (contract 11.1, 11.5). Depth may be silent for 10 s and the ticker
and trades for ever, so a link is measured by its pings, depth by its keepalive, by the chain of
its update ids and by the ticker beside it, and the mark price by when it was told last. A frame
that waited in a socket is new to us and old in truth: only the venue's stamp tells, and only once
the two clocks were compared.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.events import Record
from engine.state import Feed, MarketState, State
from engine.working import LEFT_LEVEL

NS_PER_S = 1_000_000_000
STALLED = "feed not proved fresh after a stall"
LATE = "feed is late by the venue's clock"
BEHIND = "depth is silent while the ticker moves"
FRAME_LATE_NS = 2 * NS_PER_S
"""Depth is told at most 100 ms after a change (11.5), and a slow line takes less than a second."""
FRAME_EARLY_NS = 1 * NS_PER_S
"""No frame comes before it was sent: one of the two clocks has moved."""
BEHIND_MAX_NS = 2 * NS_PER_S
MARK_SILENT = "mark price is silent"
MARK_MAX_AGE_NS = 10 * NS_PER_S
"""The mark is told twice a second, changed or not (11.5)."""
SILENT_MAX_NS = 20 * NS_PER_S
"""Two keepalives of depth. What is silent for longer on a connection that answers pings does not
come back by itself; less than `reduce_session.LASTING_NS`, so that the connections which are
opened for it back off."""
UNKNOWN_ORDER_MAX_NS = 5 * NS_PER_S
UNKNOWN_LEFT_MAX_NS = 10 * NS_PER_S
"""As above, of what a crash overtook: that counts at its worst and holds no level, and its nonce
window and the listing that proves it need up to 8 s."""


def doubt_after(state: State, record: Record, feed: Feed, venue_us: int) -> str:
    """Return the feed's doubt after a depth frame that the venue stamped at `venue_us`.

    A frame is believed to be late or early where both bounds of the clock say so, and to be of now
    by the best estimate.
    """
    age_ns = record.recv_ns - venue_us * 1000
    if age_ns + state.offset_low_ns > FRAME_LATE_NS:
        return feed.doubt or LATE
    if age_ns + state.offset_high_ns < -FRAME_EARLY_NS:
        return feed.doubt or LATE
    if age_ns + state.clock_offset_ns > state.settings.fresh_after_stall_ns:
        return feed.doubt
    return ""


def doubted(state: State, record: Record, feed: Feed, venue_us: int) -> tuple[State, str]:
    """Return the feed's doubt after a depth frame, and the state that asks for the venue's time.

    It may be the clock of one of the two that has moved, and not the frame that is late.
    """
    doubt = doubt_after(state, record, feed, venue_us)
    if doubt and not feed.doubt:
        state = replace(state, time_asked_ns=0)
    return state, doubt


def is_silent(feed: Feed, opened_ns: int, now_ns: int) -> bool:
    """Say whether the connection of a feed, opened at `opened_ns`, has to be renewed: depth, or a
    mark that was told before, is silent on it."""
    since_ns = now_ns - SILENT_MAX_NS
    if opened_ns >= since_ns:
        return False
    return feed.fresh_ns < since_ns or 0 < feed.marked_ns < since_ns


def at_timer(market: MarketState, record: Record) -> MarketState:
    """Note a depth that fell behind the ticker, and an order unknown for too long."""
    feed = _beside_ticker(market.feed, record)
    name = ""
    for order in market.live:
        if order.unknown:
            max_ns = UNKNOWN_LEFT_MAX_NS if order.level >= LEFT_LEVEL else UNKNOWN_ORDER_MAX_NS
            if order.sent_ns < record.recv_ns - max_ns:
                name = order.client_order_id
                break
    if feed is market.feed and name == market.unknown_for_long:
        return market
    return replace(market, feed=feed, unknown_for_long=name)


def _beside_ticker(feed: Feed, record: Record) -> Feed:
    book, bbo = feed.book, feed.bbo
    if (
        bbo is None
        or bbo.update_id <= book.update_id
        or (bbo.bid_price, bbo.ask_price) == (_first(book.bid_prices), _first(book.ask_prices))
    ):
        return replace(feed, ahead_ns=0) if feed.ahead_ns else feed
    if not feed.ahead_ns or feed.fresh_ns > feed.ahead_ns:
        return replace(feed, ahead_ns=record.recv_ns)
    if record.recv_ns - feed.ahead_ns > BEHIND_MAX_NS and not feed.doubt:
        return replace(feed, doubt=BEHIND)
    return feed


def _first(prices: tuple[int, ...]) -> int:
    return prices[0] if prices else 0
