"""Hedge mode: which of a market's two positions each order of a plan is for (contract 10.9).

Theory of operation. The plan is made as for a one-way account, by the net inventory. Then each new
order reduces the opposite leg if that holds enough, else it opens the leg of its own side; so the
two net each other out instead of growing. A modify keeps the leg, so an order whose leg is not the
right one any more is cancelled instead, to be placed anew once that is confirmed.

What a reducing order asks for is reserved: the leg, less the worst case of every order that reduces
it already, must hold all of it. So whatever is in flight, and in whatever order it arrives, the
orders at the venue never reduce more than there is, and none is refused or cut for lack of a
position. Twice the quantity is asked for when an order begins to reduce, since a modify counts the
old and the new size at once: what was placed may be moved, instead of changing the leg at each move
near zero. What stays on both sides is therefore below twice an order of each level, and has no
exposure.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.intents import CancelOrder, Intent, ModifyOrder, NewOrder, PlaceOrders
from engine.legs import OPENING, REDUCING
from engine.orders import Order
from engine.stages import FLATTEN_LEVEL
from engine.state import MarketState
from engine.types import BUY, SELL, Side

ROOM = 2
"""Sizes of itself that an order must find in a leg to begin to reduce it."""


def sided(market: MarketState, intents: list[Intent], now_ns: int) -> list[Intent]:
    """Return a plan with each order's position, and without modifies that need another one.

    Args:
        market: In hedge mode, as the plan was made for.
        intents: The plan.
        now_ns: State time.
    """
    room = {BUY: reducible(market, BUY), SELL: reducible(market, SELL)}
    told: list[Intent] = []
    for intent in intents:
        if isinstance(intent, PlaceOrders):
            new = [_placed(room, order) for order in intent.orders]
            if orders := tuple([order for order in new if order is not None]):
                told.append(PlaceOrders(intent.market, orders))
        elif not isinstance(intent, ModifyOrder):
            told.append(intent)
        else:
            order = market.orders[intent.client_order_id]
            if _may_move(room, order, intent.qty):
                told.append(intent)
            elif now_ns >= order.cancel_at_ns:
                told.append(CancelOrder(intent.market, intent.client_order_id))
    return told


def reducible(market: MarketState, side: Side) -> int:
    """Return the lots by which orders of a side may yet reduce their leg, beyond all in flight."""
    legs, leg = market.inventory.legs, REDUCING[side]
    live, held = (market.bids, legs.short) if side is BUY else (market.asks, legs.long)
    reserved = [
        order.worst_qty
        for order in (*live, *market.owing)
        if order.side is side and order.position_side is leg
    ]
    return held - sum(reserved)


def _placed(room: dict[Side, int], new: NewOrder) -> NewOrder | None:
    side, flattening = new.side, new.level == FLATTEN_LEVEL
    if room[side] >= (new.qty if flattening else ROOM * new.qty):
        room[side] -= new.qty
        return replace(new, position_side=REDUCING[side])
    # Flattening opens nothing: it waits until a report has put the legs right.
    return None if flattening else replace(new, position_side=OPENING[side])


def _may_move(room: dict[Side, int], order: Order, qty: int) -> bool:
    side = order.side
    if order.position_side is not REDUCING[side]:
        return room[side] < ROOM * qty
    if room[side] < qty:
        return False
    room[side] -= qty
    return True
