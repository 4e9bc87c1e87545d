"""A whole state in words, for a person who asks what was going on: a pure function of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from adapters.cli.describe import hold_words
from adapters.cli.durations import format_seconds
from adapters.cli.figures import fixed_units, signed_units
from adapters.cli.ladder import ladder
from adapters.cli.values import shown
from adapters.cli.words import clock_time, intent_words
from engine.gates import closed_gate
from engine.inventory import base_total, pnl, quote_total
from engine.money import format_units
from engine.orders import Order, Pending
from engine.state import MarketState, State
from engine.step import held_back, wanted_quote
from engine.top import mark2_of, net_top
from engine.types import BUY, NO_LIMIT, Limits, Market


def state_text(state: State, only: str = "") -> Iterator[str]:
    """Yield the lines that tell a state.

    Args:
        state: As it was.
        only: Name of the one market to tell of; empty for all, and for what is of no market.
    """
    halted = f"  HALTED: {state.halted}" if state.halted else ""
    when = f"seq {state.seq} at {clock_time(state.now_ns)} UTC"
    yield f"{when}, {state.mode} run {state.run_id}{halted}"
    for name, market in state.markets.items():
        if only in ("", name):
            yield ""
            yield from market_text(state, market)
    if not only:
        yield ""
        yield from _account(state)


def market_text(state: State, market: MarketState) -> Iterator[str]:
    """Yield the lines that tell one market."""
    spec = market.quoted.market
    gate = closed_gate(state, market)
    if gate:
        yield f"{spec.name}  NOT QUOTED: {gate}"
    else:
        yield f"{spec.name}  {'quoted, held back' if market.holds else 'quoted'}"
    for hold in market.holds:
        yield f"  hold        {hold_words(hold)} (since {clock_time(hold.since_ns)})"
    yield from _feed(state, market)
    yield from [f"  {line}" for line in ladder(market, state.now_ns)]
    yield f"  wanted      {_wanted(state, market)}"
    yield from _orders(state, market)
    yield from _money(market)
    yield from _safety(state, market)
    yield f"  strategy    {market.quoted.strategy} {market.quoted.parameters}"
    yield from _limits(market)


def _feed(state: State, market: MarketState) -> Iterator[str]:
    feed, spec = market.feed, market.quoted.market
    bid, bid_qty, ask, ask_qty = net_top(market)
    age = f"{format_seconds(state.now_ns - feed.fresh_ns)} ago" if feed.fresh_ns else "never"
    ok = "whole" if feed.book_ok else "NOT WHOLE"
    yield (
        f"  book        {ok}, update {feed.book.update_id}, last frame {age},"
        f" {feed.gaps} gaps" + (f", IN DOUBT: {feed.doubt}" if feed.doubt else "")
    )
    yield (
        f"  without us  {_level(spec, bid, bid_qty)} / {_level(spec, ask, ask_qty)}"
        f"   last trade {_price(spec, feed.last_trade)}"
        + (f"   mark {format_units(5 * feed.mark2, spec.price_decimals + 1)}" if feed.mark2 else "")
    )


def _price(spec: Market, ticks: int) -> str:
    return fixed_units(ticks, spec.price_decimals) if ticks else "-"


def _level(spec: Market, price: int, qty: int) -> str:
    return f"{_price(spec, price)} x {format_units(qty, spec.qty_decimals)}" if price else "nothing"


def _wanted(state: State, market: MarketState) -> str:
    # What the strategy would show now, and the holds let it.
    quote = wanted_quote(state, market)
    if market.holds:
        quote = held_back(market, quote)
    spec = market.quoted.market
    sides = [
        f"{side} " + ", ".join(_level(spec, level.price, level.qty) for level in levels)
        for side, levels in (("buy", quote.bids), ("sell", quote.asks))
        if levels
    ]
    return "; ".join(sides) or "nothing"


def _orders(state: State, market: MarketState) -> Iterator[str]:
    spec = market.quoted.market
    if not market.live:
        yield "  orders      none"
    for number, order in enumerate(market.live):
        yield f"  {'' if number else 'orders':<12}{_order(state, spec, order)}"
    for order in market.owing:
        qty = format_units(order.worst_qty, spec.qty_decimals)
        yield f"  owing deals {order.client_order_id}: up to {qty} {spec.base_asset}"
    for foreign in market.foreign_orders:
        side = "buy" if foreign.side is BUY else "sell"
        level = _level(spec, foreign.price, foreign.leaves_qty)
        yield f"  foreign     {foreign.order_id} {side} {level}"


def _order(state: State, spec: Market, order: Order) -> str:
    side = "buy " if order.side is BUY else "sell"
    request = "no request"
    if order.pending is not Pending.NONE:
        ago = format_seconds(state.now_ns - order.sent_ns)
        to = ""
        if order.pending is Pending.MODIFY:
            to = f" to {_level(spec, order.wanted_price, order.wanted_qty)}"
        outcome = "outcome UNKNOWN" if order.unknown else "in flight"
        request = f"{order.pending.value}{to} {outcome}, sent {ago} ago (seq {order.request_seq})"
    filled = format_units(order.filled_qty, spec.qty_decimals)
    flags = " RPI" if order.rpi else ("" if order.post_only else " may take")
    return (
        f"{side} #{order.level} {_level(spec, order.price, order.qty)}, filled {filled},"
        f" {order.status.value}, {request}{flags}"
        f"  {order.client_order_id} = {order.order_id or 'no order id yet'}"
    )


def _money(market: MarketState) -> Iterator[str]:
    spec, inventory = market.quoted.market, market.inventory
    if inventory.baseline is None:
        yield "  inventory   not known yet"
        return
    limit = format_units(market.quoted.limits.position_max, spec.qty_decimals)
    total = base_total(inventory, spec)
    totals = [f"holds {total:f} {spec.base_asset}"] if total is not None else []
    if (quote := quote_total(inventory, spec)) is not None:
        totals.append(f"{quote:f} {spec.quote_asset}")
    position = signed_units(market.position, spec.qty_decimals)
    yield (
        f"  inventory   {position} {spec.base_asset} of {limit}, {' and '.join(totals)};"
        f" may still buy {format_units(market.buy_worst, spec.qty_decimals)},"
        f" sell {format_units(market.sell_worst, spec.qty_decimals)}"
    )
    found = pnl(inventory, spec, mark2_of(market))
    parts = [("spread", found.spread), ("+ inventory", found.inventory), ("- fees", found.fees)]
    if found.interest:
        parts.append(("- interest", found.interest))
    if found.funding:
        parts.append(("+ funding", found.funding))
    split = " ".join(f"{name} {amount:f}" for name, amount in parts)
    yield f"  P&L         {found.total:f} {spec.quote_asset} = {split}"
    yield (
        f"  fills       {inventory.fills}: {inventory.maker_fills} as maker,"
        f" {inventory.taker_fills} as taker; bought"
        f" {format_units(inventory.bought_qty, spec.qty_decimals)}, sold"
        f" {format_units(inventory.sold_qty, spec.qty_decimals)} {spec.base_asset}"
    )
    for asset, amount in found.unknown_fees:
        yield f"  fees        {amount:f} {asset} besides, not in the P&L"
    if found.unknown_funding_s:
        yield "  funding     the last is not told yet, and not in the P&L"
    if market.breaks or market.mismatch.since_ns:
        yield f"  reports     {market.breaks} breaks; {market.mismatch.reported or 'agree now'}"


def _safety(state: State, market: MarketState) -> Iterator[str]:
    switch = market.kill_switch
    armed = "not armed"
    if switch.armed_until_ns:
        armed = f"armed for {format_seconds(switch.armed_until_ns - state.now_ns)}"
    recon = market.recon
    blind = ", BLIND" if recon.blind else ""
    yield (
        f"  safety      kill-switch {armed}; reconciliation {recon.stage.value}"
        f" ({recon.reason}){blind}"
    )
    if market.hold_until_ns > state.now_ns:
        wait = format_seconds(market.hold_until_ns - state.now_ns)
        in_row = f"{market.refused_in_row} refused in a row"
        yield f"  back-off    no place or modify for {wait}, {in_row}"
    if market.fees is not None:
        fees = market.fees
        yield (
            f"  fees        maker {fees.maker_fee_rate:f}, taker {fees.taker_fee_rate:f}, RPI"
            f" premium {fees.rpi_premium:f}"
            + (f"; RISEN: {market.fees_risen}" if market.fees_risen else "")
        )


def _limits(market: MarketState) -> Iterator[str]:
    yield f"  limits      {limit_words(market.quoted.limits, market.quoted.market)}"


def limit_words(limits: Limits, spec: Market) -> str:
    """Name every limit that is one, in the market's own decimals."""
    told = []
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        if value != NO_LIMIT:
            text = shown(name, value, None if name.endswith("_ns") else spec)
            told.append(f"{name} {_span(value) if name.endswith('_ns') else text}")
    return ", ".join(told)


def _span(span_ns: int) -> str:
    return format_seconds(span_ns)


def _account(state: State) -> Iterator[str]:
    for name, link in state.links.items():
        ping = ""
        if link.ping_sent_ns:
            ping = f", ping unanswered for {format_seconds(state.now_ns - link.ping_sent_ns)}"
        lost = f", {link.attempts} failed attempts" if link.attempts else ""
        yield f"link          {name} {link.status.value}{lost}{ping}"
    for seq, request in state.requests.items():
        late = ", past its deadline" if request.expired else ""
        ago = format_seconds(state.now_ns - request.sent_ns)
        words = intent_words(request.intent, state)
        yield f"in flight     seq {seq}: {words}, sent {ago} ago{late}"
    if not state.requests:
        yield "in flight     nothing"
    for asset, balance in state.spot.items():
        yield f"spot          {asset} {balance.available:f} available, {balance.frozen:f} frozen"
    for asset, margin in state.margin.items():
        yield f"collateral    {asset} {margin.balance:f}"
    for name, position in state.positions.items():
        yield f"position      {name} {_position(state, name, position.qty, position.entry_price)}"
    for group, circuit in state.circuits.items():
        yield f"trouble       {group}: {circuit.trouble}, {circuit.in_row} in a row"
    low, high = state.offset_low_ns // 1000, state.offset_high_ns // 1000
    fault = f": {state.clock_fault}" if state.clock_fault else ""
    yield f"clock         the venue is {low} to {high} us ahead{fault}"
    if state.stopping_ns:
        yield f"stopping      since {clock_time(state.stopping_ns)}"
    if state.latched:
        yield f"latch         {state.latched}"
    if state.anomalies:
        yield f"anomalies     {state.anomalies}, the last: {state.last_anomaly}"


def _position(state: State, name: str, qty: int, entry: Decimal | None) -> str:
    market = state.markets.get(name)
    lots = f"{qty} lots"
    if market is not None:
        lots = signed_units(qty, market.quoted.market.qty_decimals)
    return lots if entry is None else f"{lots} from {entry:f}"
