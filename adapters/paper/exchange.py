"""The exchange core: a pure, deterministic function of configuration and timed requests.

No sockets, no clock: every method takes `now_us`. Results come back at once; everything that
subscribers may see waits, in order, for `drain()`.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.paper import checks, rejects
from adapters.paper.account_actions import AccountActions
from adapters.paper.ledger import Account, Ledger, Seat
from adapters.paper.market import Market
from adapters.paper.matching import Matcher
from adapters.paper.model import (
    US_PER_S,
    CancelOrder,
    ExchangeConfig,
    KillSwitch,
    ModifyOrder,
    NewOrder,
    Notice,
    Order,
    OrderType,
    PositionSide,
    Reject,
    Side,
    Status,
)
from adapters.paper.perpetuals import Perpetuals


class Exchange(AccountActions):
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
        self._next_timer_us: int | None = None

    def drain(self) -> list[Notice]:
        """Return and forget the notices since the last drain, in the order of 10.13."""
        notices = self.matcher.outbox
        self.matcher.outbox = []
        return notices

    def place(self, account: str, request: NewOrder, now_us: int) -> Order | Reject:
        """Place a limit order (5.1, 6.1, 10.1-10.4); the order is as the engine left it."""
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
        wanted = self._check_modify(seat, old, request)
        if isinstance(wanted, Reject):
            return wanted
        ticks, lots = wanted
        new = old.copy()
        new.order_id = self.matcher.next_order_id()
        new.ticks, new.lots, new.leaves_lots = ticks, lots, lots
        new.deal_lots = new.deal_money = new.deal_fee = 0
        new.fee_asset = ""
        new.ctime_us = new.mtime_us = self.matcher.now_us
        if request.stp is not None:
            new.stp = request.stp
        self.matcher.cancel(seat, old)
        # The old order's events come before any of the new one's (10.13, "modify").
        self.matcher.finish(seat.market)
        return self._submit(seat, new)

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
        self, account: str, market: str | None, types: Sequence[str] | None, now_us: int
    ) -> list[Order] | Reject:
        """Cancel all open orders, or those of a market or of product types (5.5).

        Args:
            account: whose.
            market: None for all markets; unknown is code 31.
            types: of `spot`, `margin`, `futures`; None for all.
            now_us: engine time.
        """
        self.advance(now_us)
        if market is not None and market not in self.markets:
            return rejects.UNKNOWN_MARKET
        cancelled: list[Order] = []
        for name, seat in self.accounts[account].seats.items():
            if market in (None, name):
                cancelled += self._cancel_seat(seat, types)
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
            while perpetuals.next_us <= now_us:
                self._fire_timers(perpetuals.next_us)
                perpetuals.tick()
        self._fire_timers(now_us)

    def _fire_timers(self, now_us: int) -> None:
        self.matcher.now_us = now_us
        if self._next_timer_us is None or self._next_timer_us > now_us:
            return
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
        for account in self.accounts.values():
            check_account(account)

    def _find_next_timer(self) -> None:
        ends = [t.cancellation_s for a in self.accounts.values() for t in a.timers.values()]
        self._next_timer_us = min(ends) * US_PER_S if ends else None

    def _place(self, account: str, request: NewOrder) -> Order | Reject:
        seat = self.accounts[account].seats.get(request.market)
        if seat is None or seat.market.spec.is_perpetual is not request.collateral:
            return rejects.UNKNOWN_MARKET
        strict = self.config.strict_position_side
        sided = checks.check_position_side(seat, request, strict=strict)
        if isinstance(sided, Reject):
            return sided
        request = sided
        wanted = checks.check_new(seat, request)
        if isinstance(wanted, Reject):
            return wanted
        ticks, lots = wanted
        order = Order(
            order_id=0,
            account=account,
            market=request.market,
            side=request.side,
            type=OrderType.MARGIN_LIMIT if request.collateral else OrderType.LIMIT,
            ticks=ticks,
            lots=lots,
            leaves_lots=lots,
            ctime_us=self.matcher.now_us,
            mtime_us=self.matcher.now_us,
            client_order_id=request.client_order_id,
            post_only=request.post_only or request.bbo_role == 1,
            ioc=request.ioc,
            rpi=request.rpi,
            # Ignored with postOnly (5.1).
            retail=request.retail and not request.post_only,
            reduce_only=request.reduce_only and request.collateral,
            position_side=request.position_side,
            stp=request.stp,
        )
        refused = self._check_engine(seat, order, None)
        if refused is not None:
            return refused
        # A refused order never existed, so it does not use up an id.
        order.order_id = self.matcher.next_order_id()
        return self._submit(seat, order)

    def _submit(self, seat: Seat, order: Order) -> Order:
        self.matcher.submit(seat, order, order.ticks)
        self.matcher.finish(seat.market)
        return order.copy()

    def _check_engine(self, seat: Seat, order: Order, old: Order | None) -> Reject | None:
        """Refuse by the state of position, funds and book, in this order [C]."""
        modify = old is not None
        if (
            self.config.refuse_flip
            and not order.reduce_only
            and 0 < seat.reducible_lots(order.side) < order.lots
        ):
            return rejects.FLIP_REFUSED
        too_big = checks.check_bracket(seat, order) if seat.market.spec.brackets else None
        if too_big is not None:
            return too_big
        affordable = order.reduce_only or self.ledger.can_afford(
            seat, order.side, order.ticks, order.lots, old, order.position_side
        )
        if not affordable:
            return rejects.no_funds(modify=modify)
        if (order.post_only or order.rpi) and self.matcher.would_take(
            seat.market, order.side, order.ticks
        ):
            return rejects.post_only(collateral=seat.market.spec.is_perpetual, modify=modify)
        return None

    def _check_modify(
        self, seat: Seat, old: Order, request: ModifyOrder
    ) -> tuple[int, int] | Reject:
        ticks, lots = old.ticks, old.leaves_lots
        if request.amount is not None:
            amount = checks.check_amount(seat.market, request.amount)
            if isinstance(amount, Reject):
                return amount
            lots = amount
        if request.price is not None:
            price = checks.check_price(seat.market, request.price)
            if isinstance(price, Reject):
                return price
            ticks = price
        refused = checks.check_total(seat.market, ticks, lots)
        if refused is not None:
            return refused
        if old.reduce_only:
            lots = min(lots, seat.reducible_lots(old.side, old.position_side))
        new = old.copy()
        new.ticks, new.lots = ticks, lots
        refused = self._check_engine(seat, new, old)
        return refused if refused is not None else (ticks, lots)

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

    def _cancel_seat(self, seat: Seat, types: Sequence[str] | None) -> list[Order]:
        if types is not None and seat.market.product not in types:
            return []
        orders = list(seat.orders.values())
        for order in orders:
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
        opened = dict.fromkeys(((p, s) for p in PositionSide for s in Side), 0)
        for order in seat.orders.values():
            assert market.own_side(order).levels[order.ticks].orders[order.order_id] is order
            notional = order.ticks * order.leaves_lots * market.notional_unit
            opened[order.position_side, order.side] += 0 if order.reduce_only else notional
        if account.background:
            continue
        if spec.is_perpetual:
            for p in seat.positions:
                buys, sells = opened[p.side, Side.BUY], opened[p.side, Side.SELL]
                assert (p.open_buys, p.open_sells) == (buys, sells)
            continue
        buys = opened[PositionSide.BOTH, Side.BUY]
        sold = sum(o.leaves_lots for o in seat.orders.values() if o.side is Side.SELL)
        frozen[spec.quote_asset] += buys
        frozen[spec.base_asset] += sold * market.lot_unit
    for asset, funds in account.spot.items():
        assert funds.freeze == frozen[asset], f"{account.spec.name} {asset}"
        assert account.background or funds.available >= 0, f"{account.spec.name} {asset}"
