"""What a market counts in new units, where its precision changed between two runs."""

from __future__ import annotations

from msgspec.structs import replace

from engine.orders import Order
from engine.types import Market
from engine.watch import Watch


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


def rescaled_losses(watch: Watch, before: Market, after: Market) -> Watch:
    """Return what the day and the highest P&L have lost, and the fills, for a P&L that begins anew.

    A loss that is no whole number of the new units is rounded against us.
    """
    decimals = after.notional_decimals - before.notional_decimals
    return replace(
        watch,
        pnl2=0,
        day_pnl2=_units(watch.loss2, decimals),
        peak_pnl2=_units(watch.drawdown2, decimals),
        mid2=0,
    )


def _units(units: int, decimals: int) -> int:
    # In units that are smaller by so many decimals (larger when negative), rounded up.
    if decimals >= 0:
        return units * int(10**decimals)
    return -(-units // int(10**-decimals))
