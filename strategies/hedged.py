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
from engine.strategy import Figure, Reasoning, Strategy, View
from engine.types import Level, Product, Stp, TwoSidedQuote
from strategies.beside import basis_bps, in_lots, legs_of
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, share_of, two_sided
from strategies.reasons import against_inventory, ladder_of, mid_of_others, told

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
        # First, so that a size that does not fit the market is refused whatever else is seen.
        rungs = rungs_of(self.ladder, view.market.qty_decimals)
        other = view.beside
        if other is None or other.market.base_asset != view.market.base_asset:
            return TwoSidedQuote()
        net, share, is_far, tilt_bps = self._leaning(view, other)
        if is_far:
            return self._crossing(view, net)
        mid, reservation, half = self._around(view, share, tilt_bps)
        return two_sided(view, rungs, reservation - half, reservation + half, mid / BPS)

    def reason(self, view: View) -> Reasoning:
        """Return what both markets hold, and where that, funding and basis lead."""
        other = view.beside
        if other is None:
            return Reasoning(words=(f"nothing while {self.other} must not be quoted or is empty",))
        base, theirs = view.market.base_asset, other.market.base_asset
        if base != theirs:
            words = f"nothing: {self.other} is a market of {theirs}, and this of {base}"
            return Reasoning(words=(words,))
        net, share, is_far, tilt_bps = self._leaning(view, other)
        mid, reservation, half = self._around(view, share, tilt_bps)
        perpetual, spot = legs_of(view, other)
        funding_bps = float(perpetual.funding_rate) * BPS
        leaning = (
            mid_of_others(mid),
            Figure("net_inventory", net, "lots", f"of this market and {self.other} together"),
        )
        if is_far:
            words = f"it takes: net_inventory is beyond cross_at, {self.cross_at:g} of the limit"
            return Reasoning(leaning, (words,))
        figures = (
            *leaning,
            Figure("funding", funding_bps, "bps", "next rate of the perpetual"),
            Figure("basis", basis_bps(perpetual, spot), "bps", "of the perpetual over the spot"),
            Figure("tilt", -tilt_bps, "bps", "shift of this market by funding and basis"),
            *against_inventory(share, mid - tilt_bps * (mid / BPS), reservation, "net_inventory"),
            Figure("half_spread", half, "ticks", "half_spread_bps of the mid"),
        )
        return told(view, rungs_of(self.ladder, view.market.qty_decimals), figures)

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        net = reasoning.figure("net_inventory")
        if net is None:
            return TwoSidedQuote()
        if reasoning.figure("half_spread") is None:
            return self._crossing(view, int(net))
        return ladder_of(view, rungs_of(self.ladder, view.market.qty_decimals), reasoning)

    def _leaning(self, view: View, other: View) -> tuple[int, float, bool, float]:
        # What both hold: lots, part of the limit, whether it is to be taken back; and the tilt.
        net = view.inventory + in_lots(other.inventory, other, view)
        share = share_of(view, net)
        if view.market.product is not Product.PERPETUAL:
            return net, share, False, -self._tilt_bps(other, view)
        return net, share, abs(share) > self.cross_at, self._tilt_bps(view, other)

    def _tilt_bps(self, perpetual: View, spot: View) -> float:
        # How far the perpetual's reference goes down, and the spot's up.
        tilt_bps = 0.0
        if self.funding_multiple:
            tilt_bps += self.funding_multiple * float(perpetual.funding_rate) * BPS
        if self.basis_weight:
            tilt_bps += self.basis_weight * (basis_bps(perpetual, spot) - self.basis_bps)
        return tilt_bps

    def _around(self, view: View, share: float, tilt_bps: float) -> tuple[float, float, float]:
        mid = (view.bid_price + view.ask_price) / 2
        basis_point = mid / BPS
        reservation = mid - (self.skew_bps * share + tilt_bps) * basis_point
        return mid, reservation, self.half_spread_bps * basis_point

    def _crossing(self, view: View, net: int) -> TwoSidedQuote:
        # One level at a time, at the best price there is; nothing rests meanwhile.
        is_long = net > 0
        room = view.inventory_max + (view.inventory if is_long else -view.inventory)
        largest = max(qty for _, qty, _, _ in rungs_of(self.ladder, view.market.qty_decimals))
        qty = min(abs(net), largest, room)
        price = view.bid_price if is_long else view.ask_price
        if qty < view.market.qty_min or price * qty < (view.market.notional_min or 1):
            return TwoSidedQuote()
        level = Level(price, qty, self.cross_stp, post_only=False)
        return TwoSidedQuote((), (level,)) if is_long else TwoSidedQuote((level,), ())
