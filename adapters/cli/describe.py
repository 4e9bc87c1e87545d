"""Events in words: one line for what a trader wants to know of, nothing for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from adapters.cli.durations import format_seconds
from adapters.cli.figures import fixed_units
from engine import events as e
from engine.intents import CloseStream, Resubscribe
from engine.money import format_units
from engine.refusals import RefusalKind, classify
from engine.stages import Hold, SideOff, Stage
from engine.state import State
from engine.types import Refusal, Role, Side

_CAPITAL = re.compile(r"(?<!^)([A-Z])")


def describe(record: e.Record, before: State) -> str | None:
    """Say what happened, or None when it is not worth a line.

    Args:
        record: What the journal took.
        before: The state that it was folded into: it knows the request that an answer is to.
    """
    say = _WORDS.get(type(record.event))
    return None if say is None else say(record, before, record.event)


def _filled(record: e.Record, before: State, event: e.Filled) -> str:
    fill = event.fill
    market = before.markets.get(fill.market)
    if market is None:
        return f"{fill.market} deal {fill.deal_id}: this run does not quote that market"
    spec = market.quoted.market
    verb = "bought" if fill.side is Side.BUY else "sold"
    role = "maker" if fill.role is Role.MAKER else "TAKER"
    qty = format_units(fill.qty, spec.qty_decimals)
    price = fixed_units(fill.price, spec.price_decimals)
    return (
        f"{fill.market} {verb} {qty} {spec.base_asset} at {price} as {role}, "
        f"fee {fill.fee:f} {fill.fee_asset}"
    )


def _request(record: e.Record, before: State) -> str:
    # What the answer is to, such as "BTC_USDT modify order".
    request = before.requests.get(record.cause_seq)
    if request is None:
        return "request"
    name = _CAPITAL.sub(r" \1", type(request.intent).__name__).lower()
    return f"{getattr(request.intent, 'market', '')} {name}".strip()


def _listed(record: e.Record, before: State, event: e.OpenOrdersListed) -> str | None:
    market = before.markets.get(event.market)
    if market is None:
        return None
    found = [o.order_id for o in event.orders if market.order(o.client_order_id) is None]
    if all(order_id in market.foreign for order_id in found):
        return None
    return _foreign(event.market, f"{len(found)} open orders of this account are")


def _foreign(name: str, what: str) -> str:
    return (
        f"{name} WARNING: {what} not this engine's; "
        "a stop and the kill-switch cancel foreign orders too"
    )


def _opened(record: e.Record, before: State, event: e.OrderOpened) -> str | None:
    order = event.order
    market = before.markets.get(order.market)
    if market is None or order.order_id in market.foreign or market.order(order.client_order_id):
        return None
    return _foreign(order.market, f"the new order {order.order_id} of this account is")


def _refusal(refusal: Refusal) -> str:
    code = f"code {refusal.code}" if refusal.code else f"HTTP {refusal.http_status}"
    return f"refused by the venue: {refusal.text} ({code})"


def _refused(record: e.Record, before: State, event: e.RequestRefused) -> str | None:
    kind = classify(event.refusal)
    if kind is RefusalKind.NOT_FOUND:
        # A fill came before the modify or cancel: the fill's own line says it.
        return None
    if kind is RefusalKind.POST_ONLY_WOULD_TAKE:
        return f"{_request(record, before)}: it would have taken, so it was refused"
    return f"{_request(record, before)} {_refusal(event.refusal)}"


def _placed(record: e.Record, before: State, event: e.OrdersPlaced) -> str | None:
    refusals = [result.refusal for result in event.results if result.refusal is not None]
    if not refusals:
        return None
    many = f"{event.market} place orders: {len(refusals)} of {len(event.results)}"
    if all(classify(refusal) is RefusalKind.POST_ONLY_WOULD_TAKE for refusal in refusals):
        return f"{many} would have taken, so they were refused"
    return f"{many} {_refusal(refusals[0])}"


def hold_words(hold: Hold) -> str:
    """Say how far a rule holds a market back, why, and who ends it."""
    if hold.stage is Stage.QUOTE:
        return f"is held back no more by {hold.rule}: {hold.reason}"
    off = "" if hold.side_off is SideOff.NONE else f" without {hold.side_off.value}"
    until = ", until a human re-enables it" if hold.human else ""
    return f"stage {hold.stage.name}{off} by {hold.rule}{until}: {hold.reason}"


def _decided(record: e.Record, before: State, event: e.Decided) -> str | None:
    parts = [
        f"{refusal.market or 'account'} held back by {'the venue' if refusal.key else 'risk'}: "
        f"{refusal.rule}: {refusal.reason}"
        for refusal in event.refusals[:1]
    ]
    parts += [f"{change.market} {hold_words(change.hold)}" for change in event.stages]
    for intent in event.intents:
        if isinstance(intent, Resubscribe):
            parts.append(f"{intent.stream} book has a gap: subscribing anew")
        elif isinstance(intent, CloseStream):
            parts.append(f"stream {intent.stream} does not answer: closing it")
    return "; ".join(parts) or None


def _started(record: e.Record, before: State, event: e.RunStarted) -> str:
    names = ", ".join(quoted.market.name for quoted in event.quoted)
    rebuilt = f" ({event.rebuilt})" if event.rebuilt else ""
    return f"run {event.run_id} started, {event.mode}: {names}{rebuilt}"


def _ended(record: e.Record, before: State, event: e.RunEnded) -> str:
    return f"run ended {'clean' if event.clean else 'NOT CLEAN'}: {event.reason}"


def _unknown(record: e.Record, before: State, event: e.OutcomeUnknown) -> str:
    return f"{_request(record, before)}: outcome unknown: {event.reason}"


def _throttled(record: e.Record, before: State, event: e.RequestThrottled) -> str:
    return f"{_request(record, before)}: throttled by the venue (429), backing off"


def _commanded(record: e.Record, before: State, event: e.OperatorCommanded) -> str:
    words = (event.market or "all markets", event.command, event.argument)
    return f"operator: {' '.join(word for word in words if word)}"


# The events' types differ, so the table's type is theirs in common.
_WORDS: dict[type, Callable[[e.Record, State, Any], str | None]] = {
    e.Filled: _filled,
    e.OrdersPlaced: _placed,
    e.OpenOrdersListed: _listed,
    e.OrderOpened: _opened,
    e.Decided: _decided,
    e.RunStarted: _started,
    e.RunEnded: _ended,
    e.RequestRefused: _refused,
    e.RequestThrottled: _throttled,
    e.OutcomeUnknown: _unknown,
    e.OrdersAllCancelled: lambda _, __, event: f"{event.market} every order cancelled",
    e.KillSwitchDisarmed: lambda _, __, event: f"{event.market} kill-switch disarmed",
    e.StreamReady: lambda _, __, event: f"stream {event.stream} ready",
    e.StreamClosed: lambda _, __, event: f"stream {event.stream} closed: {event.reason}",
    e.FrameRefused: lambda _, __, event: f"frame of {event.stream} refused: {event.reason}",
    e.LoopStalled: lambda _, __, event: f"the loop stalled for {format_seconds(event.gap_ns)}",
    e.TailCut: lambda _, __, event: (
        f"{event.segment}: {event.bytes_cut} bytes of a torn write cut off"
    ),
    e.ChoreFailed: lambda _, __, event: f"{event.chore} failed: {event.reason}",
    e.HistoryDropped: lambda _, __, event: (
        f"the journal now begins at seq {event.first_seq}:"
        f" {event.segments} segments of {event.bytes_dropped} bytes dropped"
    ),
    e.StopRequested: lambda _, __, event: f"stopping: {event.reason}",
    e.RequestWithheld: lambda record, before, event: (
        f"{_request(record, before)}: never sent: {event.reason}"
    ),
    e.PlacingForbidden: lambda _, __, event: f"PANIC: nothing is placed: {event.reason}",
    e.PlacingAllowed: lambda _, __, ___: "the panic latch was lifted",
    e.OperatorCommanded: _commanded,
    e.ParametersChanged: lambda _, __, event: f"{event.market} parameters changed",
}
