"""What a market order would trade with, seen before it does, and what it has left (10.3)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from adapters.paper.core.book import BookSide
from adapters.paper.core.market import Market
from adapters.paper.core.model import Order, Side, Stp


def left(order: Order) -> int:
    """Return what is unexecuted: lots, or units of money of an order with a budget."""
    return order.budget - order.deal_money if order.budget else order.leaves_lots


def affordable_lots(order: Order, market: Market, ticks: int) -> int:
    """Return the whole lots at a price that the rest of an order's budget pays for (10.3)."""
    return left(order) // (ticks * market.notional_unit)


def makers(sides: Sequence[BookSide]) -> Iterator[Order]:
    """Yield the orders of one or both opposite sides in priority order (10.1)."""
    if len(sides) == 1:
        return sides[0].orders()
    sign = sides[0].sign
    queues = [side.orders() for side in sides]
    return heapq.merge(*queues, key=lambda order: (-order.ticks * sign, order.rpi))


def foresee(order: Order, opposite: Iterable[Order], reach_ticks: int) -> tuple[int, int]:
    """Return the (lots, ticks x lots) that `order` would trade with these makers, best first."""
    lots = notional = 0
    for maker in opposite:
        within = (
            maker.ticks <= reach_ticks if order.side is Side.BUY else maker.ticks >= reach_ticks
        )
        if not within or lots == order.leaves_lots:
            break
        if maker.account == order.account and order.stp is not Stp.NO:
            if order.stp is Stp.CANCEL_OLD:
                continue
            break
        step = min(order.leaves_lots - lots, maker.leaves_lots)
        lots += step
        notional += step * maker.ticks
    return lots, notional
