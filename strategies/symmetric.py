"""The same distance on both sides of the mid, whatever is held: the benchmark for the others.

Source: the "symmetric" strategy that Avellaneda and Stoikov (2008), "High-frequency trading in a
limit order book", Quantitative Finance 8(3), section 3.3, hold theirs against. It earns its spread
on every round trip and lets the inventory wander; only its limit stops that.
"""

from __future__ import annotations

from engine.events import BestBidOffer
from engine.strategy import Figure, Reasoning, Strategy, View
from engine.types import TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, two_sided
from strategies.reasons import ladder_of, mid_of_others, told


class Symmetric(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder at a fixed half-spread around the mid."""

    ladder: Ladder
    """Levels, best first; 1..10."""
    half_spread_bps: NotNegative
    """Distance of the best level from the mid, basis points of price, 0..10,000. Higher: fewer
    fills, each earning more."""

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes do not matter."""
        return price_moved(before, after)

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder; a side without room for one minimal order is left out."""
        mid = (view.bid_price + view.ask_price) / 2
        rungs, basis_point = rungs_of(self.ladder, view.market.qty_decimals), mid / BPS
        half = self.half_spread_bps * basis_point
        return two_sided(view, rungs, mid - half, mid + half, basis_point)

    def reason(self, view: View) -> Reasoning:
        """Return the mid and the distance from it."""
        mid = (view.bid_price + view.ask_price) / 2
        half = self.half_spread_bps * (mid / BPS)
        figures = (
            mid_of_others(mid),
            Figure("reservation_price", mid, "ticks", "the mid, whatever is held"),
            Figure("half_spread", half, "ticks", "half_spread_bps of the mid"),
        )
        return told(view, rungs_of(self.ladder, view.market.qty_decimals), figures)

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        return ladder_of(view, rungs_of(self.ladder, view.market.qty_decimals), reasoning)
