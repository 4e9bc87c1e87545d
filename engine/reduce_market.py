"""Fold public market data: book, best prices, trades."""

from __future__ import annotations

from msgspec.structs import replace

from engine.book import Book, apply_delta, from_snapshot
from engine.events import BestBidOffer, BookDelta, BookSnapshot, MarkPrice, PublicTrades, Record
from engine.freshness import FRAME_EARLY_NS, FRAME_LATE_NS, doubted
from engine.money import EXACT
from engine.reduce_funding import next_told
from engine.state import Feed, MarketState, State, advance, with_market


def book_snapshot(state: State, record: Record, event: BookSnapshot) -> State:
    """A full window replaces the book: on subscribe, and as a keepalive (contract 11.5)."""
    market = state.markets.get(event.market)
    if market is None:
        return advance(state, record)
    book = from_snapshot(event.bids, event.asks, event.update_id, event.venue_us)
    feed = market.feed
    if book.crossed:
        return _broken(state, record, market)
    state, doubt = doubted(state, record, feed, event.venue_us)
    feed = replace(
        feed,
        book=book,
        book_ok=event.update_id != 0,
        resubscribed_ns=0,
        fresh_ns=record.recv_ns,
        doubt=doubt,
    )
    return _fold(state, record, market, feed, event)


def book_delta(state: State, record: Record, event: BookDelta) -> State:
    """A delta is valid only if it chains from the last update id of this subscription."""
    market = state.markets.get(event.market)
    if market is None:
        return advance(state, record)
    feed = market.feed
    if not feed.book_ok:
        # Nothing to chain from: the snapshot of the renewed subscription is on its way.
        return advance(state, record)
    if event.past_update_id != feed.book.update_id:
        if event.update_id == feed.book.update_id:
            # The last one once more: it is in the book already, and the next one will chain.
            return advance(state, record)
        return _broken(state, record, market)
    book = apply_delta(
        feed.book,
        event.bids,
        event.asks,
        event.update_id,
        event.venue_us,
        state.settings.depth_limit,
    )
    if book.crossed:
        return _broken(state, record, market)
    age_ns, doubt = record.recv_ns - event.venue_us * 1000, feed.doubt
    # Nearly every frame is in time: `engine/freshness.py` is asked about the others.
    if (
        doubt
        or age_ns + state.offset_low_ns > FRAME_LATE_NS
        or age_ns + state.offset_high_ns < -FRAME_EARLY_NS
    ):
        state, doubt = doubted(state, record, feed, event.venue_us)
    feed = replace(feed, book=book, fresh_ns=record.recv_ns, doubt=doubt)
    return _fold(state, record, market, feed, event)


def best_bid_offer(state: State, record: Record, event: BestBidOffer) -> State:
    market = state.markets.get(event.market)
    if market is None:
        return advance(state, record)
    # It vouches for itself only: depth that waited through a stall may still be old.
    before = market.feed.bbo
    feed = replace(market.feed, bbo=event)
    memory = market.strategy.fold(market.memory, event, record.recv_ns)
    if (
        before is not None
        and memory is market.memory
        and not market.strategy.is_stirred(before, event)
    ):
        market = replace(market, feed=feed)
    else:
        market = replace(market, feed=feed, memory=memory, touched_seq=record.seq)
    markets = {**state.markets, event.market: market}
    return replace(state, seq=record.seq, now_ns=record.recv_ns, markets=markets)


def public_trades(state: State, record: Record, event: PublicTrades) -> State:
    """Trades are repeated after every subscribe, so only a higher id is news (contract 11.5)."""
    market = state.markets.get(event.market)
    if market is None or not event.trades:
        return advance(state, record)
    newest, before = event.trades[0], market.feed
    if len(event.trades) > 1:
        newest = max(event.trades, key=lambda trade: trade.trade_id)
    if newest.trade_id <= before.last_trade_id:
        return advance(state, record)
    traded_ns = record.recv_ns
    if not before.trades_seen:
        # Of hours ago, on a quiet market: by the venue's clock then, and never later than it came.
        traded_ns = min(traded_ns, newest.venue_us * 1000 - state.clock_offset_ns)
    feed = replace(
        before,
        last_trade=newest.price,
        last_trade_id=newest.trade_id,
        trades_seen=True,
        traded_ns=traded_ns,
    )
    if not before.trades_seen:
        # History is no flow: a strategy must not take it for what happens now.
        changed = replace(market, feed=feed, touched_seq=record.seq)
        return with_market(state, record, changed)
    return _fold(state, record, market, feed, event)


def mark_price(state: State, record: Record, event: MarkPrice) -> State:
    """Keep the mark for the collar, in half ticks and rounded down; it is no reason to requote.

    What it says of funding is kept where that changes.
    """
    market = state.markets.get(event.market)
    if market is None:
        return advance(state, record)
    decimals = market.quoted.market.price_decimals
    mark2 = int((2 * event.mark).scaleb(decimals, context=EXACT))
    funding = market.inventory.funding
    if event.next_funding_ms != 1000 * funding.next_s or event.funding_rate != funding.rate:
        market = next_told(market, event, record.recv_ns)
    feed = replace(market.feed, mark2=mark2, marked_ns=record.recv_ns)
    return with_market(state, record, replace(market, feed=feed))


def _fold(
    state: State,
    record: Record,
    market: MarketState,
    feed: Feed,
    event: BookSnapshot | BookDelta | PublicTrades,
) -> State:
    memory = market.strategy.fold(market.memory, event, record.recv_ns)
    if type(event) is PublicTrades and memory is market.memory:
        # Nothing that a quote depends on has changed.
        return with_market(state, record, replace(market, feed=feed))
    return with_market(
        state, record, replace(market, feed=feed, memory=memory, touched_seq=record.seq)
    )


def _broken(state: State, record: Record, market: MarketState) -> State:
    # The quotes go and the subscription is renewed at once, so the session must look too.
    gaps = market.feed.gaps + 1
    feed = replace(market.feed, book=Book(), book_ok=False, resubscribed_ns=0, gaps=gaps)
    state = with_market(state, record, replace(market, feed=feed))
    return replace(state, attention_seq=record.seq)
