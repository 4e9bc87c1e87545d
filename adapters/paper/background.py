"""The market flow's hands: resting liquidity level by level, and takers.

The background owns one account that rests and one that takes. Its part of a level is set to a
wanted size without touching the priority of user orders: it shrinks from its newest order on,
and grows in place only while nobody queues behind it, else by a new order at the back [C].
"""

from __future__ import annotations

from adapters.paper.checks import to_decimal
from adapters.paper.exchange import Exchange
from adapters.paper.ledger import Seat
from adapters.paper.model import (
    FLOW_MAKER,
    FLOW_TAKER,
    Order,
    OrderType,
    Side,
    Status,
    Stp,
)

_BAND_SCALE = 10**8


class Background:
    """The background participants of one market."""

    def __init__(self, exchange: Exchange, market: str) -> None:
        """Take the seats; raises KeyError when the exchange has no flow accounts."""
        self._exchange = exchange
        self._matcher = exchange.matcher
        self.market = exchange.markets[market]
        self._maker: Seat = exchange.accounts[FLOW_MAKER].seats[market]
        self._taker: Seat = exchange.accounts[FLOW_TAKER].seats[market]
        band = to_decimal(exchange.config.taker_band)
        assert band is not None, f"taker_band {exchange.config.taker_band} is not a number"
        self._band = int(band * _BAND_SCALE)
        # Own resting orders by side and price, oldest first; those that ended
        # meanwhile are dropped when met.
        self._resting: dict[Side, dict[int, list[Order]]] = {Side.BUY: {}, Side.SELL: {}}

    def levels(self, side: Side) -> list[int]:
        """Return the prices at which the background may rest, in ticks, unordered."""
        return list(self._resting[side])

    def set_level(self, side: Side, ticks: int, lots: int, now_us: int) -> None:
        """Make the background's part of a level `lots`, 0 to leave it.

        Size that crosses user orders trades with them at their prices; own stale orders in the
        way are removed, never traded with.
        """
        self._exchange.advance(now_us)
        resting = self._resting[side]
        open_orders = self._maker.orders
        orders = [o for o in resting.get(ticks, ()) if o.order_id in open_orders]
        change = lots - sum(order.leaves_lots for order in orders)
        if change > 0:
            self._grow(side, ticks, change, orders)
        elif change < 0:
            self._shrink(orders, -change)
        if orders:
            resting[ticks] = orders
        else:
            resting.pop(ticks, None)
        self._matcher.finish(self.market)

    def clear_through(self, side: Side, ticks: int, now_us: int) -> None:
        """Leave every level of `side` that is better priced than `ticks`."""
        sign = 1 if side is Side.BUY else -1
        for price in [p for p in self._resting[side] if (p - ticks) * sign > 0]:
            self.set_level(side, price, 0, now_us)

    def take(
        self, side: Side, lots: int, now_us: int, *, ticks: int | None = None, retail: bool = False
    ) -> Order:
        """Send an aggressive order: IOC limited to `ticks`, or a market order (10.3).

        A market order stops at the taker band from the best opposite price; on an empty book it
        ends at once.
        """
        self._exchange.advance(now_us)
        best, _ = self.market.opposite(side)[0].best()
        reach = best * self._band // _BAND_SCALE
        order = self._order(self._taker, side, ticks or 0, lots)
        order.ioc = True
        order.retail = retail
        if ticks is None:
            perpetual = self.market.spec.is_perpetual
            order.type = OrderType.MARGIN_MARKET if perpetual else OrderType.MARKET
            ticks = best + reach if side is Side.BUY else best - reach
        self._matcher.submit(self._taker, order, ticks)
        if order.type in (OrderType.MARKET, OrderType.MARGIN_MARKET) and order.leaves_lots:
            banded = bool(self.market.opposite(side)[0].keys)
            order.status = Status.CANCELED_TAKER_BAND if banded else Status.CANCELED
        self._matcher.finish(self.market)
        return order

    def _grow(self, side: Side, ticks: int, lots: int, orders: list[Order]) -> None:
        book = self.market.bids if side is Side.BUY else self.market.asks
        if orders:
            queue = book.levels[ticks].orders
            if next(reversed(queue)) == orders[-1].order_id:
                orders[-1].lots += lots
                book.grow(orders[-1], lots)
                return
        order = self._order(self._maker, side, ticks, lots)
        order.stp = Stp.CANCEL_OLD
        self._matcher.submit(self._maker, order, ticks)
        if order.leaves_lots:
            orders.append(order)

    def _shrink(self, orders: list[Order], lots: int) -> None:
        while lots:
            order = orders[-1]
            if order.leaves_lots <= lots:
                lots -= order.leaves_lots
                orders.pop()
                self._matcher.cancel(self._maker, order)
            else:
                order.lots -= lots
                self.market.own_side(order).shrink(order, lots)
                return

    def _order(self, seat: Seat, side: Side, ticks: int, lots: int) -> Order:
        perpetual = self.market.spec.is_perpetual
        return Order(
            order_id=self._matcher.next_order_id(),
            account=seat.account.spec.name,
            market=self.market.spec.name,
            side=side,
            type=OrderType.MARGIN_LIMIT if perpetual else OrderType.LIMIT,
            ticks=ticks,
            lots=lots,
            leaves_lots=lots,
            ctime_us=self._matcher.now_us,
            mtime_us=self._matcher.now_us,
            source="flow",
        )
