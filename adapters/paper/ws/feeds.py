"""What subscribers are pushed: on each event of the exchange, and on the ticks of the channels.

A frame is encoded once for all its receivers. Order within one engine action is the core's
(10.13): deals, pending, executed; balances follow on their own tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import assert_never

from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import (
    AdlQuantile,
    BboChanged,
    BookChanged,
    Deal,
    Executed,
    Notice,
    Pending,
    PositionEvent,
    PublicTrade,
)
from adapters.paper.data.statistics import Statistics
from adapters.paper.wire import seconds
from adapters.paper.ws import feeds_depth, feeds_market
from adapters.paper.ws import objects as ws_objects
from adapters.paper.ws.feeds_depth import DepthFeed
from adapters.paper.ws.feeds_market import MarketFeed
from adapters.paper.ws.session import Session, push_frame

SPOT_US = 1_000_000
MARGIN_US = 1_500_000
POSITIONS_US = 1_000_000
BORROWS_US = 1_500_000
QUANTILES_US = 1_000_000


class _Tick:
    """Something done every `period_us`, never twice for one period."""

    def __init__(self, period_us: int, now_us: int, act: Callable[[int], None]) -> None:
        self.period_us = period_us
        self.due_us = now_us + period_us
        self.act = act

    def run(self, now_us: int) -> None:
        if now_us >= self.due_us:
            # Periods missed in a stall are skipped: a push shows the present state anyway.
            self.due_us += ((now_us - self.due_us) // self.period_us + 1) * self.period_us
            self.act(now_us)


class Feeds:
    """All connections and the ticks of their channels; times are engine microseconds."""

    def __init__(self, exchange: Exchange, statistics: Statistics, now_us: int) -> None:
        self._exchange = exchange
        # In order of connecting.
        self.sessions: list[Session] = []
        self.depth = DepthFeed(exchange)
        self.market = MarketFeed(exchange, statistics)
        public: tuple[tuple[int, Callable[[Iterable[Session], int], None]], ...] = (
            (feeds_depth.TICK_US, self.depth.tick),
            (feeds_market.LAST_PRICE_US, self.market.push_last_prices),
            (feeds_market.CANDLES_US, self.market.push_candles),
            (feeds_market.STATISTICS_US, self.market.push_statistics),
            (feeds_market.STATISTICS_US, self.market.push_today),
            (feeds_market.PREMIUM_US, self.market.push_premiums),
        )
        self._ticks = (
            *(_Tick(period, now_us, partial(push, self.sessions)) for period, push in public),
            _Tick(SPOT_US, now_us, self._tick_spot),
            _Tick(MARGIN_US, now_us, self._tick_margin),
            _Tick(POSITIONS_US, now_us, self._tick_positions),
            _Tick(BORROWS_US, now_us, self._tick_borrows),
            _Tick(QUANTILES_US, now_us, self._tick_quantiles),
        )

    def next_us(self) -> int:
        """When `tick` has something to do."""
        return min(tick.due_us for tick in self._ticks)

    def tick(self, now_us: int) -> None:
        """Push what is due by the clock."""
        for tick in self._ticks:
            tick.run(now_us)

    def restart_ticks(self, now_us: int) -> None:
        """Begin every period anew, after the clock was stepped."""
        for tick in self._ticks:
            tick.due_us = now_us + tick.period_us
        for session in self.sessions:
            for subscription in session.depth.values():
                subscription.sent_us = now_us

    def publish(self, notices: Iterable[Notice], now_us: int) -> None:
        """Push what is sent on each event, in the order of the events.

        Best prices that change many times in one microsecond of the engine (a maker moving a whole
        ladder) are pushed once, as they are in the end [C].
        """
        best: dict[str, BboChanged] = {}
        for notice in notices:
            match notice:
                case Deal() | Pending() | Executed():
                    self._private(notice)
                case PublicTrade():
                    self._trade(notice)
                case BboChanged():
                    before = best.get(notice.market)
                    if before is not None and before.time_us != notice.time_us:
                        self._book_ticker(before, now_us)
                    best[notice.market] = notice
                case PositionEvent():
                    self._position_event(notice)
                case BookChanged():
                    pass  # The depth tick compares update ids by itself.
                case _:
                    assert_never(notice)
        for change in best.values():
            self._book_ticker(change, now_us)

    def _private(self, notice: Deal | Pending | Executed) -> None:
        subject = notice if isinstance(notice, Deal) else notice.order
        framed: bytes | None = None
        for session in self.sessions:
            if session.account == subject.account and _wants(session, notice):
                framed = framed or self._private_frame(notice)
                session.outbox.push(framed)

    def _private_frame(self, notice: Deal | Pending | Executed) -> bytes:
        if isinstance(notice, Deal):
            spec = self._exchange.markets[notice.market].spec
            return push_frame("deals_update", ws_objects.deal_tuple(notice, spec))
        spec = self._exchange.markets[notice.order.market].spec
        if isinstance(notice, Pending):
            shown = ws_objects.pending_order(notice.order, spec)
            return push_frame("ordersPending_update", [int(notice.event), shown])
        return push_frame("ordersExecuted_update", [ws_objects.executed_order(notice.order, spec)])

    def _position_event(self, notice: PositionEvent) -> None:
        spec = self._exchange.markets[notice.position.market].spec
        told = {"positionsAccountMargin": ws_objects.position(notice.position, spec)}
        if notice.borrow is not None:
            told["borrowsAccountMargin"] = ws_objects.borrow(notice.borrow, spec)
        for channel, shown in told.items():
            framed = push_frame(f"{channel}_update", [int(notice.event), shown])
            for session in self.sessions:
                if session.account == notice.account and channel in session.sets:
                    session.outbox.push(framed)

    def _trade(self, trade: PublicTrade) -> None:
        framed: bytes | None = None
        for session in self.sessions:
            if session.wants("trades", trade.market):
                framed = framed or self.trades_frame(trade.market, [trade])
                session.outbox.push(framed)

    def trades_frame(self, market: str, trades: Iterable[PublicTrade]) -> bytes:
        """One trades_update of one market."""
        spec = self._exchange.markets[market].spec
        shown = [ws_objects.trade(trade, spec) for trade in trades]
        return push_frame("trades_update", [market, shown])

    def _book_ticker(self, change: BboChanged, now_us: int) -> None:
        framed: bytes | None = None
        for session in self.sessions:
            if change.market in session.book_ticker:
                framed = framed or self.book_ticker_frame(change, now_us)
                session.outbox.push(framed)

    def book_ticker_frame(self, best: BboChanged, now_us: int) -> bytes:
        """One bookTicker_update, doubly nested; an empty side is "0", "0" [C]."""
        spec = self._exchange.markets[best.market].spec
        row = [
            seconds(best.time_us),
            seconds(now_us),
            best.market,
            best.update_id,
            spec.price_text(best.bid_ticks),
            spec.qty_text(best.bid_lots),
            spec.price_text(best.ask_ticks),
            spec.qty_text(best.ask_lots),
        ]
        return push_frame("bookTicker_update", [row])

    def book_ticker_snapshot(self, market_name: str, now_us: int) -> bytes:
        """The present best of a market, with the time of its last change."""
        market = self._exchange.markets[market_name]
        best = BboChanged(market_name, market.update_id, market.changed_us, *market.best())
        return self.book_ticker_frame(best, now_us)

    def _tick_spot(self, now_us: int) -> None:
        dirty = self._exchange.take_dirty_spot()
        for session in self.sessions:
            changed = list(dirty.get(session.account, ())) if session.account else []
            wanted = session.chosen("balanceSpot", changed)
            if wanted and session.account is not None:
                balances = self._exchange.spot_balances(session.account)
                # One asset a push, as in every capture: some clients read only the first [C].
                for asset in wanted:
                    shown = {asset: ws_objects.spot_balance(balances[asset])}
                    session.outbox.push(push_frame("balanceSpot_update", [shown]))

    def _tick_margin(self, now_us: int) -> None:
        dirty = self._exchange.take_dirty_collateral()
        for session in self.sessions:
            if session.account is None or session.account not in dirty:
                continue
            held = self._exchange.collateral_balances(session.account)
            balances = {balance.asset: balance for balance in held}
            wanted = session.chosen("balanceMargin", list(balances))
            if wanted:
                shown = [ws_objects.margin_balance_update(balances[asset]) for asset in wanted]
                session.outbox.push(push_frame("balanceMargin_update", shown))

    def _tick_positions(self, now_us: int) -> None:
        # While a position is open, and one empty snapshot after the last closed (G-50) or after
        # a subscribe, so that a client that was away knows [C].
        for session in self.sessions:
            if session.account is None or "positionsMargin" not in session.sets:
                continue
            held = self._exchange.positions(session.account)
            if held or "positionsMargin" in session.owed:
                specs = {each.market: self._exchange.markets[each.market].spec for each in held}
                records = [ws_objects.position_snapshot(p, specs[p.market]) for p in held]
                params = {"total": len(records), "records": records}
                session.outbox.push(push_frame("positionsMargin_update", params))
            session.owed.discard("positionsMargin")
            if held:
                session.owed.add("positionsMargin")

    def _tick_borrows(self, now_us: int) -> None:
        # As positions: while something is borrowed, and once when nothing is [C].
        for session in self.sessions:
            if session.account is None or "borrowsMargin" not in session.sets:
                continue
            lent = self._exchange.borrows(session.account)
            if lent or "borrowsMargin" in session.owed:
                specs = {each.market: self._exchange.markets[each.market].spec for each in lent}
                records = [ws_objects.borrow(each, specs[each.market]) for each in lent]
                params = {"total": len(records), "records": records}
                session.outbox.push(push_frame("borrowsMargin_update", params))
            session.owed.discard("borrowsMargin")
            if lent:
                session.owed.add("borrowsMargin")

    def _tick_quantiles(self, now_us: int) -> None:
        # First what there is, then every change [C].
        for session in self.sessions:
            if session.account is None or "ADLQuantile" not in session.sets:
                continue
            held = {each.market: each for each in self._exchange.adl_quantiles(session.account)}
            perpetuals = [m for m in self._exchange.markets.values() if m.spec.is_perpetual]
            rows: list[tuple[str, int | None, int | None]] = []
            for name in session.chosen("ADLQuantile", [m.spec.name for m in perpetuals]):
                found = held.get(name, AdlQuantile(name, None, None))
                rows.append((name, found.long, found.short))
            if rows != session.quantiles:
                session.quantiles = rows
                session.outbox.push(push_frame("ADLQuantile_update", rows))


def _wants(session: Session, notice: Deal | Pending | Executed) -> bool:
    if isinstance(notice, Deal):
        return session.wants("deals", notice.market)
    if isinstance(notice, Pending):
        return session.wants("ordersPending", notice.order.market)
    types = session.executed_types
    return session.wants("ordersExecuted", notice.order.market) and (
        not types or int(notice.order.type) in types
    )
