"""The market flow's hands: resting liquidity level by level, and takers.

The background owns one account that rests and one that takes. Its part of a level is set to a
wanted size without touching the priority of user orders: it shrinks from its newest order on,
and grows in place only while nobody queues behind it, else by a new order at the back [C].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.ledger import Seat
from adapters.paper.core.model import (
    FLOW_MAKER,
    FLOW_TAKER,
    Order,
    OrderType,
    Side,
    Stp,
)

# Side, ticks, and the wanted lots there, 0 for none.
Level = tuple[Side, int, int]


class FlowLog(Protocol):
    """Keeps what the flow did, see `state.py`."""

    def enrol(self, market: str) -> int:
        """Number a participant."""
        ...

    def set_levels(self, number: int, now_us: int, levels: list[Level]) -> None:
        """Keep changed levels."""
        ...

    def took(
        self, number: int, now_us: int, kind: str, side: Side, ticks: int, lots: int, retail: bool
    ) -> None:
        """Keep a taker's order; `kind` is "take", "take_limit" or "replay_trade"."""
        ...


class Background:
    """The background participants of one market."""

    def __init__(self, exchange: Exchange, market: str) -> None:
        """Take the seats; raises KeyError when the exchange has no flow accounts."""
        self._exchange = exchange
        self._matcher = exchange.matcher
        self._log: FlowLog | None = exchange.flow_log
        self._number = 0 if self._log is None else self._log.enrol(market)
        self.market = exchange.markets[market]
        self._maker: Seat = exchange.accounts[FLOW_MAKER].seats[market]
        self._taker: Seat = exchange.accounts[FLOW_TAKER].seats[market]
        # Own resting orders by side and price, oldest first; those that ended
        # meanwhile are dropped when met.
        self._resting: dict[Side, dict[int, list[Order]]] = {Side.BUY: {}, Side.SELL: {}}

    def set_level(self, side: Side, ticks: int, lots: int, now_us: int) -> None:
        """Make the background's part of one level `lots`, 0 to leave it."""
        self.set_levels([(side, ticks, lots)], now_us)

    def set_levels(self, changes: Iterable[Level], now_us: int) -> None:
        """Make the background's part of each level what (side, ticks, lots) says, as one action.

        In one action nobody sees a half-changed book. Size that crosses user orders trades with
        them at their prices; own stale orders in the way are removed, never traded with.
        """
        self._exchange.advance(now_us)
        open_orders = self._maker.orders
        done: list[Level] = []
        for side, ticks, lots in changes:
            resting = self._resting[side]
            orders = [o for o in resting.get(ticks, ()) if o.order_id in open_orders]
            change = lots
            for order in orders:
                change -= order.leaves_lots
            if change and self._log is not None:
                done.append((side, ticks, lots))
            if change > 0:
                self._grow(side, ticks, change, orders)
            elif change < 0:
                self._shrink(orders, -change)
            if orders:
                resting[ticks] = orders
            else:
                resting.pop(ticks, None)
        if self._log is not None and done:
            self._log.set_levels(self._number, self._matcher.now_us, done)
        self._matcher.finish(self.market)

    def take(self, side: Side, lots: int, now_us: int, *, retail: bool = False) -> Order:
        """Send a market order (10.3); it stops at the taker band from the best opposite price."""
        self._exchange.advance(now_us)
        self._note("take", side, 0, lots, retail)
        perpetual = self.market.spec.is_perpetual
        order = self._order(self._taker, side, 0, lots)
        order.type = OrderType.MARGIN_MARKET if perpetual else OrderType.MARKET
        order.retail = retail
        self._matcher.submit_market(self._taker, order)
        self._matcher.finish(self.market)
        return order

    def take_limit(
        self, side: Side, ticks: int, lots: int, now_us: int, *, retail: bool = False
    ) -> Order:
        """Send an IOC order limited to `ticks`."""
        self._exchange.advance(now_us)
        self._note("take_limit", side, ticks, lots, retail)
        order = self._take_limit(side, ticks, lots, retail)
        self._matcher.finish(self.market)
        return order

    def replay_trade(
        self, side: Side, ticks: int, lots: int, now_us: int, *, retail: bool = False
    ) -> Order:
        """Send a recorded trade: an IOC at its price, for which its maker is made sure to exist.

        Quotes often run ahead of trades, so the level that was hit may be gone. What is missing
        there queues behind all others for just this action, so users keep their priority and the
        volume is not lost; only when quotes have already moved through the price, nothing stands
        in and the trade meets what users have left there.
        """
        self._exchange.advance(now_us)
        self._note("replay_trade", side, ticks, lots, retail)
        resting_side = side.opposite
        open_orders = self._maker.orders
        resting = self._resting[resting_side].get(ticks, ())
        missing = lots - sum(o.leaves_lots for o in resting if o.order_id in open_orders)
        stand_in: Order | None = None
        if missing > 0 and not self._matcher.would_take(self.market, resting_side, ticks):
            stand_in = self._order(self._maker, resting_side, ticks, missing)
            self._matcher.submit(self._maker, stand_in, ticks)
        order = self._take_limit(side, ticks, lots, retail)
        if stand_in is not None and stand_in.leaves_lots:
            self._matcher.cancel(self._maker, stand_in)
        self._matcher.finish(self.market)
        return order

    def play(self, kind: str, side: Side, ticks: int, lots: int, now_us: int, retail: bool) -> None:
        """Do again what a `FlowLog` kept."""
        if kind == "take":
            self.take(side, lots, now_us, retail=retail)
        elif kind == "take_limit":
            self.take_limit(side, ticks, lots, now_us, retail=retail)
        else:
            self.replay_trade(side, ticks, lots, now_us, retail=retail)

    def _note(self, kind: str, side: Side, ticks: int, lots: int, retail: bool) -> None:
        if self._log is not None:
            now_us = self._matcher.now_us
            self._log.took(self._number, now_us, kind, side, ticks, lots, retail)

    def _take_limit(self, side: Side, ticks: int, lots: int, retail: bool) -> Order:
        order = self._order(self._taker, side, ticks, lots)
        order.ioc, order.retail = True, retail
        self._matcher.submit(self._taker, order, ticks)
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
            collateral=perpetual,
            source="flow",
        )
