"""Our orders as rows: each change of what rests, and each order's life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.events import Filled, FillsListed, Record
from engine.money import format_units
from engine.orders import OPEN, Order
from engine.state import MarketState, State
from engine.types import BUY, Market
from replay.deals import counted_deals, same_units
from replay.export.tables import Row

Emit = Callable[[Row], None]


class _Life:
    """What is known of one order."""

    __slots__ = (
        *("closed_ns", "closed_seq", "fills", "first", "last", "lots", "market", "modifies"),
        *("notional", "order_id", "run_id", "sent_ns", "sent_seq", "shown_ns", "shown_seq"),
    )

    def __init__(self, market: Market, order: Order, run_id: str) -> None:
        self.market, self.run_id = market, run_id
        self.first = self.last = order
        self.sent_seq, self.sent_ns = order.request_seq, order.sent_ns
        self.shown_seq = self.shown_ns = self.closed_seq = self.closed_ns = 0
        self.modifies = self.fills = self.lots = self.notional = 0
        self.order_id = order.order_id

    def took(self, order: Order) -> None:
        """The order is like this now; a new order id is a modify."""
        self.last = order
        if order.order_id and order.order_id != self.order_id:
            self.modifies += bool(self.order_id)
            self.order_id = order.order_id

    def row(self) -> Row:
        spec, first, last = self.market, self.first, self.last
        return (
            first.client_order_id,
            spec.name,
            self.run_id,
            "buy" if first.side is BUY else "sell",
            last.level,
            first.rpi,
            first.post_only,
            first.stp.value,
            self.sent_seq,
            self.sent_ns,
            format_units(first.price, spec.price_decimals),
            format_units(first.qty, spec.qty_decimals),
            self.shown_seq or None,
            self.shown_ns or None,
            self.modifies,
            format_units(last.price, spec.price_decimals),
            last.status.value,
            self.closed_seq or None,
            self.closed_ns or None,
            last.close_reason or None,
            self.fills,
            format_units(self.lots, spec.qty_decimals),
            format_units(self.notional, spec.notional_decimals),
            first.price,
            first.qty,
            last.price,
            self.lots,
        )


class Orders:
    """Follows our orders through a fold."""

    def __init__(self, start: State, quote: Emit, order: Emit) -> None:
        """Begin at a state; `quote` takes rows of `QUOTES`, `order` those of `ORDERS`."""
        self._quote, self._order = quote, order
        self._lives: dict[str, _Life] = {}
        for market in start.markets.values():
            for known in market.live:
                # The journal does not hold its beginning.
                self._begun(market, known)

    def _begun(self, market: MarketState, order: Order) -> _Life:
        run_id = order.client_order_id.partition("-")[0]
        life = _Life(market.quoted.market, order, run_id)
        self._lives[order.client_order_id] = life
        return life

    def _life(self, market: MarketState, order: Order) -> _Life:
        life, spec = self._lives.get(order.client_order_id), market.quoted.market
        if life is not None and not same_units(life.market, spec):
            # A later run counts in other units.
            self._order(life.row())
            life = None
        return self._begun(market, order) if life is None else life

    def observe(self, before: State, record: Record, after: State) -> None:
        """Look for what a record changed; called for all but market data."""
        if after.markets is before.markets:
            return
        for name, market in after.markets.items():
            was = before.markets.get(name)
            if was is market:
                continue
            orders, old = market.orders, {} if was is None else was.orders
            if orders is not old:
                for key, order in orders.items():
                    known = old.get(key)
                    if known is not order:
                        self._changed(market, known, order, record)
                for key, known in old.items():
                    if key not in orders:
                        self._gone(market, known, record)
        for name, was in before.markets.items():
            if name not in after.markets:
                for known in was.orders.values():
                    self._gone(was, known, record)

    def _changed(
        self, market: MarketState, known: Order | None, order: Order, record: Record
    ) -> None:
        life = self._life(market, order)
        # Late news may show an order resting after all.
        life.closed_seq = life.closed_ns = 0
        life.took(order)
        rests, rested = order.status is OPEN, known is not None and known.status is OPEN
        if rests and not life.shown_seq:
            life.shown_seq, life.shown_ns = record.seq, record.recv_ns
        if rests:
            now = (order.order_id, order.price, order.leaves_qty, order.level)
            then = known and (known.order_id, known.price, known.leaves_qty, known.level)
            if not rested:
                self._tell(market, "shown", order, order.leaves_qty, record)
            elif now != then:
                self._tell(market, "changed", order, order.leaves_qty, record)
        elif rested:
            self._tell(market, "gone", known or order, 0, record)

    def _gone(self, market: MarketState, known: Order, record: Record) -> None:
        life = self._life(market, known)
        life.took(market.order(known.client_order_id) or known)
        life.closed_seq, life.closed_ns = record.seq, record.recv_ns
        if known.status is OPEN:
            self._tell(market, "gone", known, 0, record)

    def _tell(
        self, market: MarketState, change: str, order: Order, lots: int, record: Record
    ) -> None:
        spec = market.quoted.market
        self._quote(
            (
                record.seq,
                record.recv_ns,
                spec.name,
                change,
                order.client_order_id,
                order.order_id,
                "buy" if order.side is BUY else "sell",
                order.level,
                order.rpi,
                format_units(order.price, spec.price_decimals),
                format_units(lots, spec.qty_decimals),
                order.price,
                lots,
            )
        )

    def dealt(self, before: State, event: Filled | FillsListed, after: State) -> None:
        """Count deals for the orders they belong to."""
        for counted in counted_deals(before, event, after):
            fill: Any = counted.fill
            life = self._lives.get(fill.client_order_id)
            if life is not None:
                life.fills += 1
                life.lots += fill.qty
                life.notional += fill.price * fill.qty

    def forget(self, state: State) -> None:
        """Write the orders that the engine knows no more."""
        for key, life in list(self._lives.items()):
            market = state.markets.get(life.market.name)
            if market is None or market.order(key) is None:
                self._order(life.row())
                del self._lives[key]

    def end(self) -> None:
        """Write the rest."""
        for life in self._lives.values():
            self._order(life.row())
        self._lives.clear()
