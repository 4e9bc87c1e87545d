"""Hypothesis strategies for what a quoting strategy meets: views, events, histories.

They are here and not in `engine/testing`, since hypothesis is a development tool: the core imports
nothing but what it runs on, and the ready laws need no draw. Tests anywhere may use them where the
checkout is on the path, as its `make test` and an editable install have it.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from engine.events import BestBidOffer, BookSnapshot, Filled, PublicTrade, PublicTrades
from engine.strategy import MarketEvent, Strategy, View
from engine.testing import SPOT, T0, fees
from engine.testing.situations import History
from engine.types import Market, Role, Side, VenueFill

PRICE_MAX = 10**9
"""Ticks."""
LOTS_MAX = 10**9
HOUR_NS = 3_600_000_000_000


def lots() -> SearchStrategy[int]:
    return st.integers(1, LOTS_MAX)


@st.composite
def tops(draw: st.DrawFn, low: int = 1) -> tuple[int, int]:
    """Best bid and ask, ticks: any price, narrow more often than wide."""
    bid = draw(st.integers(low, PRICE_MAX))
    return bid, bid + draw(st.integers(1, 3) | st.integers(1, bid))


@st.composite
def views(draw: st.DrawFn, market: Market = SPOT, low: int = 1) -> View:
    """Any view the engine could show, without a memory: see `seen_by`.

    Args:
        draw: Given by hypothesis.
        market: The market quoted.
        low: Smallest best bid, ticks.
    """
    bid, ask = draw(tops(low))
    most = draw(lots())
    charged = draw(st.none() | st.integers(-50, 100))
    return View(
        market,
        T0,
        bid,
        draw(lots()),
        ask,
        draw(lots()),
        draw(st.integers(-2 * most, 2 * most)),
        most,
        None,
        None if charged is None else fees(str(Decimal(charged) / 10_000), market),
    )


@st.composite
def events(draw: st.DrawFn, market: Market = SPOT) -> MarketEvent:
    """Any event that a strategy folds; the ticker may have lost a side."""
    bid, ask = draw(tops())
    kind = draw(st.sampled_from(["ticker", "book", "trades", "fill"]))
    name, number, at_us = market.name, draw(st.integers(1, 10**12)), T0 // 1000
    if kind == "ticker":
        whole = BestBidOffer(name, number, at_us, bid, draw(lots()), ask, draw(lots()))
        no_bid, no_ask = (
            replace(whole, bid_price=0, bid_qty=0),
            replace(whole, ask_price=0, ask_qty=0),
        )
        return draw(st.sampled_from([whole, no_bid, no_ask]))
    if kind == "book":
        bids, asks = ((level, draw(lots())) if draw(st.booleans()) else () for level in (bid, ask))
        return BookSnapshot(name, number, at_us, bids, asks)
    side, level = draw(st.sampled_from([(Side.SELL, bid), (Side.BUY, ask)]))
    if kind == "trades":
        size, rpi = draw(lots()), draw(st.booleans())
        return PublicTrades(name, (PublicTrade(number, level, size, side, rpi, at_us),))
    zero = Decimal(0)
    deal = VenueFill(
        name, number, 1, "", side, Role.MAKER, level, draw(lots()), zero, "USDT", at_us
    )
    return Filled(deal)


@st.composite
def histories(draw: st.DrawFn, market: Market = SPOT, max_size: int = 30) -> History:
    """What happened before, with the times: from the same nanosecond to an hour apart."""
    at_ns, found = T0, []
    for event in draw(st.lists(events(market), max_size=max_size)):
        found.append((at_ns, event))
        at_ns += draw(st.sampled_from([0, 1, 10**6, 10**9, HOUR_NS]))
    return tuple(found)


def seen_by(strategy: Strategy, view: View, history: History = ()) -> View:
    """Return a view with the strategy's memory of a history, after the last of it."""
    memory, now_ns = strategy.initial_memory(), view.now_ns
    for at_ns, event in history:
        memory, now_ns = strategy.fold(memory, event, at_ns), at_ns
    return replace(view, memory=memory, now_ns=now_ns)
