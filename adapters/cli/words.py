"""Any record in one line of words: what `describe` leaves out is told here too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from adapters.cli.describe import describe
from adapters.cli.durations import NS_PER_S
from adapters.cli.figures import fixed_units
from engine import events as e
from engine import intents as i
from engine.money import format_units
from engine.state import State
from engine.types import BUY, Market, Side, SpotBalance, VenueOrder

_CAPITAL = re.compile(r"(?<!^)([A-Z])")
_TEXT_MAX = 160


def sentence(record: e.Record, before: State) -> str:
    """Say in one line what a record holds.

    Args:
        record: Any record.
        before: The state that it was folded into; one that only knows the markets will do.
    """
    say = _SAY.get(type(record.event))
    words = describe(record, before) if say is None else say(record, before, record.event)
    if words is None:
        words = kind_of(record.event)
    return words if len(words) <= 400 else words[:397] + "..."


def kind_of(event: Any) -> str:
    """Name a type in words: `order opened`."""
    return _CAPITAL.sub(r" \1", type(event).__name__).lower()


def clock_time(time_ns: int) -> str:
    """Write a time of day to the microsecond, UTC."""
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    of_day = seconds % 86_400
    return f"{of_day // 3600:02d}:{of_day // 60 % 60:02d}:{of_day % 60:02d}.{rest_ns // 1000:06d}"


def _spec(before: State, name: str) -> Market | None:
    market = before.markets.get(name)
    return None if market is None else market.quoted.market


def _price(spec: Market | None, ticks: int) -> str:
    return f"{ticks} ticks" if spec is None else fixed_units(ticks, spec.price_decimals)


def _qty(spec: Market | None, lots: int) -> str:
    return f"{lots} lots" if spec is None else format_units(lots, spec.qty_decimals)


def _level(spec: Market | None, price: int, qty: int) -> str:
    return f"{_qty(spec, qty)} at {_price(spec, price)}" if price else "nothing"


def _side(side: Side) -> str:
    return "buy" if side is BUY else "sell"


def _best(spec: Market | None, sides: tuple[int, ...]) -> str:
    return _level(spec, sides[0], sides[1]) if sides else "nothing"


def _snapshot(record: e.Record, before: State, event: e.BookSnapshot) -> str:
    spec = _spec(before, event.market)
    return (
        f"{event.market} whole book {event.update_id}: {len(event.bids) // 2} bids from"
        f" {_best(spec, event.bids)}, {len(event.asks) // 2} asks from {_best(spec, event.asks)}"
    )


def _delta(record: e.Record, before: State, event: e.BookDelta) -> str:
    spec = _spec(before, event.market)
    parts = []
    for name, side in (("bid", event.bids), ("ask", event.asks)):
        pairs = list(zip(side[::2], side[1::2], strict=True))
        told = [
            f"{name} {_price(spec, price)} {_qty(spec, qty) if qty else 'gone'}"
            for price, qty in pairs[:3]
        ]
        parts += [*told, *([f"{len(pairs) - 3} more {name}s"] if len(pairs) > 3 else [])]
    return f"{event.market} book {event.update_id}: {', '.join(parts) or 'nothing changed'}"


def _bbo(record: e.Record, before: State, event: e.BestBidOffer) -> str:
    spec = _spec(before, event.market)
    bid = _level(spec, event.bid_price, event.bid_qty)
    ask = _level(spec, event.ask_price, event.ask_qty)
    return f"{event.market} best bid {bid}, ask {ask} (book {event.update_id})"


def _trades(record: e.Record, before: State, event: e.PublicTrades) -> str:
    spec = _spec(before, event.market)
    told = [
        f"{_side(trade.side)} {_level(spec, trade.price, trade.qty)}{' RPI' if trade.rpi else ''}"
        for trade in event.trades[:3]
    ]
    more = f" and {len(event.trades) - 3} more" if len(event.trades) > 3 else ""
    return f"{event.market} traded: {', '.join(told) or 'nothing'}{more}"


def _mark(record: e.Record, before: State, event: e.MarkPrice) -> str:
    return (
        f"{event.market} mark {event.mark:f}, index {event.index:f}, funding rate"
        f" {event.funding_rate:f}"
    )


def _order(before: State, order: VenueOrder) -> str:
    spec = _spec(before, order.market)
    return (
        f"{order.market} {_side(order.side)} {_level(spec, order.price, order.qty)},"
        f" {_qty(spec, order.leaves_qty)} left ({order.client_order_id or 'no client id'},"
        f" {order.order_id})"
    )


def _order_event(what: str) -> Callable[[e.Record, State, Any], str]:
    def say(record: e.Record, before: State, event: Any) -> str:
        order = event.order
        status = "" if order.status_text in ("", what) else f" [{order.status_text}]"
        return f"order {what}{status}: {_order(before, order)}"

    return say


def _opened(record: e.Record, before: State, event: e.OrderOpened) -> str:
    warning = describe(record, before) if before.seq else None
    return warning or f"order opened: {_order(before, event.order)}"


def _placed(record: e.Record, before: State, event: e.OrdersPlaced) -> str:
    told = describe(record, before) if any(r.refusal for r in event.results) else None
    if told:
        return told
    orders = [_order(before, result.order) for result in event.results if result.order]
    return f"{event.market} placed {len(orders)} orders: {'; '.join(orders)}"


def _listed_orders(record: e.Record, before: State, event: e.OpenOrdersListed) -> str:
    told = describe(record, before) if before.seq else None
    return told or f"{event.market} {len(event.orders)} open orders listed{_page(event)}"


def _listed_fills(record: e.Record, before: State, event: e.FillsListed) -> str:
    return f"{event.market} {len(event.fills)} deals listed{_page(event)}"


def _page(event: Any) -> str:
    return "" if event.complete else f" from {event.offset} on, more follow"


def _balances(record: e.Record, before: State, event: Any) -> str:
    told = []
    for each in event.balances:
        if isinstance(each, SpotBalance):
            told.append(f"{each.asset} {each.available:f} + {each.frozen:f} frozen")
        else:
            told.append(f"{each.asset} {each.balance:f}")
    return f"{kind_of(event)}: {', '.join(told) or 'none'}"


def _positions(record: e.Record, before: State, event: Any) -> str:
    told = [f"{p.market} {_qty(_spec(before, p.market), p.qty)}" for p in event.positions]
    return f"{kind_of(event)}: {', '.join(told) or 'none open'}"


def _decided(record: e.Record, before: State, event: e.Decided) -> str:
    told = [intent_words(intent, before) for intent in event.intents]
    if extra := describe(record, before):
        told.append(extra)
    return f"decided: {'; '.join(told) or 'nothing to do'}"


def intent_words(intent: Any, before: State) -> str:
    """Say what an intent asks for."""
    spec = _spec(before, getattr(intent, "market", ""))
    if isinstance(intent, i.PlaceOrders):
        orders = [
            f"{_side(new.side)} {_level(spec, new.price, new.qty)} ({new.client_order_id})"
            for new in intent.orders
        ]
        return f"{intent.market} place {', '.join(orders)}"
    if isinstance(intent, i.ModifyOrder):
        to = _level(spec, intent.price, intent.qty)
        return f"{intent.market} modify {intent.client_order_id} to {to}"
    if isinstance(intent, i.CancelOrder):
        return f"{intent.market} cancel {intent.client_order_id}"
    where = getattr(intent, "market", "") or getattr(intent, "stream", "")
    return f"{where} {kind_of(intent)}".strip()


def _request(record: e.Record, before: State, event: e.RequestSent) -> str:
    body = _clip(event.body.decode("utf-8", "replace"))
    return f"sent {event.method} {event.path} (intent {event.index}, nonce {event.nonce}) {body}"


def _clip(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT_MAX else flat[: _TEXT_MAX - 3] + "..."


def _refused(record: e.Record, before: State, event: e.RequestRefused) -> str:
    refusal = event.refusal
    told = f"refused: {refusal.text} (HTTP {refusal.http_status}, code {refusal.code})"
    return describe(record, before) or told


def _plain(template: str) -> Callable[[e.Record, State, Any], str]:
    # A sentence of the event's own fields.
    def say(record: e.Record, before: State, event: Any) -> str:
        return template.format(e=event)

    return say


def _timers(record: e.Record, before: State, event: e.KillSwitchesListed) -> str:
    return f"kill-switches listed: {_names(t.market for t in event.timers)}"


def _markets(record: e.Record, before: State, event: e.MarketsListed) -> str:
    return f"markets listed: {_names(market.name for market in event.markets)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


# What `describe` tells stays as it says; the events' types differ, so the type is theirs in common.
_SAY: dict[type, Callable[[e.Record, State, Any], str]] = {
    e.BookSnapshot: _snapshot,
    e.BookDelta: _delta,
    e.BestBidOffer: _bbo,
    e.PublicTrades: _trades,
    e.MarkPrice: _mark,
    e.OrderOpened: _opened,
    e.OrderUpdated: _order_event("partly filled"),
    e.OrderClosed: _order_event("over"),
    e.SpotBalancesChanged: _balances,
    e.MarginBalancesChanged: _balances,
    e.SpotBalancesListed: _balances,
    e.MarginBalancesListed: _balances,
    e.PositionsReported: _positions,
    e.PositionsListed: _positions,
    e.OrdersPlaced: _placed,
    e.OrderModified: _order_event("modified"),
    e.OrderCancelled: _order_event("cancelled"),
    e.RequestRefused: _refused,
    e.OpenOrdersListed: _listed_orders,
    e.FillsListed: _listed_fills,
    e.KillSwitchArmed: _plain("{e.timer.market} kill-switch armed until {e.timer.expiry_s} s"),
    e.KillSwitchesListed: _timers,
    e.FeesListed: _plain(
        "{e.market} fees: maker {e.maker_fee_rate:f}, taker {e.taker_fee_rate:f},"
        " RPI premium {e.rpi_premium:f}"
    ),
    e.ServerTimeReported: _plain("the venue's time is {e.server_s} s"),
    e.MarketsListed: _markets,
    e.StreamOpened: _plain("stream {e.stream} opened"),
    e.StreamAuthorised: _plain("stream {e.stream} authorised"),
    e.StreamSubscribed: _plain("stream {e.stream} confirmed {e.method}"),
    e.PongReceived: _plain("stream {e.stream} answered a ping"),
    e.TimerFired: _plain("timer"),
    e.Decided: _decided,
    e.RequestSent: _request,
    e.Fingerprint: lambda _, __, event: f"fingerprint of the state: {event.digest.hex()}",
}
