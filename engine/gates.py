"""Why a market may not be quoted now, as a pure function of the state.

No quote rests on stale input (DESIGN "Safety"). Each gate pulls the quotes of what it covers, says
so, and lets them back by itself when its reason is gone; a halt stays until a human looks.
"""

from __future__ import annotations

from engine.orders import MODIFYING, Pending
from engine.state import PRIVATE, LinkStatus, MarketState, State

UNKNOWN_ORDER_MAX_NS = 5_000_000_000
_READY = LinkStatus.READY
CLOCK_OFFSET_MAX_NS = 4_000_000_000
"""The venue refuses nonces 5 s off (contract section 2)."""


def closed_gate(state: State, market: MarketState) -> str:
    """Return why the market may not be quoted now; empty when it may.

    Checked from the gravest to the most passing.
    """
    feed, now_ns = market.feed, state.now_ns
    if state.stopping_ns:
        return "stopping"
    if state.mode == "observe":
        return "observing only"
    if state.halted or market.halted:
        return state.halted or market.halted
    if not feed.book_ok:
        return "no book"
    if feed.distrusted:
        return "feed not proved fresh after a stall"
    if now_ns - feed.fresh_ns > state.settings.feed_max_age_ns:
        return "feed is stale"
    if market.recon.blind:
        return f"reconciling: {market.recon.reason}"
    if market.inventory.baseline is None:
        return "inventory not known yet"
    if now_ns >= market.kill_switch.armed_until_ns:
        return "kill-switch not armed"
    links, stream = state.links, market.quoted.market.name
    link, private = links[stream], links[PRIVATE]
    if link.status is not _READY or private.status is not _READY:
        return f"stream {stream if link.status is not _READY else PRIVATE} is down"
    if link.ping_sent_ns or private.ping_sent_ns:
        deadline_ns = now_ns - state.settings.pong_deadline_ns
        for name in (stream, PRIVATE):
            if 0 < links[name].ping_sent_ns < deadline_ns:
                return f"stream {name} does not answer pings"
    for order in market.asks + market.bids:
        if order.unknown and now_ns - order.sent_ns > UNKNOWN_ORDER_MAX_NS:
            return f"order {order.client_order_id} has been unknown for too long"
    if state.offset_low_ns > CLOCK_OFFSET_MAX_NS or state.offset_high_ns < -CLOCK_OFFSET_MAX_NS:
        return "our clock and the venue's differ by more than 4 s"
    return ""


def unsettled(market: MarketState) -> bool:
    """True while a place or modify is in flight or unknown: an order may yet appear."""
    return any(order.pending in (Pending.PLACE, MODIFYING) for order in market.live)
