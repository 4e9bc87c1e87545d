"""What a difference between a run and its backtest is, in words with figures."""

from __future__ import annotations

from typing import assert_never

from engine.money import format_units
from engine.types import Market
from replay.parity.causes import Cause, Restraint
from replay.parity.fills import Fill
from replay.parity.judge import Difference
from replay.parity.looks import Look
from replay.verdicts import eagerness

NS_PER_MS = 1_000_000

CAUSES = {
    Cause.FOREIGN: "a deal that no engine made",
    Cause.UNRECORDED: "no such trade was recorded",
    Cause.SPAN: "not quoting yet, or no more",
    Cause.QUEUE: "stood there, behind others",
    Cause.OPERATOR: "the operator, another configuration",
    Cause.RISK: "held back or refused by a limit",
    Cause.LINK: "pulled: stream, book or clock in doubt",
    Cause.INVENTORY: "held another inventory",
    Cause.TIMING: "stood there a moment before or later",
    Cause.PRICE: "stood at another price",
    Cause.SIZE: "filled by another quantity",
    Cause.FEES: "charged otherwise",
    Cause.UNKNOWN: "not explained",
}
"""Of each cause, a few words."""


def reason(spec: Market, found: Difference) -> str:
    """Say why a fill has no counterpart, or how two differ; the subject is the other engine."""
    live, backtest, look = found.live, found.backtest, found.look
    if live is not None and backtest is not None:
        return _pair(spec, found.cause, live, backtest, look)
    fill = live or backtest
    assert fill is not None, "a difference without a fill"
    return _single(spec, found.cause, fill, look)


def _single(spec: Market, cause: Cause, fill: Fill, look: Look | None) -> str:
    if look is None or cause in (Cause.FOREIGN, Cause.UNRECORDED):
        return CAUSES[cause]
    match cause:
        case Cause.SPAN | Cause.LINK:
            return CAUSES[cause] if look.restraint is None else look.restraint.words
        case Cause.QUEUE:
            if look.ahead is None:
                return "stood there; its place in the queue is not known"
            return f"stood there, {_qty(spec, look.ahead)} before it at the most"
        case Cause.OPERATOR | Cause.RISK:
            return _held(look.restraint or fill.bent or look.bent)
        case Cause.INVENTORY:
            return f"{_inventories(spec, fill, look)}, {_stood(fill, look)}"
        case Cause.TIMING:
            return _timing(look)
        case Cause.PRICE | Cause.UNKNOWN:
            near = _tolerated(fill, look.standing, look) if look.standing else ""
            return f"{_stood(fill, look)}{near}; {_inventories(spec, fill, look)}"
        case Cause.FEES | Cause.SIZE:
            return CAUSES[cause]
        case _:
            assert_never(cause)


def _pair(spec: Market, cause: Cause, live: Fill, backtest: Fill, look: Look | None) -> str:
    if cause is Cause.SIZE:
        return f"{_qty(spec, live.qty)} live, {_qty(spec, backtest.qty)} in the backtest"
    # Where sizes differ as well, most of the money may be of them.
    size = "" if live.qty == backtest.qty else f", by {_qty(spec, backtest.qty)}"
    if cause is Cause.TIMING:
        apart_ns = backtest.at_ns - live.at_ns
        when = "later" if apart_ns > 0 else "earlier"
        return f"the same price, {_ms(abs(apart_ns))} {when}{size}"
    if cause is Cause.FEES or look is None:
        return CAUSES[cause]
    if cause in (Cause.OPERATOR, Cause.RISK):
        return f"{_held(live.bent or look.bent)}{size}"
    ticks = f"{_ticks(live, backtest.price)}{_tolerated(live, backtest.price, look)}"
    return f"met by the same taker, {ticks}{size}; {_inventories(spec, live, look)}"


def _held(restraint: Restraint | None) -> str:
    return "quoted by another configuration" if restraint is None else restraint.words


def _stood(fill: Fill, look: Look) -> str:
    if look.standing:
        return f"stood {_ticks(fill, look.standing)}"
    if look.want:
        return f"nothing stood, wanted {_ticks(fill, look.want)}"
    return "nothing stood, and nothing was wanted"


def _ticks(fill: Fill, price: int) -> str:
    eager = eagerness(fill.side, price, fill.price)
    count = f"{abs(eager):,} tick{'' if abs(eager) == 1 else 's'}"
    return f"{count} {'nearer' if eager > 0 else 'further away'}"


def _tolerated(fill: Fill, price: int, look: Look) -> str:
    return ", within the tolerance" if abs(price - fill.price) <= look.reach else ""


def _timing(look: Look) -> str:
    on_its_way = "its quote was on its way" if look.is_coming else ""
    if look.apart_ns is None:
        if on_its_way or look.empty_ns is None:
            return on_its_way
        return f"nothing had stood for {_ms(look.empty_ns)}"
    if look.apart_ns > 0:
        came = f"came {_ms(look.apart_ns)} later"
    elif look.was_filled:
        came = f"had been filled there {_ms(-look.apart_ns)} before"
    else:
        came = f"had left {_ms(-look.apart_ns)} before"
    return f"{came}, {on_its_way}" if on_its_way else came


def _inventories(spec: Market, fill: Fill, look: Look) -> str:
    if fill.position == look.position:
        return "inventories were the same"
    return f"held {_qty(spec, look.position)}, not {_qty(spec, fill.position)}"


def _qty(spec: Market, lots: int) -> str:
    return f"{format_units(lots, spec.qty_decimals)} {spec.base_asset}"


def _ms(duration_ns: int) -> str:
    return f"{duration_ns / NS_PER_MS:,.1f} ms"
