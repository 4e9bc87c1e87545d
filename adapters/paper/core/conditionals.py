"""Orders that depend on each other: OCO pairs, and the closing triggers of an OTO (10.7).

The matcher says when a leg executes and when an order is over; what follows happens in the same
action. Of a pair, the first fill of one leg cancels the other, and so does the end of one leg [C].
An order with stop loss or take profit leaves its triggers when it is completely filled [C]: they
wait as reduce-only stop-markets of 0 lots, the whole position of the moment they are triggered.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from adapters.paper.core.ledger import Seat
from adapters.paper.core.model import Order, OrderType, PositionSide, Side, Status


class Pair(msgspec.Struct, frozen=True):
    """The two live legs of an OCO."""

    oco_id: int
    stop_loss: Order
    take_profit: Order


class Engine(Protocol):
    """What is needed of the matcher."""

    now_us: int

    def next_order_id(self) -> int: ...

    def wait(self, seat: Seat, order: Order) -> None: ...

    def cancel(self, seat: Seat, order: Order, status: Status = ...) -> None: ...


class Conditionals:
    """The live OCO pairs of the exchange, and what fills and ends of orders set off."""

    def __init__(self, engine: Engine, first_id: int) -> None:
        self._engine = engine
        self._next_id = first_id
        # By OCO id, so in order of placement.
        self.pairs: dict[int, Pair] = {}

    def next_id(self) -> int:
        """Return a new OCO or OTO id."""
        self._next_id += 1
        return self._next_id - 1

    def executed(self, seat: Seat, leg: Order) -> None:
        """Cancel the other leg of the pair, if it still lives."""
        pair = self.pairs.pop(leg.oco_id, None)
        if pair is None:
            return
        other = pair.take_profit if leg is pair.stop_loss else pair.stop_loss
        self._engine.cancel(seat, other)
        if leg.client_order_id and leg.order_id in seat.orders:
            # Both legs had the same client id (10.6); it stays with the one that is left.
            seat.client_ids[leg.client_order_id] = leg

    def ended(self, seat: Seat, order: Order) -> None:
        """Do what the end of an order sets off."""
        if order.oco_id:
            self.executed(seat, order)
        if order.oto is not None and order.status is Status.FILLED:
            closing = order.side.opposite
            if seat.reducible_lots(closing, order.position_side):
                below, above = order.oto.stop_loss_ticks, order.oto.take_profit_ticks
                if closing is Side.BUY:
                    below, above = above, below
                self._wait(seat, order, below, above=False)
                self._wait(seat, order, above, above=True)

    def check(self, seats: dict[tuple[str, str], Seat]) -> None:
        """Assert that both legs of every pair are open."""
        for oco_id, pair in self.pairs.items():
            seat = seats[pair.stop_loss.account, pair.stop_loss.market]
            for leg in (pair.stop_loss, pair.take_profit):
                assert leg.oco_id == oco_id
                assert seat.orders[leg.order_id] is leg, f"leg {leg.order_id} is gone"

    def _wait(self, seat: Seat, parent: Order, ticks: int, *, above: bool) -> None:
        """Leave one trigger for the position, instead of an earlier one of its kind [C]."""
        if not ticks:
            return
        old = position_trigger(seat, parent.position_side, above=above)
        if old is not None:
            self._engine.cancel(seat, old)
        trigger = Order(
            order_id=self._engine.next_order_id(),
            account=parent.account,
            market=parent.market,
            side=parent.side.opposite,
            type=OrderType.MARGIN_STOP_MARKET,
            ticks=ticks,
            lots=0,
            leaves_lots=0,
            ctime_us=self._engine.now_us,
            mtime_us=self._engine.now_us,
            collateral=True,
            reduce_only=True,
            position_side=parent.position_side,
            trigger_ticks=ticks,
            trigger_above=above,
        )
        self._engine.wait(seat, trigger)


def position_trigger(seat: Seat, side: PositionSide, *, above: bool) -> Order | None:
    """Return the waiting trigger above or below the market of one of the seat's positions."""
    if not seat.reduce_only_orders:
        return None
    for kept in seat.orders.values():
        if kept.whole_position and kept.trigger_above is above and kept.position_side is side:
            return kept
    return None
