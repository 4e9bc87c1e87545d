"""Fold what the venue says of itself: its clock, the markets it trades, and what it charges."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.clock import clock_fault, narrowed
from engine.events import FeesListed, MarketsListed, Record
from engine.state import InFlight, MarketState, State, with_market
from engine.types import Market, Product

PRECISION_CHANGED = "the venue changed its precision"
"""Halts a market until the run starts anew: what is sent would be priced in other units."""
NS_PER_S = 1_000_000_000


def server_time(state: State, record: Record, request: InFlight, server_s: int) -> State:
    """Narrow the bounds of the venue's clock offset."""
    before = state.offset_low_ns, state.offset_high_ns
    low, high = narrowed(*before, server_s, request.sent_ns, record.recv_ns)
    fault = clock_fault(low, high)
    return replace(state, offset_low_ns=low, offset_high_ns=high, clock_fault=fault)


def markets_listed(state: State, record: Record, event: MarketsListed) -> State:
    """Halt what is not traded any more, or not as it was; let back what a later list has again."""
    listed = {market.name: market for market in event.markets}
    for name, market in state.markets.items():
        after = _listed(market, listed.get(name), record)
        if after is not market:
            state = with_market(state, record, after)
    return state


def _listed(market: MarketState, now: Market | None, record: Record) -> MarketState:
    if now is None:
        return _unlisted(market, record, "the venue does not list it any more")
    then, delist_ns = market.quoted.market, now.delist_s * NS_PER_S
    if delist_ns != market.delist_ns:
        market = replace(market, delist_ns=delist_ns)
    if (now.price_decimals, now.qty_decimals) != (then.price_decimals, then.qty_decimals):
        return replace(market, halted=market.halted or PRECISION_CHANGED, halted_seq=0)
    if not now.enabled:
        return _unlisted(market, record, "the venue disabled trading")
    if then.product is Product.MARGIN and not now.collateral:
        return _unlisted(market, record, "the venue ended margin trading on it")
    if 0 < market.halted_seq < record.cause_seq:
        # Asked for after the halt, and it is there again.
        return replace(market, halted="", halted_seq=0, touched_seq=record.seq)
    return market


def _unlisted(market: MarketState, record: Record, reason: str) -> MarketState:
    if market.halted:
        return market
    return replace(market, halted=reason, halted_seq=record.seq)


def fees_listed(state: State, record: Record, event: FeesListed) -> State:
    """Compare the fees with those that the market is quoted by, which are the first listed."""
    market = state.markets.get(event.market)
    if market is None:
        return state
    base = market.fees_base or event
    market = replace(market, fees=event, fees_base=base, fees_risen=fee_rise(base, event))
    return with_market(state, record, market)


def fee_rise(base: FeesListed, now: FeesListed) -> str:
    """Say in words which fees are above what they were; empty when none is."""
    rates = (
        ("maker", base.maker_fee_rate, now.maker_fee_rate),
        ("taker", base.taker_fee_rate, now.taker_fee_rate),
        ("RPI premium", base.rpi_premium, now.rpi_premium),
    )
    return ", ".join(
        f"{name} fee {_percent(after)} %, was {_percent(before)} %"
        for name, before, after in rates
        if after > before
    )


def _percent(rate: Decimal) -> str:
    return f"{rate.scaleb(2):f}"
