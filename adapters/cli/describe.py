"""Events in words: one line for what a trader wants to know of, nothing for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.cli.durations import format_seconds
from adapters.cli.figures import fixed_units
from engine import events as e
from engine.intents import CloseStream, Resubscribe
from engine.money import format_units
from engine.types import Market, Refusal, Role, Side

Markets = Mapping[str, Market]


def describe(record: e.Record, markets: Markets) -> str | None:
    """Say what happened, or None when it is not worth a line.

    Args:
        record: What the journal took.
        markets: By name, those of the run.
    """
    say = _WORDS.get(type(record.event))
    return None if say is None else say(record.event, markets)


def _filled(event: e.Filled, markets: Markets) -> str:
    fill = event.fill
    market = markets.get(fill.market)
    if market is None:
        return f"{fill.market} deal {fill.deal_id}: this run does not quote that market"
    verb = "bought" if fill.side is Side.BUY else "sold"
    role = "maker" if fill.role is Role.MAKER else "TAKER"
    qty = format_units(fill.qty, market.qty_decimals)
    price = fixed_units(fill.price, market.price_decimals)
    return (
        f"{fill.market} {verb} {qty} {market.base_asset} at {price} as {role}, "
        f"fee {fill.fee:f} {fill.fee_asset}"
    )


def _refusal(refusal: Refusal) -> str:
    code = f"code {refusal.code}" if refusal.code else f"HTTP {refusal.http_status}"
    return f"{refusal.text} ({code})"


def _placed(event: e.OrdersPlaced, markets: Markets) -> str | None:
    refusals = [result.refusal for result in event.results if result.refusal is not None]
    if not refusals:
        return None
    return (
        f"{event.market} {len(refusals)} of {len(event.results)} orders refused by the venue: "
        f"{_refusal(refusals[0])}"
    )


def _decided(event: e.Decided, markets: Markets) -> str | None:
    parts = [
        f"{refusal.market} held back by risk: {refusal.rule}: {refusal.reason}"
        for refusal in event.refusals[:1]
    ]
    for intent in event.intents:
        if isinstance(intent, Resubscribe):
            parts.append(f"{intent.stream} book has a gap: subscribing anew")
        elif isinstance(intent, CloseStream):
            parts.append(f"stream {intent.stream} does not answer: closing it")
    return "; ".join(parts) or None


def _started(event: e.RunStarted, markets: Markets) -> str:
    names = ", ".join(quoted.market.name for quoted in event.quoted)
    return f"run {event.run_id} started, {event.mode}: {names}"


def _ended(event: e.RunEnded, markets: Markets) -> str:
    return f"run ended {'clean' if event.clean else 'NOT CLEAN'}: {event.reason}"


# The events' types differ, so the table's type is theirs in common.
_WORDS: dict[type, Callable[[Any, Markets], str | None]] = {
    e.Filled: _filled,
    e.OrdersPlaced: _placed,
    e.Decided: _decided,
    e.RunStarted: _started,
    e.RunEnded: _ended,
    e.RequestRefused: lambda event, _: f"request refused by the venue: {_refusal(event.refusal)}",
    e.RequestThrottled: lambda event, _: "request throttled by the venue (429): backing off",
    e.OutcomeUnknown: lambda event, _: f"outcome of a request unknown: {event.reason}",
    e.OrdersAllCancelled: lambda event, _: f"{event.market} every order cancelled",
    e.KillSwitchDisarmed: lambda event, _: f"{event.market} kill-switch disarmed",
    e.StreamReady: lambda event, _: f"stream {event.stream} ready",
    e.StreamClosed: lambda event, _: f"stream {event.stream} closed: {event.reason}",
    e.FrameRefused: lambda event, _: f"frame of {event.stream} refused: {event.reason}",
    e.LoopStalled: lambda event, _: f"the loop stalled for {format_seconds(event.gap_ns)}",
    e.TailCut: lambda event, _: f"{event.segment}: {event.bytes_cut} bytes of a torn write cut off",
    e.StopRequested: lambda event, _: f"stopping: {event.reason}",
    e.ParametersChanged: lambda event, _: f"{event.market} parameters changed",
}
