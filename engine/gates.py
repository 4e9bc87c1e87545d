"""Why a market may not be quoted now, as a pure function of the state.

No quote rests on stale input (DESIGN "Safety"). Each gate pulls the quotes of what it covers, says
so, and lets them back by itself when its reason is gone; a halt stays until a human looks.
"""

from __future__ import annotations

from engine.freshness import MARK_MAX_AGE_NS, MARK_SILENT
from engine.orders import MODIFYING, Pending
from engine.state import PRIVATE, LinkStatus, MarketState, State

_READY = LinkStatus.READY
PONG_LATE_NS = 2_000_000_000
"""A venue answers a ping within its round trip; what comes later than this came too late."""


def closed_gate(state: State, market: MarketState) -> str:
    """Return why the market may not be quoted now; empty when it may.

    Checked from the gravest to the most passing.
    """
    feed, now_ns = market.feed, state.now_ns
    if state.stopping_ns:
        return "stopping"
    if state.mode == "observe":
        return "observing only"
    if state.latched:
        return state.latched
    if state.halted or market.halted:
        return state.halted or market.halted
    if not feed.book_ok:
        return "no book"
    if feed.doubt:
        return feed.doubt
    if now_ns - feed.fresh_ns > state.settings.feed_max_age_ns:
        return "feed is stale"
    if feed.marked_ns and now_ns - feed.marked_ns > MARK_MAX_AGE_NS:
        return MARK_SILENT
    if market.recon.blind:
        return f"reconciling: {market.recon.reason}"
    if market.inventory.baseline is None:
        return "inventory not known yet"
    if now_ns >= market.kill_switch.escalate_at_ns:
        refreshed = market.kill_switch.armed_until_ns
        return f"kill-switch not {'refreshed for too long' if refreshed else 'armed'}"
    links, stream = state.links, market.quoted.market.name
    link, private = links[stream], links[PRIVATE]
    if link.status is not _READY or private.status is not _READY:
        return f"stream {stream if link.status is not _READY else PRIVATE} is down"
    if link.ping_sent_ns or private.ping_sent_ns:
        deadline_ns = now_ns - PONG_LATE_NS
        for name in (stream, PRIVATE):
            if 0 < links[name].ping_sent_ns < deadline_ns:
                return f"stream {name} does not answer pings"
    if market.unknown_for_long:
        order = market.orders.get(market.unknown_for_long)
        if order is not None and order.unknown:
            return f"order {order.client_order_id} has been unknown for too long"
    return state.clock_fault


def unsettled(market: MarketState) -> bool:
    """True while a place or modify is in flight or unknown: an order may yet appear."""
    return any(order.pending in (Pending.PLACE, MODIFYING) for order in market.live)
