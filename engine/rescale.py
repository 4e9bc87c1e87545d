"""Orders in new units, for a market whose precision changed between two runs."""

from __future__ import annotations

from msgspec.structs import replace

from engine.orders import Order
from engine.types import Market


def rescaled(order: Order, before: Market, after: Market) -> Order:
    """Return an order in the units of a market whose precision changed, as near as they allow.

    Its size is rounded up and what it filled down: it is to be cancelled, and counts until then.
    """
    ticks = after.price_decimals - before.price_decimals
    lots = after.qty_decimals - before.qty_decimals
    return replace(
        order,
        price=_units(order.price, ticks),
        qty=_units(order.qty, lots),
        leaves_qty=_units(order.leaves_qty, lots),
        wanted_price=_units(order.wanted_price, ticks),
        wanted_qty=_units(order.wanted_qty, lots),
        filled_qty=-_units(-order.filled_qty, lots),
        owed=(),
    )


def _units(units: int, decimals: int) -> int:
    # In units that are smaller by so many decimals (larger when negative), rounded up.
    if decimals >= 0:
        return units * int(10**decimals)
    return -(-units // int(10**-decimals))
