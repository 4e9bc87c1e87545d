"""Open orders of the account that are not this engine's: placed by hand, or by another program.

Theory of operation. Quoting and reconciliation leave them alone: they are neither cancelled nor
counted as exposure, and the book used for pricing holds them as anybody's. Their deals do change
the inventory. They are counted because the kill-switch, a stop and `panic` clear the whole market,
these too (DESIGN "Safety"). Pending events and listings tell of them, and the newer wins.
"""

from __future__ import annotations

from itertools import islice

from msgspec.structs import replace

from engine.state import MarketState, ReconStage, Stranger
from engine.types import VenueOrder

STRANGERS_MAX = 1_000
"""Most that are followed one by one on a market, a bound on memory alone."""


def told(market: MarketState, venue: VenueOrder, seq: int, *, over: bool) -> MarketState:
    """Take note of a pending event of an order that is not ours.

    Args:
        market: Its market.
        venue: The order as the event shows it.
        seq: Of the event's record.
        over: True for event 3.
    """
    known = market.foreign
    if not over:
        if venue.order_id not in known and len(known) >= STRANGERS_MAX:
            return market
        return replace(market, foreign={**known, venue.order_id: Stranger(venue, seq)})
    if market.recon.stage is ReconStage.ORDERS and market.recon.request_seq:
        # The listing that is on its way may still show it.
        ended = Stranger(venue, seq, over=True)
        return replace(market, foreign={**known, venue.order_id: ended})
    if venue.order_id not in known:
        return market
    return replace(market, foreign=_without(known, venue.order_id))


def listed(market: MarketState, seq: int) -> MarketState:
    """Follow a complete listing, but for what events have told since it was asked for."""
    recon, known = market.recon, market.foreign
    newer = {key: each for key, each in known.items() if each.seq > recon.asked_seq}
    shown = {venue.order_id: venue for venue in recon.strangers}
    found = {
        key: Stranger(venue, seq)
        for key, venue in islice(shown.items(), STRANGERS_MAX)
        if key not in newer
    }
    found.update((key, each) for key, each in newer.items() if not each.over)
    return market if not (found or known) else replace(market, foreign=found)


def _without(known: dict[int, Stranger], order_id: int) -> dict[int, Stranger]:
    return {key: each for key, each in known.items() if key != order_id}
