"""Match orders in price-time priority and tell everyone what happened, in order (10.1-10.5).

One engine action: `begin(now_us)`, any of `submit`, `cancel`, ..., then `finish()`, which puts
the notices in the order of 10.13: deals, ordersPending, ordersExecuted, then public ones.
"""

from __future__ import annotations

from adapters.paper.ledger import Ledger, Seat
from adapters.paper.market import Market
from adapters.paper.model import (
    Deal,
    ExchangeConfig,
    Executed,
    Notice,
    Order,
    Pending,
    PendingEvent,
    PublicTrade,
    Role,
    Side,
    Status,
    Stp,
)


class Matcher:
    """The engine's inner loop, shared by all markets; keeps ids and the outbox."""

    def __init__(self, config: ExchangeConfig, ledger: Ledger, now_us: int) -> None:
        self.now_us = now_us
        self.outbox: list[Notice] = []
        self._ledger = ledger
        self._rpi_match_all = config.rpi_match_all
        self._next_order_id = config.first_order_id
        self._next_deal_id = config.first_deal_id
        self._next_trade_id = config.first_trade_id
        self._deals: list[Notice] = []
        self._pending: list[Notice] = []
        self._executed: list[Notice] = []
        self._trades: list[Notice] = []
        # Seats whose resting reduce-only orders may have lost their position in this action.
        self._reduced: list[Seat] = []
        self.seats: dict[tuple[str, str], Seat] = {}

    def next_order_id(self) -> int:
        order_id = self._next_order_id
        self._next_order_id += 1
        return order_id

    def would_take(self, market: Market, side: Side, ticks: int) -> bool:
        """Say whether an order that may not take would find anything to match (10.2)."""
        visible, hidden = market.opposite(side)
        reach = visible.reachable_key(ticks)
        if visible.keys and visible.keys[-1] >= reach:
            return True
        return self._rpi_match_all and bool(hidden.keys) and hidden.keys[-1] >= reach

    def submit(self, seat: Seat, order: Order, limit_ticks: int) -> None:
        """Match an order down to `limit_ticks`, then rest or finish what is left."""
        ended = self._take(seat, order, limit_ticks)
        if not order.leaves_lots:
            self._end(seat, order, Status.FILLED)
        elif ended is not None:
            self._end(seat, order, ended)
        elif order.ioc:
            self._end(seat, order, Status.CANCELED)
        else:
            self._rest(seat, order)
        self._cancel_unreducing()

    def cancel(self, seat: Seat, order: Order, status: Status = Status.CANCELED) -> None:
        """Take a resting order off the book: P3, X (10.13)."""
        seat.market.own_side(order).remove(order)
        self._forget(seat, order)
        self._end(seat, order, status)

    def finish(self, market: Market) -> None:
        """Put the notices of the action into the outbox."""
        outbox = self.outbox
        for notices in (self._deals, self._pending, self._executed, self._trades):
            if notices:
                outbox += notices
                notices.clear()
        market.tell_changes(outbox, self.now_us)

    def _take(self, seat: Seat, order: Order, limit_ticks: int) -> Status | None:
        """Match until nothing is left or reachable; returns why the rest must go, if so."""
        market = seat.market
        visible, hidden = market.opposite(order.side)
        takes_rpi = not order.rpi and (order.retail or self._rpi_match_all)
        reach = visible.reachable_key(limit_ticks)
        while order.leaves_lots:
            side = visible
            # At one price the visible queue comes first, whenever the RPI order arrived.
            if (
                takes_rpi
                and hidden.keys
                and (not visible.keys or hidden.keys[-1] > visible.keys[-1])
            ):
                side = hidden
            if not side.keys or side.keys[-1] < reach:
                return None
            maker = side.first()
            maker_seat = self.seats[maker.account, maker.market]
            if order.stp is not Stp.NO and maker_seat is seat:
                if order.stp is not Stp.CANCEL_NEW:
                    self.cancel(seat, maker, Status.CANCELED_STP)
                if order.stp is not Stp.CANCEL_OLD:
                    return Status.CANCELED_STP
                continue
            lots = min(order.leaves_lots, maker.leaves_lots)
            if maker.reduce_only:
                lots = min(lots, maker_seat.reducible_lots(maker.side, maker.position_side))
                if not lots:
                    self.cancel(maker_seat, maker, Status.AUTO_CANCELED_REDUCE_ONLY)
                    continue
            if order.reduce_only:
                lots = min(lots, seat.reducible_lots(order.side, order.position_side))
                if not lots:
                    return Status.AUTO_CANCELED_REDUCE_ONLY
            self._fill(seat, order, maker_seat, maker, lots)
        return None

    def _fill(self, seat: Seat, order: Order, maker_seat: Seat, maker: Order, lots: int) -> None:
        """Trade `lots` at the resting price and settle both sides."""
        market, ticks = seat.market, maker.ticks
        self._ledger.hold(maker_seat, maker, -lots)
        market.own_side(maker).shrink(maker, lots)
        order.leaves_lots -= lots
        market.last_ticks = ticks
        self._settle(maker_seat, maker, order, Role.MAKER, ticks, lots)
        self._settle(seat, order, maker, Role.TAKER, ticks, lots)
        trade = PublicTrade(
            trade_id=self._next_trade_id,
            time_us=self.now_us,
            market=market.spec.name,
            ticks=ticks,
            lots=lots,
            side=order.side,
            rpi=maker.rpi,
        )
        self._next_trade_id += 1
        market.recent_trades.append(trade)
        self._trades.append(trade)
        if not maker.leaves_lots:
            self._forget(maker_seat, maker, held=False)
            self._end(maker_seat, maker, Status.FILLED)
        else:
            maker.status = Status.PARTIALLY_FILLED
            if not maker_seat.account.background:
                self._pending.append(Pending(PendingEvent.UPDATED, maker.copy()))
        for touched in (maker_seat, seat):
            if touched.reduce_only_orders:
                self._reduced.append(touched)

    def _settle(
        self, seat: Seat, order: Order, counter: Order, role: Role, ticks: int, lots: int
    ) -> None:
        fee, fee_asset = self._ledger.settle(seat, order, role, ticks, lots, self.now_us)
        money = ticks * lots * seat.market.notional_unit
        order.deal_lots += lots
        order.deal_money += money
        order.deal_fee += fee
        order.fee_asset = fee_asset
        order.mtime_us = self.now_us
        deal_id = self._next_deal_id
        self._next_deal_id += 1
        if seat.account.background:
            return
        deal = Deal(
            deal_id=deal_id,
            time_us=self.now_us,
            account=order.account,
            market=order.market,
            order_id=order.order_id,
            counter_order_id=counter.order_id,
            client_order_id=order.client_order_id,
            side=order.side,
            role=role,
            ticks=ticks,
            lots=lots,
            money=money,
            fee=fee,
            fee_asset=fee_asset,
            rpi=order.rpi or counter.rpi,
        )
        seat.account.deals.append(deal)
        self._deals.append(deal)

    def _rest(self, seat: Seat, order: Order) -> None:
        order.status = Status.PARTIALLY_FILLED if order.deal_lots else Status.OPEN
        self._ledger.hold(seat, order, order.leaves_lots)
        seat.market.own_side(order).add(order)
        seat.orders[order.order_id] = order
        if order.client_order_id:
            seat.client_ids[order.client_order_id] = order
        if order.reduce_only:
            seat.reduce_only_orders += 1
            self._reduced.append(seat)
        if not seat.account.background:
            self._pending.append(Pending(PendingEvent.NEW, order.copy()))

    def _forget(self, seat: Seat, order: Order, *, held: bool = True) -> None:
        """Drop a resting order from its owner; `held` gives back what it still froze."""
        if held:
            self._ledger.hold(seat, order, -order.leaves_lots)
        del seat.orders[order.order_id]
        if order.client_order_id:
            del seat.client_ids[order.client_order_id]
        if order.reduce_only:
            seat.reduce_only_orders -= 1

    def _end(self, seat: Seat, order: Order, status: Status) -> None:
        """Tell that an order is over; it rests no more."""
        order.status = status
        order.mtime_us = order.ftime_us = self.now_us
        if seat.account.background:
            return
        last = order.copy()
        seat.account.finished.append(last)
        self._pending.append(Pending(PendingEvent.FINISHED, last))
        self._executed.append(Executed(last))

    def _cancel_unreducing(self) -> None:
        """End resting reduce-only orders that have no position to reduce any more (10.9)."""
        while self._reduced:
            seat = self._reduced.pop()
            if not seat.reduce_only_orders:
                continue
            for order in list(seat.orders.values()):
                if order.reduce_only and not seat.reducible_lots(order.side, order.position_side):
                    self.cancel(seat, order, Status.AUTO_CANCELED_REDUCE_ONLY)
