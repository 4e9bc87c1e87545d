"""What the fills of a grid have turned over: a memory, folded from them alone."""

from __future__ import annotations

from msgspec import Struct

from engine.types import BUY, Role, VenueFill

Orders = list[tuple[int, int]]
"""Price and lots, best first."""


class Turned(Struct, frozen=True, array_like=True, gc=False):
    """Memory: where the grid lies, and what its fills have turned over."""

    centre: int = 0
    """Price of the middle level, ticks; 0 before the market was seen."""
    interval: int = 0
    """Between two levels, ticks."""
    bought: tuple[int, ...] = ()
    """Lots bought at a level less those sold one level up, from the lowest level on."""

    @property
    def below(self) -> int:
        """Levels below the centre, and above."""
        return len(self.bought) // 2


def turned(memory: Turned, fill: VenueFill) -> Turned:
    """Return the memory after a fill of ours; the level nearest to its price turns."""
    # What takes is no order of the grid: somebody flattens, by hand or by a limit.
    if fill.role is not Role.MAKER:
        return memory
    steps2 = 2 * (fill.price - memory.centre) + memory.interval
    slot = memory.below + steps2 // (2 * memory.interval) - (fill.side is not BUY)
    if not 0 <= slot < len(memory.bought):
        return memory
    bought = list(memory.bought)
    bought[slot] += fill.side.sign * fill.qty
    return Turned(memory.centre, memory.interval, tuple(bought))


def wanted(memory: Turned, order_qty: int) -> tuple[Orders, Orders]:
    """Return what is to be bought and to be sold, wherever the market is.

    Args:
        memory: Of the grid as it was laid.
        order_qty: Size of an order, lots.
    """
    buys: Orders = []
    sells: Orders = []
    below, interval = memory.below, memory.interval
    price = memory.centre - below * interval
    for slot, bought in enumerate(memory.bought):
        to_sell = bought + order_qty if slot >= below else bought
        if to_sell < 0:
            to_sell = 0
        elif to_sell > order_qty:
            to_sell = order_qty
        buys.append((price, order_qty - to_sell))
        price += interval
        sells.append((price, to_sell))
    buys.reverse()
    return buys, sells
