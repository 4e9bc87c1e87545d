"""What follows from a market's orders: which work, where we are visible, what still owes deals.

Derived again at each change of an order, so that the many decisions in between only compare.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.orders import CLOSED, MODIFYING, Order
from engine.types import Side

# Depth is sent every 100 ms (contract 11.5); this spans several frames and the way to us.
GHOST_NS = 400_000_000
LEFT_LEVEL = 1_000
"""Beyond every ladder: where orders of an earlier run stand of which the last word is unknown."""

Shown = dict[int, int]
"""Where one side of ours may show in the feed, ghosts too: price -> quantity. An order whose change
is in flight has both its old price and its new one. Never written to once it is in a state."""


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


def in_place(group: tuple[Order, ...], before: Order, after: Order) -> tuple[Order, ...]:
    """Return a group after one order of it changed; its side, level and id never do."""
    place = group.index(before)
    return (*group[:place], after, *group[place + 1 :])


def moved(
    group: tuple[Order, ...], before: Order | None, after: Order, belongs: Callable[[Order], bool]
) -> tuple[Order, ...]:
    """Return a sorted group of orders after one of them came, went or changed.

    Args:
        group: Every order that belonged before, sorted by `place_of`.
        before: The order as it was; None for a new one.
        after: The order as it is.
        belongs: Says who is of the group.
    """
    rest = group
    if before is not None and belongs(before):
        rest = tuple([o for o in group if o.client_order_id != after.client_order_id])
    return tuple(sorted((*rest, after), key=place_of)) if belongs(after) else rest


def is_whole(orders: tuple[Order, ...]) -> bool:
    """True if one side has one order on each level, from the best on without a hole."""
    return [order.level for order in orders] == list(range(len(orders)))


def visible(orders: tuple[Order, ...], ghosts: tuple[Ghost, ...], side: Side) -> Shown:
    """Return where one side of ours, given its live orders, may show in the feed."""
    shown: Shown = {}
    for ghost in ghosts:
        if ghost.side is side:
            price = ghost.price
            shown[price] = shown.get(price, 0) + ghost.qty
    for order in orders:
        if not order.rpi:
            price = order.price
            shown[price] = shown.get(price, 0) + order.leaves_qty
            if order.pending is MODIFYING:
                wanted = order.wanted_price
                shown[wanted] = shown.get(wanted, 0) + order.wanted_qty
    return shown


def also_at(shown: Shown, price: int, qty: int) -> Shown:
    """Add where a modify that goes out may come to show."""
    return {**shown, price: shown.get(price, 0) + qty}


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
