"""Fold funding: when the venue settles, and what its history says that was paid."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine import funding
from engine.events import FundingListed, MarkPrice, Record
from engine.funding import NS_PER_S, Funding
from engine.intents import QueryFunding
from engine.inventory import Inventory
from engine.money import from_units, multiply
from engine.state import MarketState, State, with_market

_HALF = Decimal("0.5")


def venue_s(state: State, now_ns: int) -> int:
    """Return the venue's time as far as it is known, Unix seconds."""
    return (now_ns + state.clock_offset_ns) // NS_PER_S


def carried_on(inventory: Inventory, now_ns: int) -> Inventory:
    """Return what a new run begins with of the inventory that an earlier one left."""
    if inventory.baseline is None:
        return inventory
    return replace(inventory, funding=funding.begun(inventory.funding, now_ns // NS_PER_S))


def next_told(market: MarketState, event: MarkPrice, now_ns: int) -> MarketState:
    """The venue says when it settles next, and at which rate; one that has passed is no news."""
    next_s, rate, before = event.next_funding_ms // 1000, event.funding_rate, market.inventory
    known = next_s == before.funding.next_s and rate == before.funding.rate
    if known or next_s <= before.funding.settled_s:
        return market
    if 0 < before.funding.next_s < next_s:
        # It went on before our clock said so.
        market = settled(market, now_ns)
    return with_funding(market, replace(market.inventory.funding, next_s=next_s, rate=rate))


def at_timer(state: State, market: MarketState) -> MarketState:
    """Notice that the time of the next settlement has passed."""
    due = venue_s(state, state.now_ns) >= market.inventory.funding.next_s
    return settled(market, state.now_ns) if due else market


def settled(market: MarketState, now_ns: int) -> MarketState:
    """The time of the next settlement has passed."""
    before, mark2 = market.inventory, market.feed.mark2 or market.watch.mid2
    worth = from_units(market.position * mark2, market.quoted.market.notional_decimals)
    cost = multiply(multiply(worth, _HALF), before.funding.rate)
    # In hedge mode each leg is paid for by itself, also where they make up for each other.
    held = bool(market.position or before.legs.long or before.legs.short)
    known = before.baseline is not None
    after = funding.settled(before.funding, cost, now_ns, held=known and held)
    return with_funding(market, after)


def asked(market: MarketState, record: Record, intent: QueryFunding) -> MarketState:
    """A page of the history is asked for."""
    return with_funding(market, replace(market.inventory.funding, request_seq=record.seq))


def failed(state: State, record: Record, name: str) -> State:
    """A page was refused, throttled or lost."""
    market = state.markets.get(name)
    if market is None or market.inventory.funding.request_seq != record.cause_seq:
        return state
    after = funding.tried(market.inventory.funding, record.recv_ns)
    return with_market(state, record, with_funding(market, after))


def listed(state: State, record: Record, event: FundingListed) -> State:
    """A page came; one that nobody waits for any more is asked for again when it is time."""
    market = state.markets.get(event.market)
    if market is None or market.inventory.funding.request_seq != record.cause_seq:
        return state
    now_ns = record.recv_ns
    after = funding.listed(
        market.inventory.funding,
        event.payments,
        now_ns,
        venue_s(state, now_ns),
        last=event.complete,
    )
    return with_market(state, record, with_funding(market, after))


def with_funding(market: MarketState, after: Funding) -> MarketState:
    return replace(market, inventory=replace(market.inventory, funding=after))
