"""The staged stop of one market: how far it is held back, by whom, and what may then rest.

Theory of operation. Whoever has a reason to hold a market back (a limit of risk, the operator)
sets one `Hold` under the name of its rule; the market's stage is the highest of all its holds. A
hold is only ever changed by its own rule or by a human, so that no rule lifts what another set.
The engine's own changes are part of the `Decided` record, a human's are operator events; both are
folded by `with_hold`.

    QUOTE     as the strategy says
    WIDEN     as the strategy says, but further from the mid
    ONE_SIDE  one side only; the other side's orders are cancelled
    STOP      no new orders and no moves towards the market; what rests may rest
    CANCEL    every own order is cancelled
    FLATTEN   the same, then the inventory is brought to its target: post-only first, then IOC
    OFF       nothing is left to do; a human re-enables
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

import msgspec

from engine.orders import Order
from engine.types import BUY, SELL, Level, Side, TwoSidedQuote

BPS = 10_000
FLATTEN_LEVEL = 99
"""Level of the order that flattens, which no ladder has."""


class Stage(IntEnum):
    """How far a market is held back."""

    QUOTE = 0
    WIDEN = 1
    ONE_SIDE = 2
    STOP = 3
    CANCEL = 4
    FLATTEN = 5
    OFF = 6


# As `engine.types.BUY`: plain names of what is compared most.
QUOTE, WIDEN, ONE_SIDE, STOP = Stage.QUOTE, Stage.WIDEN, Stage.ONE_SIDE, Stage.STOP
CANCEL, FLATTEN, OFF = Stage.CANCEL, Stage.FLATTEN, Stage.OFF


class SideOff(StrEnum):
    """Which side a hold takes off, at whatever stage."""

    NONE = "none"
    BUY = "buy"
    SELL = "sell"
    ADDING = "adding"
    """The side that would bring the position further from zero; both at zero."""


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One reason to hold a market back."""

    rule: str
    """Who holds it: the limit's name, or `operator`. One hold a rule."""
    stage: Stage
    """QUOTE holds nothing: the hold is lifted."""
    reason: str
    """What was found and what is allowed, in words with figures."""
    since_ns: int = 0
    """State time at which the rule's hold reached this stage."""
    human: bool = True
    """Only a human lifts it; False when the rule lowers it by itself."""
    side_off: SideOff = SideOff.NONE
    found: int = 0
    """The figure that was found, in the limit's own unit."""
    limit: int = 0


class StageChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The engine raises, changes or lifts one of its holds: a part of `Decided`."""

    market: str
    hold: Hold


def with_hold(holds: tuple[Hold, ...], hold: Hold) -> tuple[Hold, ...]:
    """Return the holds after one rule's hold was set, or lifted (stage QUOTE)."""
    others = tuple([held for held in holds if held.rule != hold.rule])
    if hold.stage is QUOTE:
        return others
    return tuple(sorted((*others, hold), key=_rule))


def _rule(hold: Hold) -> str:
    return hold.rule


def highest(holds: Iterable[Hold]) -> Stage:
    """Return the stage of a market with these holds."""
    return max([hold.stage for hold in holds], default=QUOTE)


def is_off(holds: Iterable[Hold], side: Side, position: int) -> bool:
    """Say whether a side is off.

    Args:
        holds: Of the market.
        side: BUY or SELL.
        position: Inventory, signed lots.
    """
    own = SideOff.BUY if side is BUY else SideOff.SELL
    adding = position * side.sign >= 0
    off = (own, SideOff.ADDING) if adding else (own,)
    return any(hold.side_off in off for hold in holds)


def staged(
    quote: TwoSidedQuote,
    holds: tuple[Hold, ...],
    position: int,
    widen_bps: int,
    bids: tuple[Order, ...],
    asks: tuple[Order, ...],
) -> TwoSidedQuote:
    """Return what may be wanted of a strategy's quote while a market is held back.

    At STOP the quote still says where resting orders may stay; that nothing is placed is the
    planner's part.

    Args:
        quote: What the strategy wants.
        holds: Of the market, at least one.
        position: Inventory, signed lots.
        widen_bps: How much further from the mid, basis points of each price.
        bids: Our live bids.
        asks: Our live asks.
    """
    stage = highest(holds)
    if stage >= CANCEL:
        return TwoSidedQuote()
    widened = WIDEN in [hold.stage for hold in holds]
    sides = []
    for side, levels, orders in ((BUY, quote.bids, bids), (SELL, quote.asks, asks)):
        if is_off(holds, side, position):
            levels = ()
        if widened:
            levels = tuple([_wider(level, side, widen_bps) for level in levels])
        if stage is STOP:
            levels = _no_nearer(levels, orders, side)
        sides.append(levels)
    return TwoSidedQuote(sides[0], sides[1])


def _wider(level: Level, side: Side, widen_bps: int) -> Level:
    # Rounded away from the market; a bid stays above zero.
    away = -(-level.price * widen_bps // BPS)
    return msgspec.structs.replace(level, price=max(1, level.price - side.sign * away))


def _no_nearer(
    levels: tuple[Level, ...], orders: tuple[Order, ...], side: Side
) -> tuple[Level, ...]:
    # What rests moves away from the market and shrinks, if at all.
    held = list(levels)
    for order in orders:
        if order.level < len(held):
            want = held[order.level]
            nearest = min if side is BUY else max
            held[order.level] = msgspec.structs.replace(
                want,
                price=nearest(want.price, order.price),
                qty=min(want.qty, order.leaves_qty) or want.qty,
            )
    return tuple(held)
