"""Fold what the venue says of itself: its clock, and the markets it trades."""

from __future__ import annotations

from msgspec.structs import replace

from engine.clock import clock_fault, narrowed
from engine.events import MarketsListed, Record
from engine.state import InFlight, MarketState, State, with_market


def server_time(state: State, record: Record, request: InFlight, server_s: int) -> State:
    """Narrow the bounds of the venue's clock offset."""
    before = state.offset_low_ns, state.offset_high_ns
    low, high = narrowed(*before, server_s, request.sent_ns, record.recv_ns)
    fault = clock_fault(low, high)
    return replace(state, offset_low_ns=low, offset_high_ns=high, clock_fault=fault)


def markets_listed(state: State, record: Record, event: MarketsListed) -> State:
    """Halt what the venue does not trade as it did, and lift what its list alone had halted."""
    listed = {market.name: market for market in event.markets}
    for name, market in state.markets.items():
        now, then = listed.get(name), market.quoted.market
        if now is None:
            after = _unlisted(market, record)
        elif (now.price_decimals, now.qty_decimals) != (then.price_decimals, then.qty_decimals):
            reason = market.halted or "the venue changed its precision"
            after = replace(market, halted=reason, halted_seq=0)
        elif 0 < market.halted_seq < record.cause_seq:
            # Asked for after the halt, and it is there again.
            after = replace(market, halted="", halted_seq=0, touched_seq=record.seq)
        else:
            continue
        state = with_market(state, record, after)
    return state


def _unlisted(market: MarketState, record: Record) -> MarketState:
    if market.halted:
        return market
    return replace(market, halted="the venue does not list it any more", halted_seq=record.seq)
