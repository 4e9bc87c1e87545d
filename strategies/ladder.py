"""What the strategies share: rungs of a ladder, rounding, room, and never meeting themselves.

A strategy says where its best bid and its best ask belong, as floats. Here they become levels: bids
rounded down and asks up, none that would take, none beyond the inventory limit, no bid at an ask.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Annotated

from msgspec import Meta, Struct

from engine.events import BestBidOffer
from engine.money import lots_of
from engine.strategy import View
from engine.types import Level, Stp, TwoSidedQuote

BPS = 10_000.0

NotNegative = Annotated[float, Meta(ge=0.0, le=BPS)]
"""Basis points of price, 0..10,000."""


class Rung(Struct, frozen=True, forbid_unknown_fields=True, cache_hash=True):
    """One level of the ladder, the same on both sides."""

    qty: str
    """Size, base asset, above zero, as a decimal string; must fit the market's precision."""
    stp: Stp
    """Self-trade prevention of the level; a two-sided strategy must choose."""
    offset_bps: NotNegative = 0.0
    """Distance behind the half-spread, basis points of price, 0..10,000."""
    rpi: bool = False
    """Rest hidden for retail flow only."""


FAR_TICKS = 2.0**53
"""No price is quoted from here on: below it floats know every tick, and records hold every one."""

Ladder = Annotated[tuple[Rung, ...], Meta(min_length=1, max_length=10)]
"""Levels, best first; 1..10."""

Rungs = tuple[tuple[float, int, Stp, bool], ...]
"""Offset, lots and settings of each level at a market's precision."""


@lru_cache(maxsize=64)
def rungs_of(ladder: tuple[Rung, ...], qty_decimals: int) -> Rungs:
    """Return a ladder in lots. The same for every quote, so it is kept.

    Raises:
        ValueError: a size that is none, or does not fit the precision.
    """
    return tuple(
        (rung.offset_bps, lots_of(rung.qty, qty_decimals), rung.stp, rung.rpi) for rung in ladder
    )


def side_levels(
    rungs: Rungs, view: View, best: float, outward: float, sign: int, bound: int
) -> tuple[Level, ...]:
    """Return the levels of one side; one without room for a minimal order ends it.

    Args:
        rungs: Best first.
        view: What is quoted in.
        best: Unrounded price of a level without an offset, ticks.
        outward: A basis point, ticks.
        sign: -1 for bids, +1 for asks.
        bound: Price nearest to the market that the side may have, ticks.
    """
    # `sign` x price grows away from the market on both sides, so rounding up rounds bids down and
    # asks up.
    market = view.market
    qty_min, notional_min = market.qty_min, market.notional_min or 1
    room = view.inventory_max + sign * view.inventory
    start, nearest = sign * best, sign * bound
    # Not by `>=`: what is no number is no price either.
    if not start < FAR_TICKS:
        return ()
    levels: list[Level] = []
    for offset_bps, qty, stp, rpi in rungs:
        away = ceil(start + outward * offset_bps)
        if away < nearest:
            away = nearest
        price = sign * away
        if qty > room:
            qty = room
        if qty < qty_min or price * qty < notional_min:
            break
        room -= qty
        nearest = away + 1
        levels.append(Level(price, qty, stp, rpi))
    return tuple(levels)


def two_sided(view: View, rungs: Rungs, bid: float, ask: float, outward: float) -> TwoSidedQuote:
    """Return ladders from an unrounded best bid and best ask, in ticks, `outward` a basis point.

    Post-only orders may not reach the other side of the market, nor may own bids and asks meet.
    """
    bids = side_levels(rungs, view, bid, outward, -1, view.ask_price - 1)
    nearest = view.bid_price
    if bids and bids[0].price > nearest:
        nearest = bids[0].price
    return TwoSidedQuote(bids, side_levels(rungs, view, ask, outward, 1, nearest + 1))


def held_share(view: View) -> float:
    """Return the inventory as a part of its limit, in [-1, 1]; positive is long."""
    return share_of(view, view.inventory)


def share_of(view: View, lots: int) -> float:
    """Return signed lots as a part of the inventory limit, in [-1, 1]."""
    share = lots / view.inventory_max
    if -1.0 <= share <= 1.0:
        return share
    return 1.0 if share > 0.0 else -1.0


def price_moved(before: BestBidOffer, after: BestBidOffer) -> bool:
    """Say whether a best price changed: what stirs a strategy that looks at no sizes."""
    return after.bid_price != before.bid_price or after.ask_price != before.ask_price
