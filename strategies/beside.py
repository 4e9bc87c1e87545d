"""A spot market and its perpetual, seen from either of the two."""

from __future__ import annotations

from engine.strategy import View
from engine.types import Product
from strategies.ladder import BPS


def in_lots(qty: int, of: View, view: View) -> int:
    """Return lots of another market of the same base asset in those of a view's market.

    Towards zero where they are coarser.
    """
    decimals = view.market.qty_decimals - of.market.qty_decimals
    if decimals >= 0:
        return qty * int(10**decimals)
    lots = abs(qty) // int(10**-decimals)
    return lots if qty > 0 else -lots


def legs_of(view: View, other: View) -> tuple[View, View]:
    """Return the perpetual of the two, then the spot."""
    return (view, other) if view.market.product is Product.PERPETUAL else (other, view)


def basis_bps(perpetual: View, spot: View) -> float:
    """Return how far the perpetual's mid is above the spot's, in basis points."""
    return (_middle(perpetual) / _middle(spot) - 1.0) * BPS


def _middle(view: View) -> float:
    # In the quote asset: ticks of two markets may differ.
    return (view.bid_price + view.ask_price) / 2 / float(10**view.market.price_decimals)
