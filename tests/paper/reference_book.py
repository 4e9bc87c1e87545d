"""A slow, obvious order book to judge the fast one by: plain lists, sorted at every step."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.paper.core.model import Side, Stp


@dataclass
class RefOrder:
    """An order; `budget` in ticks x lots is what a market buy in money may spend."""

    order_id: int
    account: str
    side: Side
    ticks: int
    leaves: int
    rpi: bool = False
    retail: bool = False
    ioc: bool = False
    stp: Stp = Stp.NO
    market: bool = False
    budget: int | None = None
    trigger: int = 0

    @property
    def wants_more(self) -> bool:
        return self.leaves > 0 if self.budget is None else True

    def lots_of(self, maker: RefOrder) -> int:
        """Return how much of a maker's size this order takes."""
        if self.budget is None:
            return min(maker.leaves, self.leaves)
        return min(maker.leaves, self.budget // maker.ticks)

    def is_due(self, last: int) -> bool:
        return last >= self.trigger if self.side is Side.BUY else last <= self.trigger


@dataclass
class ReferenceBook:
    """All resting orders in arrival order, and the stops in the order they were placed."""

    orders: list[RefOrder] = field(default_factory=list)
    # (resting id, incoming id, ticks, lots)
    trades: list[tuple[int, int, int, int]] = field(default_factory=list)
    stops: list[RefOrder] = field(default_factory=list)
    triggered: list[RefOrder] = field(default_factory=list)
    last: int | None = None

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
            if taker.market
            or (maker.ticks <= taker.ticks) == (taker.side is Side.BUY)
            or maker.ticks == taker.ticks
            if not maker.rpi or (taker.retail and not taker.rpi)
        ]

    def submit(self, taker: RefOrder) -> None:
        """Match an order, and then the stops that were triggered, oldest first."""
        self._match(taker)
        while self.triggered:
            self._match(self.triggered.pop(0))

    def _match(self, taker: RefOrder) -> None:
        """Match an order and let the rest of it rest, unless it may not or was stopped."""
        if taker.market and self.matchable(taker):
            # The band of 5 % from the best price turns it into a limit order.
            best = self.matchable(taker)[0].ticks
            taker.ticks = best + best // 20 if taker.side is Side.BUY else best - best // 20
            taker.market, taker.ioc = False, True
        stopped = taker.market
        while taker.wants_more and not stopped and self.matchable(taker):
            maker = self.matchable(taker)[0]
            if maker.account == taker.account and taker.stp is not Stp.NO:
                if taker.stp in (Stp.CANCEL_OLD, Stp.CANCEL_BOTH):
                    self.orders.remove(maker)
                stopped = taker.stp in (Stp.CANCEL_NEW, Stp.CANCEL_BOTH)
                continue
            lots = taker.lots_of(maker)
            if not lots:
                break
            self._trade(maker, taker, lots)
        if taker.leaves and not stopped and not taker.ioc:
            self.orders.append(taker)

    def _trade(self, maker: RefOrder, taker: RefOrder, lots: int) -> None:
        self.trades.append((maker.order_id, taker.order_id, maker.ticks, lots))
        maker.leaves -= lots
        if taker.budget is None:
            taker.leaves -= lots
        else:
            taker.budget -= lots * maker.ticks
        if not maker.leaves:
            self.orders.remove(maker)
        self.last = maker.ticks
        self.triggered += [stop for stop in self.stops if stop.is_due(maker.ticks)]
        self.stops = [stop for stop in self.stops if not stop.is_due(maker.ticks)]

    def cancel(self, order_id: int) -> None:
        self.orders = [order for order in self.orders if order.order_id != order_id]
        self.stops = [order for order in self.stops if order.order_id != order_id]

    def cancel_account(self, account: str) -> None:
        self.orders = [order for order in self.orders if order.account != account]
        self.stops = [order for order in self.stops if order.account != account]
