"""Put changed orders into a market, and derive again what depends on them.

Every change of an order goes through here; `MarketState.check` says what has to hold afterwards.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.events import Record
from engine.orders import CLOSED, IDLE, MODIFYING, OPEN, Order
from engine.state import MarketState
from engine.tombstones import changed, joined, without
from engine.types import BUY, SELL
from engine.working import also_at, haunted, in_place, is_live, is_owing, is_whole, moved, visible


def with_orders(market: MarketState, changed: tuple[Order, ...], record: Record) -> MarketState:
    """Put changed orders into a market and derive what depends on them."""
    for order in changed:
        market = with_order(market, market.order(order.client_order_id), order, record)
    return market


def with_order(
    market: MarketState, before: Order | None, order: Order, record: Record
) -> MarketState:
    """Put one changed order into a market, deriving again only what it can have changed.

    `before` is the order as the market has it, None for a new one.
    """
    key, side = order.client_order_id, order.side
    orders, closed, owing = market.orders, market.closed, market.owing
    bids, asks, whole = market.bids, market.asks, market.whole
    group, other = (bids, asks) if side is BUY else (asks, bids)
    if before is not None and before.status is not CLOSED and order.status is not CLOSED:
        group = in_place(group, before, order)
        orders = {**orders, key: order}
        worst = order.worst_qty - before.worst_qty
    else:
        group = moved(group, before, order, is_live)
        whole = is_whole(group) and is_whole(other)
        orders = {o.client_order_id: o for o in group + other}
        if before is None or before.status is not CLOSED:
            if order.status is CLOSED:
                closed = joined(closed, order, record.recv_ns)
        elif order.status is CLOSED:
            closed = changed(closed, order)
        else:
            closed = without(closed, key)
        worst = order.worst_qty - (before.worst_qty if before is not None else 0)
    if owing or order.owed:
        owing = moved(owing, before, order, is_owing)
    ghosts = haunted(market.ghosts, before, order, record.recv_ns)
    own_bids, own_asks = market.own_bids, market.own_asks
    buy_worst, sell_worst = market.buy_worst, market.sell_worst
    if side is BUY:
        bids = group
        buy_worst += worst
    else:
        asks = group
        sell_worst += worst
    if ghosts is not market.ghosts:
        own_bids, own_asks = visible(bids, ghosts, BUY), visible(asks, ghosts, SELL)
    elif side is BUY:
        own_bids = visible(bids, ghosts, BUY)
    else:
        own_asks = visible(asks, ghosts, SELL)
    return replace(
        market,
        orders=orders,
        closed=closed,
        bids=bids,
        asks=asks,
        whole=whole,
        owing=owing,
        own_bids=own_bids,
        own_asks=own_asks,
        buy_worst=buy_worst,
        sell_worst=sell_worst,
        ghosts=ghosts,
        touched_seq=record.seq,
    )


def with_request(market: MarketState, order: Order, record: Record) -> MarketState:
    """Put in a resting order whose modify or cancel goes out: what it rests at is as it was."""
    key = order.client_order_id
    before = market.orders[key]
    if before.pending is not IDLE or before.status is not OPEN:
        return with_order(market, before, order, record)
    # What rests may fill, and then the whole new size too (`Order.worst_qty`).
    worst_qty = order.wanted_qty if order.pending is MODIFYING else 0
    orders = {**market.orders, key: order}
    is_shown = order.pending is MODIFYING and not order.rpi
    price, qty = order.wanted_price, order.wanted_qty
    if order.side is BUY:
        return replace(
            market,
            orders=orders,
            bids=in_place(market.bids, before, order),
            own_bids=also_at(market.own_bids, price, qty) if is_shown else market.own_bids,
            buy_worst=market.buy_worst + worst_qty,
            touched_seq=record.seq,
        )
    return replace(
        market,
        orders=orders,
        asks=in_place(market.asks, before, order),
        own_asks=also_at(market.own_asks, price, qty) if is_shown else market.own_asks,
        sell_worst=market.sell_worst + worst_qty,
        touched_seq=record.seq,
    )


def with_ladder(market: MarketState, ladder: tuple[str, ...]) -> MarketState:
    """Give the orders of one side their levels anew.

    Args:
        market: Whole.
        ladder: Client order ids of every live order of the side, best first.
    """
    group = tuple([replace(market.orders[name], level=level) for level, name in enumerate(ladder)])
    orders = {**market.orders, **{order.client_order_id: order for order in group}}
    if group[0].side is BUY:
        return replace(market, orders=orders, bids=group)
    return replace(market, orders=orders, asks=group)


def without_old_ghosts(market: MarketState, record: Record) -> MarketState:
    """Forget the prices that the feed has left behind by now."""
    ghosts = tuple(ghost for ghost in market.ghosts if ghost.until_ns > record.recv_ns)
    return replace(
        market,
        ghosts=ghosts,
        own_bids=visible(market.bids, ghosts, BUY),
        own_asks=visible(market.asks, ghosts, SELL),
        touched_seq=record.seq,
    )
