"""What the planner makes of one order of ours in a state, and why: the rules of `engine.planner`.

The planner decides for a whole market at once; a person asks about one order. The rules are the
planner's own functions, so a verdict says what it does unless something later stands in the way: a
back-off, a limit, a request budget.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.orders import IDLE, Order
from engine.planner import is_due
from engine.shifting import other_kind
from engine.types import Level, Side


class Kind(StrEnum):
    """What becomes of an order."""

    NEW = "new"
    """Nothing of ours stands on that level: placed if something is wanted there."""
    IN_FLIGHT = "in flight"
    """A request of it has no answer yet: left alone."""
    UNWANTED = "unwanted"
    """Nothing is wanted on its level, or only another kind of order: cancelled."""
    EAGER = "eager"
    """Nearer to the market than wanted by more than the tolerance: moved at once."""
    LARGE = "large"
    """More of it is left than is wanted: moved at once."""
    SHY = "shy"
    """Too far from the market, or too small: moved when the timer fires, within 0.1 s."""
    KEPT = "kept"
    """Good enough: it keeps its place in the queue."""


class Verdict(msgspec.Struct, frozen=True):
    """What the planner makes of one order."""

    kind: Kind
    wanted: int = 0
    """Price that is wanted on its level, ticks; 0 for none."""
    eager: int = 0
    """Ticks that it stands nearer to the market than wanted; negative for further away."""
    reach: int = 0
    """Ticks that are tolerated on its level."""
    waits: bool = False
    """Too shy, and this decision is one that leaves such orders for the timer."""


def judged(order: Order | None, want: Level | None, tolerance: int, patient: bool) -> Verdict:
    """Return what the planner makes of an order.

    Args:
        order: Live; None where nothing of ours stands.
        want: What is wanted on its level, all holds considered; None for nothing.
        tolerance: Of the market's best level, ticks.
        patient: Whether the decision leaves what is merely too shy for the timer.
    """
    price = 0 if want is None else want.price
    if order is None:
        return Verdict(Kind.NEW, price)
    reach = tolerance * (order.level + 1)
    eager = eagerness(order.side, order.price, price) if price else 0
    kind = _kind(order, want, tolerance)
    return Verdict(kind, price, eager, reach, kind is Kind.SHY and patient)


def eagerness(side: Side, price: int, wanted: int) -> int:
    """Return by how many ticks a price is nearer to the market than a wanted one."""
    return side.sign * (price - wanted)


def _kind(order: Order, want: Level | None, tolerance: int) -> Kind:
    if order.pending is not IDLE:
        return Kind.IN_FLIGHT
    if want is None or other_kind(order, want):
        return Kind.UNWANTED
    if is_due(order, want, tolerance, patient=True):
        return Kind.LARGE if order.leaves_qty > want.qty else Kind.EAGER
    return Kind.SHY if is_due(order, want, tolerance, patient=False) else Kind.KEPT
