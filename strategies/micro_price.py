"""Quotes around the price that the sizes at the top of the book foretell.

Sources: Stoikov (2018), "The micro-price: a high-frequency estimator of future prices",
Quantitative Finance 18(12): the mid moves towards the thinner side, to first order by the imbalance
times half the spread. Cartea, Donnelly and Jaimungal (2018), "Enhancing trading strategies with
order book signals", Applied Mathematical Finance 25(1): where the imbalance is strong, a maker
should not stand in its way.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer
from engine.strategy import Figure, Reasoning, Strategy, View
from engine.types import TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, held_share, price_moved, rungs_of, two_sided
from strategies.reasons import against_inventory, ladder_of, mid_of_others, told

NARROW = 0.1
"""The reference moving by less than this part of the half-spread is not worth a look at once."""


def imbalance(bid_qty: int, ask_qty: int) -> float:
    """Return by how much more is bid than offered, as a part of both, in [-1, 1]."""
    return (bid_qty - ask_qty) / ((bid_qty + ask_qty) or 1)


class MicroPrice(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder around the micro-price, and not on the side that is about to go."""

    ladder: Ladder
    """Levels, best first; 1..10."""
    half_spread_bps: NotNegative
    """Distance of the best level from the reference, basis points of price, 0..10,000. Higher:
    fewer fills, each earning more."""
    imbalance_multiple: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.0
    """How far the reference follows the imbalance, in half-spreads of the market, 0..10. At 0 it is
    the mid, at 1 the mid weighted by the sizes; above, beyond the best price of the thick side."""
    pull_at: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    """Imbalance beyond which the thinner side is not quoted, 0..1. Lower: fewer fills just before
    the price moves away, and less uptime. At 1, never."""
    skew_bps: NotNegative = 5.0
    """Shift against the inventory when it is full, basis points. Higher: sheds it faster."""

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes alone matter where the spread is wide, or where a side is to go or to come."""
        if price_moved(before, after):
            return True
        was, now = (
            imbalance(before.bid_qty, before.ask_qty),
            imbalance(after.bid_qty, after.ask_qty),
        )
        if (was > self.pull_at) is not (now > self.pull_at):
            return True
        if (was < -self.pull_at) is not (now < -self.pull_at):
            return True
        moved = abs(now - was) * self.imbalance_multiple * (after.ask_price - after.bid_price) / 2
        return moved * BPS > NARROW * self.half_spread_bps * after.bid_price

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder; a side that is about to go, or that has no room, is left out."""
        mid, lean, _, reservation, half = self._around(view, held_share(view))
        rungs = rungs_of(self.ladder, view.market.qty_decimals)
        quote = two_sided(view, rungs, reservation - half, reservation + half, mid / BPS)
        return quote if abs(lean) <= self.pull_at else _without_thin(quote, lean)

    def reason(self, view: View) -> Reasoning:
        """Return where the sizes lean to, and what is made of it."""
        share = held_share(view)
        mid, lean, micro, reservation, half = self._around(view, share)
        figures = (
            mid_of_others(mid),
            Figure("imbalance", lean, "ratio", "bid less offered at the best prices, of both"),
            Figure("micro_price", micro, "ticks", "the mid, moved towards the thinner side"),
            *against_inventory(share, micro, reservation),
            Figure("half_spread", half, "ticks", "half_spread_bps of the mid"),
        )
        words = []
        if abs(lean) > self.pull_at:
            side = "asks" if lean > 0.0 else "bids"
            words.append(f"no {side}: the imbalance is beyond pull_at, {self.pull_at:g}")
        rungs = rungs_of(self.ladder, view.market.qty_decimals)
        return told(view, rungs, figures, *words)

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        quote = ladder_of(view, rungs_of(self.ladder, view.market.qty_decimals), reasoning)
        lean = reasoning.figure("imbalance") or 0.0
        return quote if abs(lean) <= self.pull_at else _without_thin(quote, lean)

    def _around(self, view: View, share: float) -> tuple[float, float, float, float, float]:
        # Mid, imbalance, micro-price, reservation price and half-spread.
        bid, ask = view.bid_price, view.ask_price
        mid, lean = (bid + ask) / 2, imbalance(view.bid_qty, view.ask_qty)
        micro = mid + self.imbalance_multiple * lean * (ask - bid) / 2
        basis_point = mid / BPS
        reservation = micro - self.skew_bps * share * basis_point
        return mid, lean, micro, reservation, self.half_spread_bps * basis_point


def _without_thin(quote: TwoSidedQuote, lean: float) -> TwoSidedQuote:
    return TwoSidedQuote(quote.bids, ()) if lean > 0.0 else TwoSidedQuote((), quote.asks)
