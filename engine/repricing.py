"""Post-only refusals: one tick further away at each, a bounded number of times, then a wait.

A post-only order that would take is refused (contract 10.4), which tells that somebody stands at
its price or better, whatever our book says. For `FRESH_NS` no order of that side is then asked to
rest as eagerly. After `REPRICES_MAX` further refusals in a row, what wants to be as eager waits
`WAIT_NS`: levels behind it go on.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.state import MarketState
from engine.trouble import WouldTake
from engine.types import BUY, Side

REPRICES_MAX = 3
FRESH_NS = 1_000_000_000
"""Ten depth frames (11.5): by then the book shows who stood there."""
WAIT_NS = 5_000_000_000


def refused(
    market: MarketState, side: Side, price: int, request_seq: int, now_ns: int
) -> MarketState:
    """An order of ours would have taken; several of one request count once."""
    before = _fresh(market, side, now_ns)
    count = 1
    if before is not None:
        count = before.count + (1 if request_seq != before.request_seq else 0)
        price = min(price, before.price) if side is BUY else max(price, before.price)
    others = tuple([held for held in market.would_take if held.side is not side])
    held = WouldTake(side, price, count, request_seq, now_ns)
    return replace(market, would_take=(*others, held))


def rested(market: MarketState, side: Side) -> MarketState:
    """An order of this side came to rest: the row of refusals is over."""
    held = tuple([replace(h, count=0) if h.side is side else h for h in market.would_take])
    return replace(market, would_take=held)


def bounded(market: MarketState, side: Side, price: int, now_ns: int) -> int:
    """Return the price at which an order that wants `price` may be tried; 0 when it has to wait."""
    held = _fresh(market, side, now_ns)
    if held is None or (price < held.price if side is BUY else price > held.price):
        return price
    if held.count > REPRICES_MAX:
        return 0
    return held.price - side.sign


def _fresh(market: MarketState, side: Side, now_ns: int) -> WouldTake | None:
    for held in market.would_take:
        lasting_ns = WAIT_NS if held.count > REPRICES_MAX else FRESH_NS
        if held.side is side and now_ns < held.at_ns + lasting_ns:
            return held
    return None
