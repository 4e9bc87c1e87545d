"""The two positions of a perpetual on an account in hedge mode (contract 10.9).

A market has a long and a short position there, its legs, and each order names the one that it is
for. The inventory is the long leg minus the short one; strategies and limits see nothing else. Each
leg is the fold of its own deals, and both are compared with what the venue reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from engine.types import BOTH, BUY, LONG, SELL, SHORT, Position, PositionSide, Side

OPENING = {BUY: LONG, SELL: SHORT}
"""The leg that an order of a side opens or adds to."""
REDUCING = {BUY: SHORT, SELL: LONG}
"""The leg that an order of a side reduces."""


class Legs(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Both legs by the deals, lots. Below zero only where a deal was laid at the wrong one."""

    long: int = 0
    short: int = 0
    past: tuple[tuple[int, int, int], ...] = ()
    """What they were in the last seconds: (until ns, long, short)."""

    @property
    def net_qty(self) -> int:
        return self.long - self.short


def dealt(
    legs: Legs, side: Side, position_side: PositionSide, qty: int, now_ns: int, oldest_ns: int
) -> Legs:
    """Count a deal.

    Args:
        legs: Before it.
        side: Of our order.
        position_side: Of our order; BOTH for a deal of an order that is not ours, of which nobody
            tells the leg. The one that it can reduce is taken, and a report corrects it.
        qty: Lots, > 0.
        now_ns: State time.
        oldest_ns: What the legs were before this moment is forgotten.
    """
    if position_side is BOTH:
        held = legs.short if side is BUY else legs.long
        position_side = REDUCING[side] if held >= qty else OPENING[side]
    past = tuple([each for each in legs.past if each[0] >= oldest_ns])
    past = (*past, (now_ns, legs.long, legs.short))
    if position_side is LONG:
        return Legs(legs.long + side.sign * qty, legs.short, past)
    return Legs(legs.long, legs.short - side.sign * qty, past)


def reported(positions: Iterable[Position]) -> Legs:
    """Return the legs as the venue reports them; the sign of a position says which it is."""
    quantities = [position.qty for position in positions]
    return Legs(sum([max(qty, 0) for qty in quantities]), sum([max(-qty, 0) for qty in quantities]))


def were(legs: Legs, told: Legs, oldest_ns: int) -> bool:
    """Say whether a report equals the legs now, or at some moment since: reports race deals."""
    wanted = (told.long, told.short)
    if (legs.long, legs.short) == wanted:
        return True
    return any(past[1:] == wanted and past[0] >= oldest_ns for past in legs.past)


def of_net(net_qty: int) -> Legs:
    """Return the legs of an account that was one-way: the venue changes the mode of an empty one.

    Args:
        net_qty: Its signed position, lots.
    """
    return Legs(max(net_qty, 0), max(-net_qty, 0))


def followed(legs: Legs, told: Legs) -> Legs:
    """Return the legs once a report was found to be right and the deals wrong."""
    return replace(legs, long=told.long, short=told.short)


def positions_of(positions: Mapping[str, Position], market: str) -> tuple[Position, ...]:
    """Return the positions of a market: two in hedge mode, else one, or none where it is flat."""
    return tuple([position for position in positions.values() if position.market == market])


def key_of(position: Position) -> str:
    """Name a position among all of the account."""
    name = position.market
    return name if position.side is BOTH else f"{name} {position.side.value}"


def misfit(positions: tuple[Position, ...], *, hedged: bool) -> str:
    """Say why reported positions of one market are not of the account's mode; empty if they are."""
    if not hedged:
        if len(positions) > 1:
            return "the account is in hedge mode: found two positions of one market"
        # What a single one is called does not matter, since its sign says all (G-17).
        return ""
    for position in positions:
        if position.side is BOTH:
            return "the account is not in hedge mode: found a position that is neither of the two"
        if (position.qty > 0) is not (position.side is LONG):
            return f"found a {position.side.value} position of {position.qty} lots"
    return ""
