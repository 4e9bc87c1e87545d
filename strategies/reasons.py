"""What strategies say of how they came to a ladder, and the ladder that follows from it.

Figures that several of them have stand here, so that a name means the same wherever
`quotefold explain` shows it. Each begins with its reference: the ladder counts basis points of it.
"""

from __future__ import annotations

from engine.money import format_units
from engine.strategy import Figure, Reasoning, View
from engine.types import Level, TwoSidedQuote
from strategies.ladder import BPS, Rungs, two_sided


def mid_of_others(mid: float) -> Figure:
    """Return the mid that a strategy sees, in ticks: without our own orders."""
    return Figure("mid_of_others", mid, "ticks", "between the best bid and ask of others")


def against_inventory(
    share: float, reference: float, reservation: float, of: str = "inventory"
) -> tuple[Figure, ...]:
    """Return what the inventory makes of a reference, both in ticks.

    Args:
        share: Inventory as a part of its limit, in [-1, 1].
        reference: What would be quoted around with none.
        reservation: What is quoted around.
        of: Name of what is held.
    """
    return (
        Figure("inventory_share", share, "ratio", f"{of} as a part of its limit"),
        Figure("skew", reservation - reference, "ticks", "shift against inventory"),
        Figure("reservation_price", reservation, "ticks", "what both sides are quoted around"),
    )


def distances(mid: float, below: float, above: float) -> tuple[Figure, ...]:
    """Return how far from the mid, in ticks, both sides are, in basis points, and what that is."""
    basis_point = mid / BPS
    reservation, half = mid + (above - below) / 2 * basis_point, (above + below) / 2 * basis_point
    return (
        Figure("bid_distance", below, "bps", "of the best bid from the mid"),
        Figure("ask_distance", above, "bps", "of the best ask from the mid"),
        Figure("reservation_price", reservation, "ticks", "halfway between our best bid and ask"),
        Figure("half_spread", half, "ticks", "from there to either"),
    )


def best_of(reasoning: Reasoning) -> tuple[float, float, float]:
    """Return the best bid and ask before they are rounded, and a basis point, in ticks."""
    value = {figure.name: figure.value for figure in reasoning.figures}
    reference = reasoning.figures[0].value
    basis_point = reference / BPS
    if "bid_distance" in value:
        below, above = value["bid_distance"], value["ask_distance"]
        return reference - below * basis_point, reference + above * basis_point, basis_point
    reservation, half = value["reservation_price"], value["half_spread"]
    return reservation - half, reservation + half, basis_point


def ladder_of(view: View, rungs: Rungs, reasoning: Reasoning) -> TwoSidedQuote:
    """Return the ladder that follows from the figures of a reasoning, in the same view."""
    return two_sided(view, rungs, *best_of(reasoning))


def told(view: View, rungs: Rungs, figures: tuple[Figure, ...], *words: str) -> Reasoning:
    """Return a reasoning that also says what cut its ladder short."""
    found = Reasoning(figures)
    bid, ask, _ = best_of(found)
    quote = ladder_of(view, rungs, found)
    cuts: list[str] = []
    if bid >= view.ask_price:
        cuts.append("bids stop one tick below the best ask, where they would take")
    if ask <= view.bid_price:
        cuts.append("asks stop one tick above the best bid, where they would take")
    cuts += left_out(view, "bids", len(rungs), quote.bids, view.inventory_max - view.inventory)
    cuts += left_out(view, "asks", len(rungs), quote.asks, view.inventory_max + view.inventory)
    return Reasoning(figures, (*words, *cuts))


def left_out(
    view: View, name: str, count: int, levels: tuple[Level, ...], room: int
) -> tuple[str, ...]:
    """Say how many levels of a side are not there, with the lots that it has room for."""
    missing, market = count - len(levels), view.market
    if not missing:
        return ()
    qty = f"{format_units(max(room, 0), market.qty_decimals)} {market.base_asset}"
    return (f"{missing} of {count} {name} left out, with room for {qty}",)
