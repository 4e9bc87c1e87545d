"""Whether other parameters make a strategy remember otherwise: tried, as nothing declares it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from engine.events import BestBidOffer, BookSnapshot, Filled, PublicTrade, PublicTrades
from engine.strategy import MarketEvent, Strategy, View
from engine.types import BUY, SELL, Role, VenueFill

_S = 1_000_000_000
_TURNS = 20
"""So many seconds, with one event of each kind in each: enough for a memory to take another way."""


def remembers_otherwise(strategy: Strategy, others: Iterable[Strategy | None], view: View) -> bool:
    """Say whether any of the others has another memory after the same events.

    Args:
        strategy: One.
        others: Of its class; None for one that could not be built.
        view: Of the market: its prices are what the events are made around.
    """
    history = tuple(_happened(view))
    memory = _memory_of(strategy, history)
    return any(_memory_of(other, history) != memory for other in others if other is not None)


def _memory_of(strategy: Strategy, history: Iterable[tuple[int, MarketEvent]]) -> Any:
    memory = strategy.initial_memory()
    for at_ns, event in history:
        memory = strategy.fold(memory, event, at_ns)
    return memory


def _happened(view: View) -> Iterator[tuple[int, MarketEvent]]:
    # Best prices that go away from the view's and come back, what trades there and what we trade.
    name, least = view.market.name, max(view.market.qty_min, 1)
    for turn in range(_TURNS):
        at_ns, side = view.now_ns + turn * _S, SELL if turn % 3 else BUY
        away = turn % 5 * max(1, view.bid_price // 1_000)
        bid, ask, venue_us = view.bid_price + away, view.ask_price + away, at_ns // 1_000
        price = bid if side is SELL else ask
        trade = PublicTrade(turn, price, least, side, False, venue_us)
        deal = VenueFill(
            name, turn, turn, "", side, Role.MAKER, price, least, Decimal(0), "", venue_us
        )
        yield at_ns, BookSnapshot(name, turn, venue_us, (bid, least), (ask, least))
        yield at_ns, BestBidOffer(name, turn, venue_us, bid, least, ask, least)
        yield at_ns, PublicTrades(name, (trade,))
        yield at_ns, Filled(deal)
