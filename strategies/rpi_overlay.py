"""Tighter hidden quotes for retail flow, beside a visible ladder for everybody.

Source: WhiteBIT's retail price improvement orders (contract 10.2): hidden, met by retail takers
only, never taking. Retail flow is less informed about what comes next, so it may be quoted closer:
Glosten and Milgrom (1985), "Bid, ask and transaction prices in a specialist market with
heterogeneously informed traders", Journal of Financial Economics 14(1). The maker pays a premium
on his fee for it (contract section 7).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer
from engine.strategy import Figure, Reasoning, Strategy, View
from engine.types import Stp, TwoSidedQuote
from strategies.ladder import (
    BPS,
    Ladder,
    NotNegative,
    Rung,
    Rungs,
    held_share,
    price_moved,
    rungs_of,
    two_sided,
)
from strategies.reasons import against_inventory, ladder_of, mid_of_others, told


class RpiOverlay(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote one hidden level inside a visible ladder, both skewed against inventory."""

    ladder: Ladder
    """Visible levels, best first; 1..10."""
    half_spread_bps: NotNegative
    """Distance of the best visible level from the reference, basis points of price, 0..10,000.
    Higher: fewer fills, each earning more."""
    rpi_qty: str
    """Size of the hidden level, base asset, above zero, as a decimal string; must fit the market's
    precision. Room is given to it first."""
    rpi_stp: Stp
    """Its self-trade prevention; a two-sided strategy must choose."""
    rpi_half_spread_bps: NotNegative
    """Its distance from the reference, basis points of price, 0..10,000. Lower: better prices for
    retail, more fills, each earning less. Where it is not inside the visible quote, it is left
    out."""
    rpi_fee_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    """Floor of that distance in the account's maker fees, premium included, 0..100. At 1, what a
    buy and a sell earn pays for both."""
    skew_bps: NotNegative = 5.0
    """Shift against the inventory when it is full, basis points. Higher: sheds it faster."""

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes do not matter."""
        return price_moved(before, after)

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the levels; a side without room for one minimal order is left out."""
        mid, reservation = self._around(view, held_share(view))
        rungs, best_bps = self._rungs(view, self._rpi_bps(view))
        basis_point = mid / BPS
        half = best_bps * basis_point
        return two_sided(view, rungs, reservation - half, reservation + half, basis_point)

    def reason(self, view: View) -> Reasoning:
        """Return what both ladders stand around, and how far each is from it."""
        share, rpi_bps = held_share(view), self._rpi_bps(view)
        mid, reservation = self._around(view, share)
        rungs, best_bps = self._rungs(view, rpi_bps)
        has_rpi, by_fee = len(rungs) > len(self.ladder), rpi_bps > self.rpi_half_spread_bps
        by, best = "fee_multiple" if by_fee else "half_spread_bps", "rpi" if has_rpi else "visible"
        figures = (
            mid_of_others(mid),
            *against_inventory(share, mid, reservation),
            Figure("half_spread_visible", self.half_spread_bps, "bps", "of the visible ladder"),
            Figure("half_spread_rpi", rpi_bps, "bps", f"of the hidden level: by rpi_{by}"),
            Figure("half_spread", best_bps * (mid / BPS), "ticks", f"of the best level: {best}"),
        )
        words = () if has_rpi else ("no hidden level: it would not be inside the visible ones",)
        return told(view, rungs, figures, *words)

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        rungs, _ = self._rungs(view, reasoning.figure("half_spread_rpi") or 0.0)
        return ladder_of(view, rungs, reasoning)

    def _around(self, view: View, share: float) -> tuple[float, float]:
        mid = (view.bid_price + view.ask_price) / 2
        return mid, mid - self.skew_bps * share * (mid / BPS)

    def _rungs(self, view: View, rpi_bps: float) -> tuple[Rungs, float]:
        # The levels, the hidden one first where it is inside, and how far the best of them is.
        decimals, best_bps = view.market.qty_decimals, self.half_spread_bps
        rungs, inside_bps = rungs_of(self.ladder, decimals), best_bps - rpi_bps
        # Also where it is left out, so that a size that does not fit is refused at the start.
        hidden = rungs_of((Rung(self.rpi_qty, self.rpi_stp, rpi=True),), decimals)
        if inside_bps <= 0.0:
            return rungs, best_bps
        behind = [(inside_bps + away, qty, stp, rpi) for away, qty, stp, rpi in rungs]
        return hidden + tuple(behind), best_bps - inside_bps

    def _rpi_bps(self, view: View) -> float:
        # The fee is asked for only where it counts: it is a decimal, and slow.
        if not self.rpi_fee_multiple:
            return self.rpi_half_spread_bps
        by_fee = self.rpi_fee_multiple * (float(view.rpi_fee_rate) * BPS)
        return by_fee if by_fee > self.rpi_half_spread_bps else self.rpi_half_spread_bps
