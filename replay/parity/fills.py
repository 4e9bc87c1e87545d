"""The fills of one journal, as they are compared: deals that are one fill, each with its worth."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from engine import events as e
from engine.money import ZERO, add, from_units, multiply, subtract
from engine.state import State
from engine.types import Market, Side, VenueFill
from replay.deals import Counted, counted_deals
from replay.model.flow import heard_since_us
from replay.model.survey import venue_ns
from replay.parity.causes import Restraint
from replay.parity.restraints import bent

SAME_US = 10_000
"""What is this close by the venue's clock may be one: prints of one sweep, a trade and our deal."""
ORDERS_MAX = 1_000
"""Orders of which the last fill is remembered, to add to."""
SHOWN_NS = 3_000_000_000
"""The public trade of a deal is told within this of it, or never."""
TAPE_NS = 60_000_000_000
"""Public trades are kept for so long: of a deal that was told later, nobody can say."""
_US = 1_000


class Fill(msgspec.Struct, frozen=True, gc=False):
    """Deals of one order at one price, each no further from the one before than `SAME_US`."""

    market: str
    side: Side
    price: int
    qty: int
    at_ns: int
    """When the first happened at the venue, by our clock."""
    seq: int
    """Record that counted the first of its deals."""
    deal_id: int
    """Of the first."""
    order_id: int
    quote_fee: Decimal
    """Paid; negative is a rebate."""
    base_fee: Decimal
    level: int
    """In the ladder; -1 where the journal does not hold the order."""
    position: int
    """Inventory against the target before it, lots."""
    is_own: bool = True
    """Of an order that an engine of this journal placed."""
    is_recorded: bool = True
    """A public trade reached its price then."""
    is_changed: bool = False
    """The market was quoted by another configuration than the first."""
    bent: Restraint | None = None
    """What had the market quoted at other prices than its strategy wanted."""


def worth(fill: Fill, spec: Market, mark2: int) -> Decimal:
    """Return what a fill adds to P&L at a mark: cash, inventory and fees, quote asset, exact.

    Fees in a further asset are worth nothing here, as in `engine.inventory.pnl`.

    Args:
        fill: The fill.
        spec: Its market.
        mark2: Twice the mark, ticks.
    """
    gained2 = fill.side.sign * (mark2 - 2 * fill.price) * fill.qty
    mark = multiply(from_units(mark2, spec.price_decimals), Decimal("0.5"))
    fees = add(fill.quote_fee, multiply(fill.base_fee, mark))
    return subtract(from_units(5 * gained2, spec.notional_decimals + 1), fees)


class Fills:
    """Follows one journal.

    Attributes:
        found: In the order in which they were counted; `is_recorded` is final after `end`.
    """

    def __init__(self) -> None:
        self.found: list[Fill] = []
        self._runs: dict[str, None] = {}
        self._trades: dict[str, deque[e.PublicTrade]] = {}
        self._waiting: deque[tuple[int, int, int]] = deque()
        # By order id: the number of its last fill, and when the last deal of that was.
        self._last: dict[int, tuple[int, int]] = {}

    def observe(self, before: State, record: e.Record, after: State, *, is_changed: bool) -> None:
        """Follow a record.

        Args:
            before: The state before it.
            record: What the journal holds.
            after: The state after it.
            is_changed: Its market is quoted by another configuration than the first.
        """
        event = record.event
        while self._waiting and self._waiting[0][0] < record.recv_ns:
            self._settle(*self._waiting.popleft())
        if isinstance(event, e.PublicTrades):
            self._traded(before, event)
        elif isinstance(event, e.Filled | e.FillsListed):
            for counted in counted_deals(before, event, after):
                self._count(before, record, counted, is_changed=is_changed)
        elif isinstance(event, e.RunStarted):
            self._runs[event.run_id] = None

    def end(self) -> None:
        """The journal is over."""
        while self._waiting:
            self._settle(*self._waiting.popleft())

    def _count(
        self, before: State, record: e.Record, counted: Counted, *, is_changed: bool
    ) -> None:
        fill, market = counted.fill, before.markets[counted.fill.market]
        # Where the venue's clock is known badly, nothing happened after it was told.
        at_ns = min(venue_ns(fill, record, before), record.recv_ns)
        base_fee, quote_fee = _fees(fill, market.quoted.market)
        number, last_ns = self._last.get(fill.order_id, (-1, 0))
        if number >= 0 and _is_one(self.found[number], fill, abs(at_ns - last_ns)):
            last = self.found[number]
            self._last[fill.order_id] = number, at_ns
            self.found[number] = replace(
                last,
                qty=last.qty + fill.qty,
                quote_fee=add(last.quote_fee, quote_fee),
                base_fee=add(last.base_fee, base_fee),
            )
            return
        self._last.pop(fill.order_id, None)
        self._last[fill.order_id] = len(self.found), at_ns
        if len(self._last) > ORDERS_MAX:
            del self._last[next(iter(self._last))]
        order = market.order(fill.client_order_id)
        if fill.venue_us and record.recv_ns - at_ns < TAPE_NS - 2 * SHOWN_NS:
            self._waiting.append((record.recv_ns + SHOWN_NS, len(self.found), fill.venue_us))
        self.found.append(
            Fill(
                market=fill.market,
                side=fill.side,
                price=fill.price,
                qty=fill.qty,
                at_ns=at_ns,
                seq=record.seq,
                deal_id=fill.deal_id,
                order_id=fill.order_id,
                quote_fee=quote_fee,
                base_fee=base_fee,
                level=-1 if order is None else order.level,
                position=counted.position_before,
                is_own=order is not None or self._is_ours(fill),
                is_changed=is_changed,
                bent=bent(market),
            )
        )

    def _is_ours(self, fill: VenueFill) -> bool:
        return fill.client_order_id.partition("-")[0] in self._runs

    def _traded(self, before: State, event: e.PublicTrades) -> None:
        since_us = heard_since_us(before, event.market)
        trades = self._trades.setdefault(event.market, deque())
        trades.extend([trade for trade in event.trades if trade.venue_us >= since_us])
        newest_us = max([trade.venue_us for trade in event.trades], default=0)
        while trades and trades[0].venue_us < newest_us - TAPE_NS // _US:
            trades.popleft()

    def _settle(self, _: int, number: int, venue_us: int) -> None:
        fill = self.found[number]
        sign = fill.side.sign
        is_recorded = any(
            trade.side is not fill.side
            and sign * (fill.price - trade.price) >= 0
            and abs(trade.venue_us - venue_us) <= SAME_US
            for trade in self._trades.get(fill.market, ())
        )
        if not is_recorded:
            self.found[number] = replace(fill, is_recorded=False)


def _is_one(last: Fill, fill: VenueFill, apart_ns: int) -> bool:
    same = last.market == fill.market and last.side is fill.side and last.price == fill.price
    return same and apart_ns <= SAME_US * _US


def _fees(fill: VenueFill, spec: Market) -> tuple[Decimal, Decimal]:
    # Base, quote; as `engine.inventory.add_fill` sorts them.
    if fill.fee_asset == spec.quote_asset:
        return ZERO, fill.fee
    return (fill.fee, ZERO) if fill.fee_asset == spec.base_asset else (ZERO, ZERO)
