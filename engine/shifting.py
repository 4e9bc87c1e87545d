"""When a whole ladder moves by a step, its far end moves to the near end and the rest stays.

Orders 100, 99, 98 that are wanted at 101, 100, 99 need one request instead of three, and two of
them keep their places in the queue: the order at 98 goes to 101, and each order takes the level
that its price is now. The requests carry the new ladder, since the levels change with them.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.intents import Intent, ModifyOrder
from engine.orders import Order
from engine.types import BUY, SELL, Level, Side

Moves = list[tuple[Order, Level]]
Ladder = tuple[str, ...]
"""Client order ids of one side by level, best first; empty where no level changes."""


def is_good(order: Order, want: Level, tolerance: int, level: int) -> bool:
    """Say whether an order may stay for what is wanted on a level, with its place in the queue."""
    eager = order.side.sign * (order.price - want.price)
    if abs(eager) > tolerance * (level + 1) or order.leaves_qty > want.qty:
        return False
    return want.qty <= 2 * order.leaves_qty and not other_kind(order, want)


def other_kind(order: Order, want: Level) -> bool:
    """True if only another order can be what is wanted: a modify keeps these flags (10.5)."""
    return want.rpi != order.rpi or want.stp is not order.stp or want.post_only != order.post_only


def _shifted(
    orders: tuple[Order, ...], moves: Moves, tolerance: int, side: Side
) -> tuple[Moves, Ladder]:
    own = [(order, want) for order, want in moves if order.side is side]
    free = {order.level: want for order, want in own}
    left: list[Order] = []
    ladder = [order.client_order_id for order in orders]
    for order, _ in own:
        found = [at for at, want in free.items() if is_good(order, want, tolerance, at)]
        if found:
            del free[found[0]]
            ladder[found[0]] = order.client_order_id
        else:
            left.append(order)
    if len(left) == len(own):
        return moves, ()
    rest = [(order, want) for order, want in moves if order.side is not side]
    for order, (at, want) in zip(left, sorted(free.items()), strict=True):
        if other_kind(order, want):
            return moves, ()
        ladder[at] = order.client_order_id
        rest.append((order, want))
    return rest, tuple(ladder)


def with_ladders(intents: list[Intent], bids: Ladder, asks: Ladder) -> list[Intent]:
    """Tell the moves of each side its new ladder."""
    told: list[Intent] = []
    for intent in intents:
        if type(intent) is ModifyOrder:
            for ladder in (bids, asks):
                if intent.client_order_id in ladder:
                    intent = replace(intent, ladder=ladder)
        told.append(intent)
    return told


def shift(
    moves: Moves, bids: tuple[Order, ...], asks: tuple[Order, ...], tolerance: int
) -> tuple[Moves, Ladder, Ladder]:
    """Give the levels of orders that are to move to those that are at their prices already.

    Args:
        moves: What is to move, of both sides, and what each order is wanted at.
        bids: Every live bid, one on each level, best first.
        asks: As `bids`.
        tolerance: Ticks, as `Quoted.price_tolerance`.

    Returns:
        The moves that remain, and the new ladders of bids and asks.
    """
    moves, ask_ladder = _shifted(asks, moves, tolerance, SELL)
    moves, bid_ladder = _shifted(bids, moves, tolerance, BUY)
    return moves, bid_ladder, ask_ladder
