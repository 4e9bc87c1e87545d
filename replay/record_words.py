"""One record in one line of words, and what a market looks like in a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine import events as e
from engine.gates import closed_gate
from engine.intents import ModifyOrder, PlaceOrders
from engine.orders import IDLE, Order
from engine.state import MarketState, State
from engine.top import merged_top
from engine.types import Market, VenueOrder
from replay.diff import called
from replay.units import plain_price, plain_quantity, shortened, shown, spaced

Markets = Mapping[str, Market]
INTENTS_SHOWN = 3


def record_words(record: e.Record, markets: Markets) -> str:
    """Say what a record is: `seq 1204 fill: ...`."""
    event = record.event
    words = _WORDS.get(type(event), _any)(event, markets)
    return f"seq {record.seq} {words}"


def _any(event: Any, markets: Markets) -> str:
    # Every kind that has no words of its own: its name, and its first plain fields.
    market = markets.get(getattr(event, "market", ""))
    parts = []
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if isinstance(value, str | int) and value != "":
            parts.append(f"{spaced(field)} {shown(field, value, market).strip(chr(39))}")
    name = spaced(type(event).__name__)
    return shortened(f"{name}: {', '.join(parts[:5])}" if parts else name)


def _best(event: e.BestBidOffer, markets: Markets) -> str:
    spec = markets.get(event.market)
    return (
        f"frame BestBidOffer of {event.market}:"
        f" bid {plain_price(event.bid_price, spec)} x {plain_quantity(event.bid_qty, spec)},"
        f" ask {plain_price(event.ask_price, spec)} x {plain_quantity(event.ask_qty, spec)}"
    )


def _book(event: e.BookDelta | e.BookSnapshot, markets: Markets) -> str:
    levels = (len(event.bids) + len(event.asks)) // 2
    what = "changed levels" if isinstance(event, e.BookDelta) else "levels"
    return f"frame {type(event).__name__} of {event.market}: {levels} {what}, id {event.update_id}"


def _trades(event: e.PublicTrades, markets: Markets) -> str:
    spec = markets.get(event.market)
    text = f"frame PublicTrades of {event.market}: {len(event.trades)} trades"
    if event.trades:
        text += f", newest at {plain_price(event.trades[0].price, spec)}"
    return text


def _filled(event: e.Filled, markets: Markets) -> str:
    fill = event.fill
    spec = markets.get(fill.market)
    return (
        f"fill {fill.deal_id} on {fill.market}: {shown('side', fill.side)}"
        f" {plain_quantity(fill.qty, spec)} at {plain_price(fill.price, spec)}"
        f" as {shown('role', fill.role)}, order {fill.client_order_id or fill.order_id}"
    )


def _order_event(event: e.OrderOpened | e.OrderUpdated | e.OrderClosed, markets: Markets) -> str:
    return f"{spaced(type(event).__name__)}: {_venue_order(event.order, markets)}"


def _venue_order(order: VenueOrder, markets: Markets) -> str:
    spec = markets.get(order.market)
    return (
        f"{shown('side', order.side)} on {order.market},"
        f" {plain_quantity(order.leaves_qty, spec)} left of {plain_quantity(order.qty, spec)}"
        f" at {plain_price(order.price, spec)}, order {order.client_order_id or order.order_id}"
    )


def _decided(event: e.Decided, markets: Markets) -> str:
    parts = [intent_words(intent, markets) for intent in event.intents[:INTENTS_SHOWN]]
    if len(event.intents) > INTENTS_SHOWN:
        parts.append(f"{len(event.intents) - INTENTS_SHOWN} more")
    parts += [f"risk refuses by {refusal.rule}" for refusal in event.refusals[:INTENTS_SHOWN]]
    parts += [f"stage of {change.market}" for change in event.stages[:INTENTS_SHOWN]]
    return "decision: " + ("; ".join(parts) or "nothing to do")


def intent_words(intent: Any, markets: Markets) -> str:
    """Say what an intent wants."""
    spec = markets.get(getattr(intent, "market", ""))
    if isinstance(intent, ModifyOrder):
        return (
            f"modify {intent.client_order_id} on {intent.market} to"
            f" {plain_quantity(intent.qty, spec)} at {plain_price(intent.price, spec)}"
        )
    if isinstance(intent, PlaceOrders):
        orders = ", ".join(
            f"{shown('side', order.side)} {plain_quantity(order.qty, spec)} at"
            f" {plain_price(order.price, spec)}"
            for order in intent.orders[:INTENTS_SHOWN]
        )
        return f"{called(intent)} ({orders})"
    return called(intent)


def _request(event: e.RequestSent, markets: Markets) -> str:
    return f"request {event.method} {event.path}, nonce {event.nonce}, of intent {event.index + 1}"


def _placed(event: e.OrdersPlaced, markets: Markets) -> str:
    good = [result.order for result in event.results if result.order is not None]
    return f"answer: {len(good)} of {len(event.results)} orders placed on {event.market}"


def _answer(event: e.OrderModified | e.OrderCancelled, markets: Markets) -> str:
    return f"answer, {spaced(type(event).__name__)}: {_venue_order(event.order, markets)}"


def _refused(event: e.RequestRefused, markets: Markets) -> str:
    refusal = event.refusal
    text = f"answer: refused with HTTP {refusal.http_status}, code {refusal.code}, {refusal.text}"
    return shortened(text)


def _started(event: e.RunStarted, markets: Markets) -> str:
    names = ", ".join(quoted.market.name for quoted in event.quoted)
    return f"run {event.run_id} ({event.mode}) started, quoting {names}"


def _ended(event: e.RunEnded, markets: Markets) -> str:
    return f"run ended {'clean' if event.clean else 'not clean'}: {event.reason}"


def _fingerprint(event: e.Fingerprint, markets: Markets) -> str:
    return f"fingerprint {event.digest.hex()}"


_WORDS: dict[type, Callable[[Any, Markets], str]] = {
    e.BestBidOffer: _best,
    e.BookDelta: _book,
    e.BookSnapshot: _book,
    e.PublicTrades: _trades,
    e.Filled: _filled,
    e.OrderOpened: _order_event,
    e.OrderUpdated: _order_event,
    e.OrderClosed: _order_event,
    e.Decided: _decided,
    e.RequestSent: _request,
    e.OrdersPlaced: _placed,
    e.OrderModified: _answer,
    e.OrderCancelled: _answer,
    e.RequestRefused: _refused,
    e.RunStarted: _started,
    e.RunEnded: _ended,
    e.Fingerprint: _fingerprint,
}


def specs_of(state: State) -> dict[str, Market]:
    """Return the markets of a state as the venue describes them, by name."""
    return {name: market.quoted.market for name, market in state.markets.items()}


def state_words(state: State, names: tuple[str, ...]) -> tuple[str, ...]:
    """Say what a state holds of some markets, a line each and one for each of their orders."""
    lines = []
    for name in names:
        market = state.markets.get(name)
        if market is not None:
            lines.append(_market_words(state, name, market))
            lines += [_order_words(order, market.quoted.market) for order in market.live]
    return tuple(lines)


def _market_words(state: State, name: str, market: MarketState) -> str:
    spec = market.quoted.market
    bid, bid_qty, ask, ask_qty = merged_top(market.feed)
    gate = closed_gate(state, market)
    return (
        f"{name}: bid {plain_price(bid, spec)} x {plain_quantity(bid_qty, spec)},"
        f" ask {plain_price(ask, spec)} x {plain_quantity(ask_qty, spec)},"
        f" position {plain_quantity(market.position, spec)} {spec.base_asset},"
        f" stage {market.stage.name.lower()}" + (f", not quoted: {gate}" if gate else "")
    )


def _order_words(order: Order, spec: Market) -> str:
    text = (
        f"order {order.client_order_id}: {shown('side', order.side)} level {order.level},"
        f" {plain_quantity(order.leaves_qty, spec)} at {plain_price(order.price, spec)},"
        f" {order.status.value}"
    )
    return text if order.pending is IDLE else f"{text}, {order.pending.value} in flight"


def markets_in(*values: msgspec.Struct) -> tuple[str, ...]:
    """Return which markets the intents and refusals of some decisions name."""
    found: dict[str, None] = {}
    for value in values:
        parts = (getattr(value, field, ()) for field in ("intents", "refusals", "stages"))
        for part in (item for items in parts for item in items):
            if name := getattr(part, "market", ""):
                found[name] = None
    return tuple(found)
