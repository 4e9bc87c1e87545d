"""Which public trade met an order of ours, and how far takers went at that moment."""

from __future__ import annotations

from collections.abc import Sequence

from engine.events import PublicTrade
from engine.types import BUY
from replay.backtest.made import MODE
from replay.trails import FillTrail

SAME_US = 10_000
"""A public trade and a deal of ours this close by the venue's clock may be one."""

Trade = tuple[int, int, PublicTrade]
"""The record that told of it, when that came, and the trade."""


def met_by(trail: FillTrail, trades: Sequence[Trade], mode: str) -> Trade | None:
    """Return the trade that met a fill's order, as far as it can be told.

    Args:
        trail: Of the fill.
        trades: Around it, in the order of the journal.
        mode: Of the run.
    """
    fill = trail.fill
    if mode == MODE:
        return _reached_by(trail, trades)

    def apart_us(found: Trade) -> int:
        return abs(found[2].venue_us - fill.venue_us)

    # At our price, against our side, at the venue's time of our deal: without that, nobody knows.
    near = [
        found
        for found in trades
        if fill.venue_us
        and found[2].price == fill.price
        and found[2].side is not fill.side
        and found[2].qty >= fill.qty
        and apart_us(found) <= SAME_US
    ]
    return min(near, key=apart_us, default=None)


def _reached_by(trail: FillTrail, trades: Sequence[Trade]) -> Trade | None:
    # A backtest tells recorded trades as they were recorded: at their own price and in their own
    # size, and on the same clock as our deals.
    fill = trail.fill
    reached = [
        found
        for found in trades
        if found[2].venue_us == fill.venue_us
        and found[2].side is not fill.side
        and fill.side.sign * (found[2].price - fill.price) <= 0
    ]
    return reached[-1] if reached else None


def swept_to(trail: FillTrail, trades: Sequence[Trade], mode: str) -> int:
    """Return the furthest price that takers reached when they met a fill's order, ticks.

    Arguments are those of `met_by`. In a backtest the recorded book takes, too, wherever it comes
    through our price.
    """
    # One order of a taker meets every price down to where it ends: each is a trade of its own.
    fill = trail.fill
    prices = [
        trade.price
        for _, _, trade in trades
        if fill.venue_us
        and trade.side is not fill.side
        and abs(trade.venue_us - fill.venue_us) <= SAME_US
    ]
    bid, _, ask, _ = trail.filled.top
    other = ask if fill.side is BUY else bid
    if mode == MODE and other:
        prices.append(other)
    return min([fill.price, *prices], key=lambda price: fill.side.sign * price)
