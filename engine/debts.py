"""Deals that are owed: ids of an order that are over, whose fills the position does not hold yet.

Only deals change the position, and they may come after the news that their order ended. Until they
do, what the id may have filled counts against the limits.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace


class Owed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Deals of an id that is over which may still come: position does not hold them yet."""

    order_id: int
    """0 where the venue has not told it."""
    qty: int
    """Most lots that it filled."""
    dealt_qty: int
    """Lots of them that deals have told."""


def total(owed: tuple[Owed, ...]) -> int:
    """Most lots that deals may still tell."""
    return sum(ended.qty - ended.dealt_qty for ended in owed)


def ended(
    owed: tuple[Owed, ...], order_id: int, filled_qty: int, dealt_qty: int
) -> tuple[Owed, ...]:
    """An id is over and filled `filled_qty` lots at most, of which deals told `dealt_qty`."""
    others = tuple([debt for debt in owed if debt.order_id != order_id])
    if filled_qty <= dealt_qty:
        return others
    return (*others, Owed(order_id, filled_qty, dealt_qty))


def bounded(owed: tuple[Owed, ...], order_id: int, filled_qty: int) -> tuple[Owed, ...]:
    """The venue told what an id that is over has filled."""
    if not owed:
        return owed
    return _outstanding(
        replace(debt, qty=min(debt.qty, filled_qty)) if debt.order_id == order_id else debt
        for debt in owed
    )


def paid(owed: tuple[Owed, ...], order_id: int, qty: int) -> tuple[Owed, ...]:
    """A deal came, of an id that is over or of one that nothing else has told of (0)."""
    known = any(debt.order_id == order_id for debt in owed)
    payer = order_id if known else 0
    return _outstanding(
        replace(debt, dealt_qty=debt.dealt_qty + qty) if debt.order_id == payer else debt
        for debt in owed
    )


def _outstanding(owed: Iterable[Owed]) -> tuple[Owed, ...]:
    return tuple(debt for debt in owed if debt.dealt_qty < debt.qty)
