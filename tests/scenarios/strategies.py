"""A strategy that takes when it sees a sign, so that what a maker avoids can be made to happen."""

from __future__ import annotations

from decimal import Decimal

from engine.money import to_units
from engine.strategy import View, register
from engine.types import Level, Stp, TwoSidedQuote
from strategies.inventory_skew import InventorySkew

SIGN = "0.017"
"""Size of a best ask that is to be met."""


class Reaching(InventorySkew, frozen=True, forbid_unknown_fields=True):
    """Quotes as its base does, until a best ask of exactly the sign's size: that one it takes."""

    sign: str = SIGN
    """Base asset."""
    reaching_stp: Stp = Stp.NO
    post_only: bool = False
    """Ask for a maker order all the same, which the venue then has to refuse."""

    def quote(self, view: View) -> TwoSidedQuote:
        quote = super().quote(view)
        sign_qty = to_units(Decimal(self.sign), view.market.qty_decimals)
        if view.ask_qty != sign_qty or not quote.bids:
            return quote
        qty = quote.bids[0].qty
        bid = Level(view.ask_price, qty, self.reaching_stp, post_only=self.post_only)
        asks = tuple(level for level in quote.asks if level.price > view.ask_price)
        return TwoSidedQuote((bid,), asks)


register("scenario_reaching", Reaching)
