"""What the state looks like to a trader, as text: pure functions of the state and a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from adapters.cli.describe import hold_words
from adapters.cli.durations import format_clock, format_seconds
from adapters.cli.figures import fixed_units, rounded, signed_units
from engine.clock import clock_warning
from engine.gates import closed_gate
from engine.inventory import Pnl, pnl
from engine.money import format_units
from engine.orders import Order, Pending, Status
from engine.state import MarketState, State
from engine.top import mark2_of, merged_top
from engine.types import Side

_PRICE_WIDTH = 11
_QTY_WIDTH = 10
_SIDE_WIDTH = _PRICE_WIDTH + 3 + _QTY_WIDTH + 8
"""With room for what is said of an order whose request is not answered."""

_EVENTS_MIN = 3


def screen(
    state: State, now_ns: int, started_ns: int, requests: int, news: Sequence[str], height: int
) -> Text:
    """Draw the whole display, to be refreshed in place.

    Args:
        state: As it is now.
        now_ns: The moment, for ages and times left.
        started_ns: When the run began.
        requests: Sent by this run.
        news: What happened, in words, oldest first.
        height: Lines there are; the news fills what the markets leave.
    """
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("quotefold", "bold")
    text.append(
        f"  {state.mode or 'starting'} run {state.run_id}  {format_clock(now_ns - started_ns)}"
        f"  {state.seq:,} records  {requests:,} requests\n"
    )
    if state.halted:
        text.append(f"HALTED: {state.halted}\n", "bold red")
    if warning := clock_warning(state.offset_low_ns, state.offset_high_ns):
        text.append(f"WARNING: {warning}\n", "yellow")
    for market in state.markets.values():
        text.append("\n")
        _append_market(text, state, market, now_ns)
    text.append("\n")
    room = max(_EVENTS_MIN, height - text.plain.count("\n") - 1)
    text.append("\n".join(news[-room:]), "dim")
    return text


def status_line(state: State, market: MarketState, now_ns: int) -> str:
    """Write one market on one line, for output that is not a terminal."""
    name, decimals = market.quoted.market.name, market.quoted.market.price_decimals
    bid, _, ask, _ = merged_top(market.feed)
    quotes = " / ".join(_best(market, side) for side in (Side.BUY, Side.SELL))
    gate = closed_gate(state, market)
    return (
        f"{name}  market {_price(bid, decimals)} / {_price(ask, decimals)}  own {quotes}  "
        f"position {_position(market)}  P&L {_pnl_words(_pnl(market), market)[0]}  "
        f"fills {market.inventory.fills}  kill-switch {_timer(market, now_ns)}"
        + (f"  no quotes: {gate}" if gate else "")
        + (f"  {_stage(market)}" if market.holds else "")
        + (f"  {foreign}" if (foreign := _foreign(market)) else "")
    )


def _append_market(text: Text, state: State, market: MarketState, now_ns: int) -> None:
    spec, gate = market.quoted.market, closed_gate(state, market)
    text.append(f"{spec.name:<12}", "bold")
    if market.halted or state.halted:
        text.append(f"HALTED: {gate}", "bold red")
    elif gate:
        text.append(f"no quotes: {gate}", "yellow")
    elif market.holds:
        text.append(_stage(market), "bold yellow")
    else:
        text.append("quoting", "green")
    text.append(f"   feed {_age(market, now_ns)}   kill-switch {_timer(market, now_ns)}\n")
    bid, bid_qty, ask, ask_qty = merged_top(market.feed)
    _append_row(text, "market", _level(market, bid, bid_qty), _level(market, ask, ask_qty))
    bids, asks = _resting(market, Side.BUY), _resting(market, Side.SELL)
    for row in range(max(2, len(bids), len(asks))):
        cells = [_cell(market, side[row]) if row < len(side) else "" for side in (bids, asks)]
        _append_row(text, "" if row else "own", *cells)
    if foreign := _foreign(market):
        text.append(f"  {foreign}\n", "yellow")
    inventory = market.inventory
    text.append(
        f"  position  {_position(market)}"
        f"   fills {inventory.fills} ({inventory.maker_fills} as maker)\n"
    )
    total, split = _pnl_words(_pnl(market), market)
    text.append("  P&L       ")
    text.append(total, "red" if total.startswith("-") else "green")
    text.append(f" = {split}\n")


def _stage(market: MarketState) -> str:
    # The gravest of what holds it back.
    return hold_words(max(market.holds, key=lambda hold: hold.stage))


def _foreign(market: MarketState) -> str:
    count = len(market.foreign_orders)
    return f"{count} foreign orders: a stop and the kill-switch cancel them too" if count else ""


def _append_row(text: Text, label: str, bid: str, ask: str) -> None:
    text.append(f"  {label:<8}{bid:<{_SIDE_WIDTH}}{ask}".rstrip() + "\n")


def _resting(market: MarketState, side: Side) -> list[Order]:
    # What rests or may come to rest, best first.
    orders = [order for order in market.live if order.side is side]
    return sorted(orders, key=lambda order: -order.side.sign * order.price)


def _cell(market: MarketState, order: Order) -> str:
    mark = ""
    if order.unknown:
        mark = " unknown"
    elif order.pending is not Pending.NONE or order.status is not Status.OPEN:
        mark = " sent"
    return _level(market, order.price, order.leaves_qty) + mark


def _level(market: MarketState, price: int, qty: int) -> str:
    spec = market.quoted.market
    if not price:
        return f"{'-':>{_PRICE_WIDTH}}"
    shown = fixed_units(qty, spec.qty_decimals)
    return f"{_price(price, spec.price_decimals):>{_PRICE_WIDTH}} x {shown:<{_QTY_WIDTH}}".rstrip()


def _price(price: int, decimals: int) -> str:
    return fixed_units(price, decimals) if price else "-"


def _best(market: MarketState, side: Side) -> str:
    resting = [o.price for o in _resting(market, side) if o.status is Status.OPEN]
    return _price(resting[0] if resting else 0, market.quoted.market.price_decimals)


def _position(market: MarketState) -> str:
    spec = market.quoted.market
    if market.inventory.baseline is None:
        return "not known"
    limit = format_units(market.quoted.limits.position_max, spec.qty_decimals)
    return f"{signed_units(market.position, spec.qty_decimals)} {spec.base_asset} of {limit}"


def _pnl(market: MarketState) -> Pnl:
    return pnl(market.inventory, market.quoted.market, mark2_of(market))


def _pnl_words(found: Pnl, market: MarketState) -> tuple[str, str]:
    total = f"{rounded(found.total)} {market.quoted.market.quote_asset}"
    split = (
        f"spread {rounded(found.spread)} + inventory {rounded(found.inventory)}"
        f" - fees {rounded(found.fees)}"
    )
    if found.interest:
        split += f" - interest {rounded(found.interest)}"
    if found.funding:
        split += f" + funding {rounded(found.funding)}"
    if found.unknown_funding_s:
        split += "; without the last funding, not told yet"
    if found.unknown_fees:
        split += "; without fees in " + ", ".join(asset for asset, _ in found.unknown_fees)
    return total, split


def _age(market: MarketState, now_ns: int) -> str:
    fresh_ns = market.feed.fresh_ns
    return format_seconds(now_ns - fresh_ns) if fresh_ns else "-"


def _timer(market: MarketState, now_ns: int) -> str:
    armed_until_ns = market.kill_switch.armed_until_ns
    return format_seconds(armed_until_ns - now_ns) if armed_until_ns else "not armed"


def gates(state: State) -> Iterable[tuple[str, str]]:
    """Name each market with why it may not be quoted now, empty when it may."""
    return [(name, closed_gate(state, market)) for name, market in state.markets.items()]
