"""Flattening: the inventory of one market is brought to its target with one order at a time.

Everything else is cancelled first. Then one order of the side that reduces the inventory rests at
the best price as a maker, and follows it; after `flatten_patience_ns` orders take instead, once a
second, no further from the mid than the collar. No order is larger than what is left of the
inventory once all that is in flight has filled, so it never comes to the other side of zero.
"""

from __future__ import annotations

from engine.events import RiskRefusal
from engine.gates import closed_gate
from engine.intents import CancelOrder, Intent, NewOrder, PlaceOrders
from engine.orders import IDLE, Order
from engine.planner import client_order_id
from engine.repricing import bounded
from engine.risk import exposure_of
from engine.stages import BPS, FLATTEN, FLATTEN_LEVEL
from engine.state import MarketState, State
from engine.top import mid2, net_top
from engine.types import BUY, SELL, Product, Side, Stp

FOLLOW_NS = 1_000_000_000
"""An order that somebody stands in front of is placed anew no more often."""
TAKE_EVERY_NS = 1_000_000_000
"""What was taken is told by then, and others may have come to the book."""


def flatten(state: State, market: MarketState) -> tuple[list[Intent], list[RiskRefusal]]:
    """Return what brings the market's inventory nearer to its target now."""
    shut = bool(closed_gate(state, market))
    if market.live or shut:
        return _cancels(state, market, shut), []
    if state.now_ns < market.hold_until_ns:
        return [], []
    new = _reducing(state, market)
    if new is None:
        return [], []
    refusal = exposure_of(market, state.now_ns).approve(new.side, new.price, new.qty, 1)
    if refusal is not None:
        return [], [refusal]
    return [PlaceOrders(market.quoted.market.name, (new,))], []


def is_impatient(state: State, market: MarketState) -> bool:
    """Say whether flattening has waited as a maker for long enough."""
    since_ns = min([hold.since_ns for hold in market.holds if hold.stage is FLATTEN])
    return state.now_ns - since_ns >= market.quoted.limits.flatten_patience_ns


def _cancels(state: State, market: MarketState, shut: bool) -> list[Intent]:
    name = market.quoted.market.name
    return [
        CancelOrder(name, order.client_order_id)
        for order in market.live
        if order.pending is IDLE
        and state.now_ns >= order.cancel_at_ns
        and (shut or _must_go(state, market, order))
    ]


def _must_go(state: State, market: MarketState, order: Order) -> bool:
    side, left = _left(market)
    # With itself counted, less than nothing would be left.
    if order.level != FLATTEN_LEVEL or order.side is not side or left < 0:
        return True
    if is_impatient(state, market):
        return order.post_only
    bid, _, ask, _ = net_top(market)
    behind = 0 < ask < order.price if side is SELL else bid > order.price
    return behind and state.now_ns - order.sent_ns >= FOLLOW_NS


def _left(market: MarketState) -> tuple[Side, int]:
    # The side that reduces, and the lots that are left once all of it that is in flight has filled.
    if market.position > 0:
        return SELL, market.position - market.sell_worst
    return BUY, -market.position - market.buy_worst


def _reducing(state: State, market: MarketState) -> NewOrder | None:
    side, qty = _left(market)
    bid, _, ask, _ = net_top(market)
    if not bid or not ask:
        return None
    limits, spec, taking = market.quoted.limits, market.quoted.market, is_impatient(state, market)
    if taking:
        if state.now_ns - market.flattened_ns < TAKE_EVERY_NS:
            return None
        price = _collar(side, mid2(market), limits.flatten_collar_bps)
    else:
        price = bounded(market, side, ask if side is SELL else bid, state.now_ns)
    if price <= 0:
        return None
    qty = min(qty, limits.order_qty_max, limits.order_notional_max // price)
    if qty <= 0 or qty < spec.qty_min or price * qty < spec.notional_min:
        return None
    number = list(state.markets).index(spec.name)
    return NewOrder(
        client_order_id=client_order_id(state.run_id, state.seq + 1, number, 0),
        side=side,
        price=price,
        qty=qty,
        stp=Stp.CANCEL_NEW,
        rpi=False,
        post_only=not taking,
        level=FLATTEN_LEVEL,
        ioc=taking,
        reduce_only=spec.product is not Product.SPOT,
    )


def _collar(side: Side, middle2: int, collar_bps: int) -> int:
    # Rounded towards the mid.
    if side is SELL:
        return -(-middle2 * (BPS - collar_bps) // (2 * BPS))
    return middle2 * (BPS + collar_bps) // (2 * BPS)
