"""A slow, obvious order book to judge the fast one by: one list, sorted at every step."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.paper.model import Side, Stp


@dataclass
class RefOrder:
    order_id: int
    account: str
    side: Side
    ticks: int
    leaves: int
    rpi: bool = False
    retail: bool = False
    ioc: bool = False
    stp: Stp = Stp.NO


@dataclass
class ReferenceBook:
    """All resting orders in arrival order."""

    orders: list[RefOrder] = field(default_factory=list)
    # (resting id, incoming id, ticks, lots)
    trades: list[tuple[int, int, int, int]] = field(default_factory=list)

    def queue(self, side: Side) -> list[RefOrder]:
        """Return the orders of one side by price, then visible before hidden, then arrival."""
        sign = -1 if side is Side.BUY else 1
        mine = [order for order in self.orders if order.side is side]
        return sorted(mine, key=lambda order: (sign * order.ticks, order.rpi))

    def matchable(self, taker: RefOrder) -> list[RefOrder]:
        """Return what a taker may trade with, in priority order."""
        return [
            maker
            for maker in self.queue(taker.side.opposite)
            if (maker.ticks <= taker.ticks) == (taker.side is Side.BUY)
            or maker.ticks == taker.ticks
            if not maker.rpi or (taker.retail and not taker.rpi)
        ]

    def submit(self, taker: RefOrder) -> None:
        """Match an order and let the rest of it rest, unless it is IOC or was stopped."""
        stopped = False
        while taker.leaves and not stopped and self.matchable(taker):
            maker = self.matchable(taker)[0]
            if maker.account == taker.account and taker.stp is not Stp.NO:
                if taker.stp in (Stp.CANCEL_OLD, Stp.CANCEL_BOTH):
                    self.orders.remove(maker)
                stopped = taker.stp in (Stp.CANCEL_NEW, Stp.CANCEL_BOTH)
                continue
            lots = min(maker.leaves, taker.leaves)
            self.trades.append((maker.order_id, taker.order_id, maker.ticks, lots))
            maker.leaves -= lots
            taker.leaves -= lots
            if not maker.leaves:
                self.orders.remove(maker)
        if taker.leaves and not stopped and not taker.ioc:
            self.orders.append(taker)

    def cancel(self, order_id: int) -> None:
        self.orders = [order for order in self.orders if order.order_id != order_id]
