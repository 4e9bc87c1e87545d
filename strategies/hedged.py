"""One book over a spot market and its perpetual: what is bought on one is sold on the other.

Quote both markets by this strategy, each naming the other. Either ladder leans against what both
hold together, so a fill here is hedged by a maker's fill there; a perpetual may also take, where
the two are too far from even. Funding and basis say on which side of which market to stand: where
who is long a perpetual pays, it is rather sold and the spot rather bought, and likewise where it
trades above the spot by more than it should.

Sources: Gueant (2017), "Optimal market making", Applied Mathematical Finance 24(2): with several
assets, quotes lean against the risk of the whole portfolio. He, Manela, Ross and von Wachter
(2022), "Fundamentals of perpetual futures", arXiv 2212.06888: funding ties the perpetual to the
spot, and how far apart they are foretells how they come together.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer
from engine.strategy import Strategy, View
from engine.types import Level, Product, Stp, TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, two_sided

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Hedged(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder around a reference that leans against the inventory of two markets."""

    ladder: Ladder
    """Levels, best first; 1..10."""
    other: str
    """Name of the other market, such as BTC_PERP; of the same base asset, in the same run."""
    half_spread_bps: NotNegative
    """Distance of the best level from the reference, basis points of price, 0..10,000. Higher:
    fewer fills, each earning more."""
    skew_bps: NotNegative = 10.0
    """Shift against what both hold together, when it is at this market's limit, basis points.
    Higher: hedges faster, for less."""
    funding_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    """Shift in next funding rates, down on the perpetual and up on the spot, 0..100. Higher: rather
    holds the side that is paid. At 1, a settlement's pay is priced into each fill."""
    basis_weight: Share = 0.0
    """How far each reference goes towards the other market's mid less the basis, 0..1."""
    basis_bps: Annotated[float, Meta(ge=-1_000.0, le=1_000.0)] = 0.0
    """How far the perpetual should be above the spot, basis points, -1,000..1,000."""
    cross_at: Share = 1.0
    """Part of the limit beyond which what both hold is brought back by taking, on the perpetual
    only, 0..1. Lower: less risk, more fees. At 1, never."""
    cross_stp: Stp = Stp.CANCEL_BOTH
    """Self-trade prevention of the order that takes."""

    def beside(self) -> str:
        return self.other

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes do not matter."""
        return price_moved(before, after)

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder, or what takes; nothing while the other market is not seen."""
        rungs = rungs_of(self.ladder, view.market.qty_decimals)
        other = view.beside
        if other is None:
            return TwoSidedQuote()
        is_perpetual = view.market.product is Product.PERPETUAL
        net = view.inventory + _in_lots(other.inventory, other, view)
        share = max(-1.0, min(1.0, net / view.inventory_max))
        if is_perpetual and abs(share) > self.cross_at:
            return self._crossing(view, net, max(qty for _, qty, _, _ in rungs))
        mid = (view.bid_price + view.ask_price) / 2
        tilt_bps = self._tilt_bps(view, other) if is_perpetual else -self._tilt_bps(other, view)
        basis_point = mid / BPS
        reference = mid - (self.skew_bps * share + tilt_bps) * basis_point
        half = self.half_spread_bps * basis_point
        return two_sided(view, rungs, reference - half, reference + half, basis_point)

    def _tilt_bps(self, perpetual: View, spot: View) -> float:
        # How far the perpetual's reference goes down, and the spot's up.
        tilt_bps = 0.0
        if self.funding_multiple:
            tilt_bps += self.funding_multiple * float(perpetual.funding_rate) * BPS
        if self.basis_weight:
            basis_bps = (_middle(perpetual) / _middle(spot) - 1.0) * BPS
            tilt_bps += self.basis_weight * (basis_bps - self.basis_bps)
        return tilt_bps

    def _crossing(self, view: View, net: int, qty_max: int) -> TwoSidedQuote:
        # One level at a time, at the best price there is; nothing rests meanwhile.
        is_long = net > 0
        room = view.inventory_max + (view.inventory if is_long else -view.inventory)
        qty = min(abs(net), qty_max, room)
        price = view.bid_price if is_long else view.ask_price
        if qty < view.market.qty_min or price * qty < (view.market.notional_min or 1):
            return TwoSidedQuote()
        level = Level(price, qty, self.cross_stp, post_only=False)
        return TwoSidedQuote((), (level,)) if is_long else TwoSidedQuote((level,), ())


def _in_lots(qty: int, of: View, view: View) -> int:
    # In the lots of another market of the same base asset; towards zero where they are coarser.
    decimals = view.market.qty_decimals - of.market.qty_decimals
    if decimals >= 0:
        return qty * int(10**decimals)
    lots = abs(qty) // int(10**-decimals)
    return lots if qty > 0 else -lots


def _middle(view: View) -> float:
    # In the quote asset: ticks of two markets may differ.
    return (view.bid_price + view.ask_price) / 2 / float(10**view.market.price_decimals)
