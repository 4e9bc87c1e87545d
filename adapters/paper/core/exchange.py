"""The exchange core: a pure, deterministic function of configuration and timed requests.

No sockets, no clock: every method takes `now_us`. Results come back at once; everything that
subscribers may see waits, in order, for `drain()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adapters.paper.core import rejects
from adapters.paper.core.conditional_actions import ConditionalActions
from adapters.paper.core.ledger import Account, Ledger, Seat, held_money
from adapters.paper.core.market import Market
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import (
    FLOW_MAKER,
    US_PER_S,
    CancelOrder,
    ExchangeConfig,
    KillSwitch,
    ModifyOrder,
    NewOrder,
    Notice,
    Order,
    PositionSide,
    Reject,
    Side,
    Status,
)
from adapters.paper.core.perpetuals import Perpetuals
from adapters.paper.core.placing import Placer

if TYPE_CHECKING:
    from adapters.paper.core.background import FlowLog


class Exchange(ConditionalActions):
    """All markets and accounts. One call is one engine action at one time stamp (10.1).

    Time never steps back: an earlier `now_us` counts as the latest one seen. Kill-switch timers
    that are due fire before the action. Market names are checked; an unknown *account* is a
    KeyError, since the server authenticated it. What the background does is in `background.py`.
    """

    def __init__(self, config: ExchangeConfig, now_us: int) -> None:
        """Build empty markets and funded accounts; raises ConfigError for inexact settings."""
        self.config = config
        self.markets = {m.name: Market(m, config.trades_max, now_us) for m in config.markets}
        self.accounts: dict[str, Account] = {}
        self.ledger = Ledger(config.first_position_id)
        self.matcher = Matcher(config, self.ledger, now_us)
        for spec in config.accounts:
            self._add_account(spec)
        self.perpetuals = Perpetuals(config, self.markets, self.accounts, self.ledger, self.matcher)
        self.placer = Placer(config, self.ledger, self.matcher)
        self._next_timer_us: int | None = None
        # Set by a venue that keeps its state.
        self.flow_log: FlowLog | None = None

    def begin_position(self, account: str, market: str, lots: int, ticks: int, now_us: int) -> None:
        """Let an account begin with a position, against the background, before anybody traded.

        Args:
            account: whose; in one-way mode.
            market: a perpetual or a margin pair.
            lots: signed, not 0.
            ticks: the price at which it counts as entered.
            now_us: engine time.
        """
        self.advance(now_us)
        traded = self.markets[market]
        sides = [(account, lots)]
        if traded.pool is None:
            sides.append((FLOW_MAKER, -lots))
        else:
            # The pool traded with somebody outside.
            side = Side.BUY if lots > 0 else Side.SELL
            traded.pool.trade(traded, side, ticks, abs(lots))
            deposits, spec = self.ledger.deposits, traded.spec
            for asset, units in (
                (spec.base_asset, lots * traded.lot_unit),
                (spec.quote_asset, -lots * ticks * traded.notional_unit),
            ):
                deposits["spot", asset] = deposits.get(("spot", asset), 0) + units
        for name, signed in sides:
            position = self.accounts[name].seats[market].held[PositionSide.BOTH]
            position.open(next(self.ledger.position_ids), now_us)
            position.enter(signed, ticks * traded.notional_unit, 0)

    def drain(self) -> list[Notice]:
        """Return and forget the notices since the last drain, in the order of 10.13."""
        notices = self.matcher.outbox
        self.matcher.outbox = []
        return notices

    def place(self, account: str, request: NewOrder, now_us: int) -> Order | Reject:
        """Place an order (5.1, 5.3, 6.1, 6.2, 10.1-10.4); it is as the engine left it."""
        self.advance(now_us)
        return self._place(account, request)

    def place_bulk(
        self,
        account: str,
        requests: Sequence[NewOrder | Reject],
        stop_on_fail: bool,
        now_us: int,
    ) -> list[Order | Reject]:
        """Place orders in array order, one time stamp, no rollback (5.2, G-5).

        An item that the server already refused is passed as its `Reject`. With `stop_on_fail`
        the answer ends with the first refused item (G-6).
        """
        self.advance(now_us)
        results: list[Order | Reject] = []
        for request in requests:
            if isinstance(request, Reject):
                result: Order | Reject = request
            else:
                result = self._place(account, request)
            results.append(result)
            if stop_on_fail and isinstance(result, Reject):
                break
        return results

    def modify(self, account: str, request: ModifyOrder, now_us: int) -> Order | Reject:
        """Replace an order by a new one at the back of the queue (10.5); refused = untouched."""
        self.advance(now_us)
        seat = self.accounts[account].seats.get(request.market)
        if seat is None:
            return rejects.UNKNOWN_MARKET
        old = _find(seat, request.order_id, request.client_order_id)
        if old is None:
            return rejects.NOT_FOUND
        return self.placer.modify(seat, old, request)

    def cancel(self, account: str, request: CancelOrder, now_us: int) -> Order | Reject:
        """Cancel one order (5.5); not found is 400 with code 2."""
        self.advance(now_us)
        return self._cancel(account, request, rejects.NOT_FOUND)

    def cancel_bulk(
        self, account: str, requests: Sequence[CancelOrder | Reject], now_us: int
    ) -> list[Order | Reject]:
        """Cancel many, never stopping early (5.5); not found is item code 404."""
        self.advance(now_us)
        return [
            request
            if isinstance(request, Reject)
            else self._cancel(account, request, rejects.BULK_NOT_FOUND)
            for request in requests
        ]

    def cancel_all(
        self,
        account: str,
        market: str | None,
        types: Sequence[str] | None,
        now_us: int,
        side: PositionSide | None = None,
    ) -> list[Order] | Reject:
        """Cancel all open orders, or those of a market, of product types or of a position (5.5).

        Args:
            account: whose.
            market: None for all markets; unknown is code 31.
            types: of `spot`, `margin`, `futures`; None for all.
            now_us: engine time.
            side: position side of the orders, None for all.
        """
        self.advance(now_us)
        if market is not None and market not in self.markets:
            return rejects.UNKNOWN_MARKET
        cancelled: list[Order] = []
        for name, seat in self.accounts[account].seats.items():
            if market in (None, name):
                cancelled += self._cancel_seat(seat, types, side)
        return cancelled

    def set_kill_switch(
        self,
        account: str,
        market: str,
        timeout_s: int | None,
        types: tuple[str, ...] | None,
        now_us: int,
    ) -> KillSwitch | Reject | None:
        """Set, reset or (timeout None) delete the timer of a market (5.6, 10.8).

        The server has checked that the timeout is a string of 5..600; None means deleted.
        """
        self.advance(now_us)
        if market not in self.markets:
            return rejects.UNKNOWN_MARKET
        timers = self.accounts[account].timers
        if timeout_s is None:
            timers.pop(market, None)
        else:
            start_s = self.matcher.now_us // US_PER_S
            timers[market] = KillSwitch(market, start_s, start_s + timeout_s, types)
        self._find_next_timer()
        return timers.get(market)

    def advance(self, now_us: int) -> None:
        """Let time pass: timers (10.8) and the events of perpetuals, each at its time."""
        now_us = max(now_us, self.matcher.now_us)
        perpetuals = self.perpetuals
        if perpetuals.next_us is not None and perpetuals.next_us <= now_us:
            perpetuals.skip_to(now_us)
            acted = True
            while perpetuals.next_us <= now_us:
                self._fire_timers(perpetuals.next_us)
                perpetuals.tick(acted=acted)
                acted = False
        self._fire_timers(now_us)

    def _fire_timers(self, now_us: int) -> None:
        while self._next_timer_us is not None and self._next_timer_us <= now_us:
            self.matcher.now_us = max(self.matcher.now_us, self._next_timer_us)
            self._fire_due()
        self.matcher.now_us = now_us

    def _fire_due(self) -> None:
        now_s = self.matcher.now_us // US_PER_S
        for account in self.accounts.values():
            for timer in list(account.timers.values()):
                if timer.cancellation_s <= now_s:
                    del account.timers[timer.market]
                    self._cancel_seat(account.seats[timer.market], timer.types)
        self._find_next_timer()

    def next_timer_us(self) -> int | None:
        """Return when `advance` has something to do, None for never."""
        return self._next_timer_us

    def check(self) -> None:
        """Assert every invariant of books, freezes and orders; for tests."""
        for market in self.markets.values():
            market.check()
        self.matcher.conditionals.check(self.matcher.seats)
        for account in self.accounts.values():
            check_account(account)
        check_pools(self.markets, self.accounts)

    def _find_next_timer(self) -> None:
        ends = [t.cancellation_s for a in self.accounts.values() for t in a.timers.values()]
        self._next_timer_us = min(ends) * US_PER_S if ends else None

    def _place(self, account: str, request: NewOrder) -> Order | Reject:
        seat = self.accounts[account].seats.get(request.market)
        return rejects.UNKNOWN_MARKET if seat is None else self.placer.place(seat, request)

    def _cancel(self, account: str, request: CancelOrder, missing: Reject) -> Order | Reject:
        seat = self.accounts[account].seats.get(request.market)
        if seat is None:
            return rejects.UNKNOWN_MARKET
        order = _find(seat, request.order_id, request.client_order_id)
        if order is None:
            return missing
        self.matcher.cancel(seat, order)
        self.matcher.finish(seat.market)
        return order.copy()

    def _cancel_seat(
        self, seat: Seat, types: Sequence[str] | None, side: PositionSide | None = None
    ) -> list[Order]:
        product = seat.market.product
        orders = [
            order
            for order in seat.orders.values()
            if side in (None, order.position_side) and (types is None or product(order) in types)
        ]
        for order in orders:
            if order.order_id in seat.orders:  # Else gone with the other leg of its pair.
                self.matcher.cancel(seat, order, Status.CANCELED)
        self.matcher.finish(seat.market)
        return [order.copy() for order in orders]


def _find(seat: Seat, order_id: int | None, client_order_id: str | None) -> Order | None:
    if order_id is not None:
        return seat.orders.get(order_id)
    return seat.client_ids.get(client_order_id or "")


def check_account(account: Account) -> None:
    """Assert that freezes and open notionals are exactly those of the open orders."""
    frozen = dict.fromkeys(account.spot, 0)
    for seat in account.seats.values():
        market, spec = seat.market, seat.market.spec
        holding = []
        for order in seat.orders.values():
            if order.waiting:
                assert market.triggers.orders[order.order_id] is order
            else:
                assert market.own_side(order).levels[order.ticks].orders[order.order_id] is order
            if not (order.waiting and order.oco_id):
                holding.append(order)
        if account.background:
            continue
        money = dict.fromkeys([(p, s) for p in PositionSide for s in Side], 0)
        for order in holding:
            if order.collateral:
                held = 0 if order.reduce_only else held_money(market, order)
                money[order.position_side, order.side] += held
            elif order.side is Side.BUY:
                frozen[spec.quote_asset] += held_money(market, order)
            else:
                frozen[spec.base_asset] += order.leaves_lots * market.lot_unit
        for p in seat.positions:
            buys, sells = money[p.side, Side.BUY], money[p.side, Side.SELL]
            assert (p.open_buys, p.open_sells) == (buys, sells)
    for asset, funds in account.spot.items():
        assert funds.freeze == frozen[asset], f"{account.spec.name} {asset}"
        assert account.background or funds.available >= 0, f"{account.spec.name} {asset}"


def check_pools(markets: Mapping[str, Market], accounts: Mapping[str, Account]) -> None:
    """Assert that positions add up to nothing, or to the stock that a margin pair's pool holds."""
    for name, market in markets.items():
        lots = sum(account.seats[name].lots for account in accounts.values())
        held = 0 if market.pool is None else market.pool.stock
        assert lots * market.lot_unit == held, name
