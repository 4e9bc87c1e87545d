"""Quotes as a person reads them, and assertions that show two of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

from engine.money import format_units, from_units
from engine.strategy import View
from engine.testing.values import SPOT, quote
from engine.types import Level, Market, TwoSidedQuote

NOTHING = "-"


def decimal_text(units: int, decimals: int) -> str:
    """Write units with every decimal of their precision: prices line up."""
    return f"{from_units(units, decimals):.{decimals}f}"


def level_text(level: Level, market: Market) -> str:
    """Write a level as `levels` reads it, with whatever else it says behind."""
    size = format_units(level.qty, market.qty_decimals)
    words = [f"{size} @ {decimal_text(level.price, market.price_decimals)}"]
    if level.rpi:
        words.append("rpi")
    elif not level.post_only:
        words.append("may take")
    return " ".join(words)


def ladder(found: TwoSidedQuote, market: Market = SPOT) -> str:
    """Return a quote as lines, the highest price first."""
    return "\n".join(_row("", name, (text,)) for name, (text,) in _rows((found,), market))


def side_by_side(
    expected: TwoSidedQuote,
    found: TwoSidedQuote,
    market: Market = SPOT,
    *,
    names: tuple[str, str] = ("expected", "found"),
    same: Callable[[str, str], bool] = str.__eq__,
) -> str:
    """Return two quotes beside each other, a `>` before each level in which they differ."""
    lines = [_row("", "", names)]
    for name, (one, other) in _rows((expected, found), market):
        lines.append(_row("" if same(one, other) else ">", name, (one, other)))
    return "\n".join(lines)


def _rows(quotes: Sequence[TwoSidedQuote], market: Market) -> list[tuple[str, tuple[str, ...]]]:
    def side(sides: Sequence[tuple[Level, ...]]) -> list[tuple[str, ...]]:
        return [
            tuple(NOTHING if level is None else level_text(level, market) for level in row)
            for row in zip_longest(*sides)
        ]

    asks, bids = side([each.asks for each in quotes]), side([each.bids for each in quotes])
    above = [(f"ask {number}", row) for number, row in enumerate(asks or [_none(quotes)], 1)]
    below = [(f"bid {number}", row) for number, row in enumerate(bids or [_none(quotes)], 1)]
    return above[::-1] + below


def _none(quotes: Sequence[TwoSidedQuote]) -> tuple[str, ...]:
    return (NOTHING,) * len(quotes)


def _row(mark: str, name: str, texts: tuple[str, ...]) -> str:
    return f"{mark:1} {name:7}{''.join(f'{text:30}' for text in texts)}".rstrip()


def view_text(view: View) -> str:
    """Write what a strategy saw in one line, and its memory in another."""
    market = view.market
    lots, ticks = market.qty_decimals, market.price_decimals
    bid = f"{format_units(view.bid_qty, lots)} @ {decimal_text(view.bid_price, ticks)}"
    ask = f"{format_units(view.ask_qty, lots)} @ {decimal_text(view.ask_price, ticks)}"
    held = f"{format_units(view.inventory, lots)} of {format_units(view.inventory_max, lots)}"
    return f"{market.name} {bid} / {ask}, inventory {held}\nmemory {view.memory}"


def assert_quote(
    found: TwoSidedQuote, bids: str = "", asks: str = "", market: Market = SPOT
) -> None:
    """Assert the prices and sizes of a quote, and which levels are RPI.

    Args:
        found: What a strategy answered.
        bids: As `levels` reads them, such as `"0.01@59990.00, 0.02@59980.00"`; empty for none.
        asks: As `bids`.
        market: The market quoted.

    Raises:
        AssertionError: both ladders side by side, in prices and sizes.
    """
    __tracebackhide__ = True
    expected = quote(bids, asks, market)
    if _shown(expected) != _shown(found):
        _raise("the quote is not the one expected", side_by_side(expected, found, market), market)


def assert_same(expected: TwoSidedQuote, found: TwoSidedQuote, market: Market = SPOT) -> None:
    """Assert that two quotes are equal in everything, self-trade prevention included.

    Raises:
        AssertionError: both ladders side by side.
    """
    __tracebackhide__ = True
    if expected == found:
        return
    text = side_by_side(expected, found, market)
    if _shown(expected) == _shown(found):
        text += f"\nthe same prices and sizes, other settings:\n{expected}\n{found}"
    _raise("two quotes differ", text, market)


def _shown(shown: TwoSidedQuote) -> list[list[tuple[int, int, bool]]]:
    return [
        [(level.price, level.qty, level.rpi) for level in side] for side in (shown.bids, shown.asks)
    ]


def _raise(what: str, text: str, market: Market) -> None:
    __tracebackhide__ = True
    units = f"sizes in {market.base_asset}, prices in {market.quote_asset}"
    raise AssertionError(f"{what} ({units})\n{text}")
