"""Match orders in price-time priority and tell everyone what happened, in order (10.1-10.5).

One engine action: any of `submit`, `submit_market`, `wait`, `cancel`, ..., then `finish()`, which
puts the notices in the order of 10.13: deals, ordersPending, ordersExecuted, then public ones.
Stops that a fill triggers enter matching once the order that filled is through, oldest first,
in the same action, and so do those that they trigger (10.1).
"""

from __future__ import annotations

from collections import deque

from adapters.paper.core import sweep
from adapters.paper.core.book import BookSide
from adapters.paper.core.conditionals import Conditionals
from adapters.paper.core.ledger import Ledger, Seat, held_money
from adapters.paper.core.market import Market
from adapters.paper.core.model import (
    RATE_DECIMALS,
    Deal,
    ExchangeConfig,
    Executed,
    Notice,
    Order,
    OrderType,
    Pending,
    PendingEvent,
    PublicTrade,
    Role,
    Side,
    Status,
    Stp,
    to_rate,
)

RATE_SCALE: int = 10**RATE_DECIMALS
_STOP_MARKETS = (OrderType.STOP_MARKET, OrderType.MARGIN_STOP_MARKET)


class Matcher:
    """The engine's inner loop, shared by all markets; keeps ids and the outbox."""

    def __init__(self, config: ExchangeConfig, ledger: Ledger, now_us: int) -> None:
        self.now_us = now_us
        self.outbox: list[Notice] = []
        self.tells_public = True
        """Whether somebody listens to books and trades."""
        self._ledger = ledger
        self._rpi_match_all = config.rpi_match_all
        self._taker_band = to_rate(config.taker_band)
        self._next_order_id = config.first_order_id
        self._next_deal_id = config.first_deal_id
        self._next_trade_id = config.first_trade_id
        self._deals: list[Notice] = []
        self._pending: list[Notice] = []
        self._executed: list[Notice] = []
        self._trades: list[Notice] = []
        # The notices of one action in the order in which they are told (10.13).
        self._told = (self._deals, self._pending, self._executed, self._trades)
        # Seats whose resting reduce-only orders may have lost their position in this action.
        self._reduced: list[Seat] = []
        # Stops that were triggered in this action and have not entered matching yet.
        self._triggered: deque[Order] = deque()
        self._activated: Order | None = None
        self.seats: dict[tuple[str, str], Seat] = {}
        self.conditionals = Conditionals(self, config.first_conditional_id)

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
        self._enter(seat, order, limit_ticks)
        self._run_triggered()

    def submit_market(self, seat: Seat, order: Order) -> None:
        """Match a market order; what it cannot have is cancelled (10.3)."""
        self._enter_market(seat, order)
        self._run_triggered()

    def wait(self, seat: Seat, order: Order) -> None:
        """Let a stop wait for its trigger: P1 (10.7)."""
        self._ledger.hold_waiting(seat, order, 1)
        seat.market.triggers.add(order)
        self._keep(seat, order)
        self._pending.append(Pending(PendingEvent.NEW, order.copy()))

    def cancel(self, seat: Seat, order: Order, status: Status = Status.CANCELED) -> None:
        """Take an open order off the book or from the waiting stops: P3, X (10.13)."""
        if order.waiting:
            seat.market.triggers.remove(order)
            self._ledger.hold_waiting(seat, order, -1)
        else:
            seat.market.own_side(order).remove(order)
            self._ledger.hold(seat, order, -order.leaves_lots)
        self._forget(seat, order)
        self._end(seat, order, status)

    def market_reach(self, market: Market, order: Order) -> int | None:
        """Return the last price that a market order may trade at, None when nothing is there.

        The taker band counts from the best opposite price (10.3).
        """
        sides = self._matchable(market, order)
        best = [side.keys[-1] * side.sign for side in sides if side.keys]
        if not best:
            return None
        if order.side is Side.BUY:
            return min(best) + min(best) * self._taker_band // RATE_SCALE
        return max(best) - max(best) * self._taker_band // RATE_SCALE

    def buys_something(self, market: Market, order: Order) -> bool:
        """Say whether an order's budget pays for one lot at the best price that it can take."""
        best = min(s.keys[-1] * s.sign for s in self._matchable(market, order) if s.keys)
        return sweep.affordable_lots(order, market, best) > 0

    def market_sweep(self, seat: Seat, order: Order, reach_ticks: int) -> tuple[int, int]:
        """Return the (lots, notional in ticks x lots) that a market order would trade now."""
        sides = self._matchable(seat.market, order)
        return sweep.foresee(order, sweep.makers(sides), reach_ticks)

    def finish(self, market: Market) -> None:
        """Put the notices of the action into the outbox."""
        outbox = self.outbox
        for notices in self._told:
            if notices:
                outbox += notices
                notices.clear()
        if self.tells_public:
            market.tell_changes(outbox, self.now_us)

    def _enter(self, seat: Seat, order: Order, limit_ticks: int) -> None:
        ended = self._take(seat, order, limit_ticks)
        if not order.leaves_lots:
            self._end(seat, order, Status.FILLED)
        elif ended is not None:
            self._end(seat, order, ended)
        elif order.ioc:
            # What liquidation could not close is tried again, so its part is not cancelled (8).
            partly = order.source == "liquidation" and order.deal_lots
            self._end(seat, order, Status.PARTIALLY_FILLED if partly else Status.CANCELED)
        else:
            self._rest(seat, order)
        self._cancel_unreducing()

    def _enter_market(self, seat: Seat, order: Order) -> None:
        reach = self.market_reach(seat.market, order)
        ended = None if reach is None else self._take(seat, order, reach)
        if not sweep.left(order):
            ended = Status.FILLED
        elif ended is None:
            more = any(side.keys for side in self._matchable(seat.market, order))
            ended = Status.CANCELED_TAKER_BAND if more else Status.CANCELED
        self._end(seat, order, ended)
        self._cancel_unreducing()

    def _run_triggered(self) -> None:
        """Let the triggered stops enter matching, and those that they trigger in turn."""
        while self._triggered:
            order = self._triggered.popleft()
            seat = self.seats[order.account, order.market]
            # One that was cancelled meanwhile, by the other leg or for its position, is over.
            if seat.orders.get(order.order_id) is order:
                self._activate(seat, order)

    def _activate(self, seat: Seat, order: Order) -> None:
        """Turn a triggered stop into the order it stands for: P1 again, then as that one."""
        self._ledger.hold_waiting(seat, order, -1)
        self._forget(seat, order)
        order.activated_us = order.mtime_us = self.now_us
        if not order.lots and not order.budget:
            closing = seat.reducible_lots(order.side, order.position_side)
            order.lots = order.leaves_lots = closing
        self._pending.append(Pending(PendingEvent.NEW, order.copy()))
        if order.type in _STOP_MARKETS:
            self._enter_market(seat, order)
        elif order.bbo_role and not self._resolve_price(seat, order):
            self._end(seat, order, Status.CANCELED)
        else:
            self._activated = order
            self._enter(seat, order, order.ticks)
            self._activated = None

    def _resolve_price(self, seat: Seat, order: Order) -> bool:
        """Give a stop-limit its `bboRole` price; without one or its funds it is cancelled [C]."""
        order.ticks = seat.market.role_ticks(order.side, order.bbo_role)
        money = held_money(seat.market, order)
        return order.ticks > 0 and self._ledger.can_pay(seat, order, money, order.leaves_lots, None)

    def _takes_rpi(self, order: Order) -> bool:
        return not order.rpi and (order.retail or self._rpi_match_all)

    def _matchable(self, market: Market, order: Order) -> tuple[BookSide, ...]:
        """Return the sides that an order may take from, the visible one first."""
        visible, hidden = market.opposite(order.side)
        return (visible, hidden) if self._takes_rpi(order) else (visible,)

    def _take(self, seat: Seat, order: Order, limit_ticks: int) -> Status | None:
        """Match until nothing is left or reachable; returns why the rest must go, if so."""
        market = seat.market
        visible, hidden = market.opposite(order.side)
        takes_rpi = self._takes_rpi(order)
        reach = visible.reachable_key(limit_ticks)
        while order.leaves_lots or order.budget:
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
            if order.budget:
                lots = min(sweep.affordable_lots(order, market, maker.ticks), maker.leaves_lots)
                if not lots:
                    return Status.FILLED if order.deal_lots else Status.CANCELED
            else:
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
        if not order.budget:
            order.leaves_lots -= lots
        market.last_ticks = ticks
        self._settle(maker_seat, maker, order, Role.MAKER, ticks, lots)
        self._settle(seat, order, maker, Role.TAKER, ticks, lots)
        if self.tells_public:
            self._tell_trade(market, order, maker, lots)
        if market.triggers.orders:
            self._triggered += market.triggers.take_due(ticks)
        if maker.oco_id:
            self.conditionals.executed(maker_seat, maker)
        if order.oco_id:
            self.conditionals.executed(seat, order)
        if not maker.leaves_lots:
            self._forget(maker_seat, maker)
            self._end(maker_seat, maker, Status.FILLED)
        else:
            maker.status = Status.PARTIALLY_FILLED
            if not maker_seat.account.background:
                self._pending.append(Pending(PendingEvent.UPDATED, maker.copy()))
        for touched in (maker_seat, seat):
            if touched.reduce_only_orders:
                self._reduced.append(touched)

    def _tell_trade(self, market: Market, order: Order, maker: Order, lots: int) -> None:
        trade = PublicTrade(
            trade_id=self._next_trade_id,
            time_us=self.now_us,
            market=market.spec.name,
            ticks=maker.ticks,
            lots=lots,
            side=order.side,
            rpi=maker.rpi,
        )
        self._next_trade_id += 1
        market.recent_trades.append(trade)
        self._trades.append(trade)

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
        self._keep(seat, order)
        if order.reduce_only:
            self._reduced.append(seat)
        if seat.account.background:
            return
        if order is not self._activated:
            self._pending.append(Pending(PendingEvent.NEW, order.copy()))
        elif order.deal_lots:
            # Event 1 was told when this stop was activated, just now.
            self._pending.append(Pending(PendingEvent.UPDATED, order.copy()))

    def _keep(self, seat: Seat, order: Order) -> None:
        """Make an order one of its owner's open orders."""
        seat.orders[order.order_id] = order
        if order.client_order_id:
            seat.client_ids[order.client_order_id] = order
        if order.reduce_only:
            seat.reduce_only_orders += 1

    def _forget(self, seat: Seat, order: Order) -> None:
        """Drop an open order from its owner."""
        del seat.orders[order.order_id]
        if seat.client_ids.get(order.client_order_id) is order:
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
        if order.oco_id or order.oto is not None:
            self.conditionals.ended(seat, order)

    def _cancel_unreducing(self) -> None:
        """End resting reduce-only orders that have no position to reduce any more (10.9)."""
        while self._reduced:
            seat = self._reduced.pop()
            if not seat.reduce_only_orders:
                continue
            for order in list(seat.orders.values()):
                if order.order_id not in seat.orders:
                    continue  # Gone with the other leg of its pair.
                if order.reduce_only and not seat.reducible_lots(order.side, order.position_side):
                    self.cancel(seat, order, Status.AUTO_CANCELED_REDUCE_ONLY)
