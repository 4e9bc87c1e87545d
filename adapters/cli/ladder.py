"""A picture of one market's book in text, with our own orders in it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.cli.figures import fixed_units
from engine.money import format_units
from engine.orders import Order, Pending, Status
from engine.state import MarketState
from engine.top import mid2
from engine.types import BUY, SELL, Side

ROWS = 8
"""Levels a side of the market's own; every level of ours is shown beside."""
_BAR = 24


def ladder(market: MarketState, now_ns: int, rows: int = ROWS) -> list[str]:
    """Draw the book: asks above bids, the highest price first, our orders marked.

    Args:
        market: The market.
        now_ns: State time: what the feed may no longer show is left out.
        rows: Levels a side to show, at least; ours are always there.
    """
    asks, bids = _side(market, SELL, now_ns, rows), _side(market, BUY, now_ns, rows)
    if not asks and not bids:
        return ["(the book is empty)"]
    largest = max(qty for _, qty, _ in (*asks, *bids))
    spec = market.quoted.market
    width = max(len(fixed_units(price, spec.price_decimals)) for price, _, _ in (*asks, *bids))
    qty_width = max(len(fixed_units(largest, spec.qty_decimals)), 8)
    lines = [_line(market, row, SELL, width, qty_width, largest) for row in reversed(asks)]
    lines.append(_middle(market, width))
    lines += [_line(market, row, BUY, width, qty_width, largest) for row in bids]
    return lines


_Row = tuple[int, int, list[str]]
"""Price, quantity that the feed shows, and what of ours is there in words."""


def _side(market: MarketState, side: Side, now_ns: int, rows: int) -> list[_Row]:
    book = market.feed.book
    prices, qtys = (
        (book.bid_prices, book.bid_qtys) if side is BUY else (book.ask_prices, book.ask_qtys)
    )
    shown = dict(list(zip(prices, qtys, strict=True))[:rows])
    ours: dict[int, list[str]] = {}
    for price, words in _own(market, side, now_ns):
        ours.setdefault(price, []).append(words)
        found = dict(zip(prices, qtys, strict=True)).get(price, 0)
        shown.setdefault(price, found)
    best_first = sorted(shown, reverse=side is BUY)
    return [(price, shown[price], ours.get(price, [])) for price in best_first]


def _own(market: MarketState, side: Side, now_ns: int) -> Iterator[tuple[int, str]]:
    decimals = market.quoted.market.qty_decimals
    for order in market.bids if side is BUY else market.asks:
        words = f"{format_units(order.leaves_qty, decimals)} #{order.level}{_state(order)}"
        yield order.price, words
        if order.pending is Pending.MODIFY:
            qty = format_units(order.wanted_qty, decimals)
            yield order.wanted_price, f"{qty} #{order.level} wanted by a modify"
    for ghost in market.ghosts:
        if ghost.side is side and ghost.qty and ghost.until_ns > now_ns:
            yield ghost.price, f"{format_units(ghost.qty, decimals)} left a moment ago"


def _state(order: Order) -> str:
    words = []
    if order.status is Status.NEW:
        words.append("not shown yet")
    if order.pending is not Pending.NONE:
        words.append(f"{order.pending.value}{' UNKNOWN' if order.unknown else ' sent'}")
    if order.rpi:
        words.append("RPI")
    return f" ({', '.join(words)})" if words else ""


def _line(
    market: MarketState, row: _Row, side: Side, width: int, qty_width: int, largest: int
) -> str:
    price, qty, ours = row
    spec = market.quoted.market
    bar = "#" * max(1, -(-qty * _BAR // largest)) if qty and largest else ""
    amount = fixed_units(qty, spec.qty_decimals) if qty else "-"
    own = f"  <== ours {'; '.join(ours)}" if ours else ""
    label = "bid" if side is BUY else "ask"
    text = f"{label} {fixed_units(price, spec.price_decimals):>{width}}  {amount:>{qty_width}}"
    return f"{text}  {bar:<{_BAR}}{own}".rstrip()


def _middle(market: MarketState, width: int) -> str:
    middle2 = mid2(market)
    if not middle2:
        return f"    {'-' * width}  no two-sided market"
    decimals = market.quoted.market.price_decimals
    middle = format_units(5 * middle2, decimals + 1)
    return f"    {'-' * width}  mid {middle}"
