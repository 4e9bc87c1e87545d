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
from engine.strategy import Strategy, View
from engine.types import Stp, TwoSidedQuote
from strategies.ladder import (
    BPS,
    Ladder,
    NotNegative,
    Rung,
    held_share,
    price_moved,
    rungs_of,
    two_sided,
)


class RpiOverlay(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote one hidden level inside a visible ladder, both skewed against inventory."""

    ladder: Ladder
    """Visible levels, best first; 1..10."""
    half_spread_bps: NotNegative
    """Distance of the best visible level from the reference, basis points of price, 0..10,000.
    Higher: fewer fills, each earning more."""
    rpi_qty: str
    """Size of the hidden level, base asset, as a decimal string; must fit the market's precision.
    Room is given to it first."""
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
        mid = (view.bid_price + view.ask_price) / 2
        basis_point = mid / BPS
        reference = mid - self.skew_bps * held_share(view) * basis_point
        decimals = view.market.qty_decimals
        rungs = rungs_of(self.ladder, decimals)
        best_bps = self.half_spread_bps
        inside_bps = best_bps - self._rpi_bps(view)
        if inside_bps > 0.0:
            best_bps -= inside_bps
            hidden = rungs_of((Rung(self.rpi_qty, self.rpi_stp, rpi=True),), decimals)
            rungs = hidden + tuple(
                [(inside_bps + away, qty, stp, rpi) for away, qty, stp, rpi in rungs]
            )
        half = best_bps * basis_point
        return two_sided(view, rungs, reference - half, reference + half, basis_point)

    def _rpi_bps(self, view: View) -> float:
        # The fee is asked for only where it counts: it is a decimal, and slow.
        if not self.rpi_fee_multiple:
            return self.rpi_half_spread_bps
        fee_bps = float(view.rpi_fee_rate) * BPS
        return max(self.rpi_half_spread_bps, self.rpi_fee_multiple * fee_bps)
