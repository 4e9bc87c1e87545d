"""What follows from a market's orders: which work, where we are visible, what still owes deals.

Derived again at each change of an order, so that the many decisions in between only compare.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.orders import CLOSED, IDLE, MODIFYING, OPEN, Order
from engine.types import BUY, Side

# Depth is sent every 100 ms (contract 11.5); this spans several frames and the way to us.
GHOST_NS = 400_000_000

class Ladder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Our resting orders by level, when nothing is in flight: what most decisions compare with."""

    bids: tuple[Order, ...]
    asks: tuple[Order, ...]


class Ghost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A price of ours that the venue no longer has and the feed may still show."""

    side: Side
    price: int
    qty: int
    until_ns: int


def is_live(order: Order) -> bool:
    return order.status is not CLOSED


def is_owing(order: Order) -> bool:
    """True for a closed order whose deals have not all come."""
    return bool(order.owed) and order.status is CLOSED


def place_of(order: Order) -> tuple[Side, int, str]:
    """Sort orders by side, level and id."""
    return order.side, order.level, order.client_order_id


def replaced(
    group: tuple[Order, ...], before: Order | None, after: Order, belongs: Callable[[Order], bool]
) -> tuple[Order, ...]:
    """Return a sorted group of orders after one of them changed, came or went.

    Args:
        group: Every order that belonged before, sorted by `place_of`.
        before: The order as it was; None for a new one.
        after: The order as it is.
        belongs: Says who is of the group.
    """
    was_in = before is not None and belongs(before)
    if not belongs(after):
        if not was_in:
            return group
        return tuple([o for o in group if o.client_order_id != after.client_order_id])
    if was_in:
        # Side, level and id never change, so it keeps its place.
        key = after.client_order_id
        return tuple([after if o.client_order_id == key else o for o in group])
    return tuple(sorted((*group, after), key=place_of))


def ladder_of(live: tuple[Order, ...]) -> Ladder | None:
    """Return the ladder, or None while a level is missing, doubled or not simply resting."""
    asks = bids = 0
    for order in live:
        if order.pending is not IDLE or order.status is not OPEN:
            return None
        if order.side is BUY:
            if order.level != bids:
                return None
            bids += 1
        elif order.level != asks:
            return None
        else:
            asks += 1
    # Asks come first in `live`, being sorted by the number of the side.
    return Ladder(live[asks:], live[:asks])


def visible(live: tuple[Order, ...], ghosts: tuple[Ghost, ...], side: Side) -> tuple[int, ...]:
    """Return where one side of ours may show in the feed, flat (price, qty), best first.

    A price may stand more than once. An order whose change is in flight may show at its old price
    and at its new one.
    """
    levels = [(ghost.price, ghost.qty) for ghost in ghosts if ghost.side is side]
    for order in live:
        if order.side is side and not order.rpi:
            levels.append((order.price, order.leaves_qty))
            if order.pending is MODIFYING:
                levels.append((order.wanted_price, order.wanted_qty))
    levels.sort(reverse=side is BUY)
    return tuple([number for level in levels for number in level])


def haunted(
    ghosts: tuple[Ghost, ...], before: Order | None, after: Order, now_ns: int
) -> tuple[Ghost, ...]:
    """Return the ghosts after an order changed; the same tuple when it left no price."""
    if before is None or before.status is CLOSED or before.rpi:
        return ghosts
    if after.status is not CLOSED and after.price == before.price:
        return ghosts
    fresh = tuple([ghost for ghost in ghosts if ghost.until_ns > now_ns])
    return (*fresh, Ghost(before.side, before.price, before.leaves_qty, now_ns + GHOST_NS))
