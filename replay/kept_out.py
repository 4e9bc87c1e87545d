"""Which parameter would have kept us out: the quote of a moment, by other values, one at a time.

The view is the one that the order's price was decided in, and the question is whether the quote
then stands at or beyond the price of the trade. Values are tried on a grid, away from the one in
force in both directions: steps that double from there and from the end of the range, then bisection
between the last value that is in and the first that is out; and in the same way for one further on
that is in again, as where 0 stands for something else. Both neighbours are tried themselves, so
what is found is exact for a quote that moves one way, as most do.

A parameter by which a strategy remembers (a half-life, the interval of a grid) is not tried: the
memory in the view is the one that the recorded value made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, floor, log10
from typing import Any

import msgspec

from engine.state import MarketState
from engine.step import held_back
from engine.strategy import Strategy, View
from engine.types import BUY, Side, TwoSidedQuote
from replay.remembering import remembers_otherwise

STEP_DECIMALS = 4
"""Decimals of the grid, at the least: a step is a thousandth of the value or smaller. Whole numbers
have steps of one."""
_DECIMALS_MAX = 12
_FAR = 10
"""A parameter without a bound is tried up to so many times its value."""

Path = tuple[str | int, ...]


class Parameter(msgspec.Struct, frozen=True):
    """One numeric parameter of a strategy, in steps of its grid."""

    path: Path
    value: float
    low: int
    high: int
    scale: int
    """Steps to one: 10,000 or more, or 1 for a whole number."""

    @property
    def name(self) -> str:
        """As `quotefold ctl set` takes it: `ladder.0.offset_bps`."""
        return ".".join(map(str, self.path))

    def at(self, step: int) -> float:
        """Return the value of a step of the grid."""
        return step if self.scale == 1 else step / self.scale


class KeptOut(msgspec.Struct, frozen=True):
    """What one parameter would have had to be."""

    parameter: Parameter
    from_value: float | None
    """The nearest value by which the quote is out; None: no value in range keeps it out."""
    until_value: float | None = None
    """The last one, going on from there, by which it still is; None: it stays out."""
    is_remembered: bool = False
    """It acts through the memory, and was not tried."""
    is_higher: bool = False
    """Whether it lies above the one in force."""
    price: int = 0
    """Best price that is wanted on our side by that value, ticks; 0 for none at all."""


def kept_out(market: MarketState, view: View, side: Side, price: int) -> list[KeptOut]:
    """Return what each numeric parameter would have had to be, nearest directions first.

    Args:
        market: Before the decision.
        view: What its strategy saw.
        side: Ours.
        price: Of the trade, ticks.
    """
    found = []
    for parameter in numeric_parameters(market.strategy):
        others = [
            changed(market.strategy, parameter.path, parameter.at(step))
            for step in (parameter.low, parameter.high)
        ]
        if remembers_otherwise(market.strategy, others, view):
            found.append(KeptOut(parameter, None, is_remembered=True))
            continue

        def quote(step: int, parameter: Parameter = parameter) -> TwoSidedQuote | None:
            strategy = changed(market.strategy, parameter.path, parameter.at(step))
            return None if strategy is None else held(market, strategy.quote(view))

        found += list(_ways(parameter, quote, side, price)) or [KeptOut(parameter, None)]
    return found


def held(market: MarketState, quote: TwoSidedQuote) -> TwoSidedQuote:
    """Return a quote as far as the market's holds let it."""
    return held_back(market, quote) if market.holds else quote


def best_of(quote: TwoSidedQuote, side: Side) -> int:
    """Return the best price of a side, ticks; 0 for none."""
    levels = quote.bids if side is BUY else quote.asks
    return levels[0].price if levels else 0


def is_met(quote: TwoSidedQuote, side: Side, price: int) -> bool:
    """Say whether a trade at a price meets a quote: whether it stands there or beyond."""
    best = best_of(quote, side)
    return bool(best) and side.sign * (best - price) >= 0


def _ways(
    parameter: Parameter, quote: Callable[[int], TwoSidedQuote | None], side: Side, price: int
) -> Iterator[KeptOut]:
    # Up, then down.
    exact = parameter.value * parameter.scale
    for sign, first, last in ((1, floor(exact), parameter.high), (-1, ceil(exact), parameter.low)):
        step = _nearest(lambda at: _is_out(quote(at), side, price), sign, first, last)
        if step is None:
            continue
        back = _nearest(lambda at: not _is_out(quote(at), side, price), sign, step, last)
        yield KeptOut(
            parameter,
            parameter.at(step),
            until_value=None if back is None else parameter.at(back - sign),
            is_higher=sign > 0,
            price=best_of(quote(step) or TwoSidedQuote(), side),
        )


def _is_out(quote: TwoSidedQuote | None, side: Side, price: int) -> bool:
    # What the strategy refuses to be is no way out.
    return quote is not None and not is_met(quote, side, price)


def _nearest(is_there: Callable[[int], bool], sign: int, first: int, last: int) -> int | None:
    # The first step on the way from `first`, which is none itself, to `last`.
    before = first
    for probe in _probes(sign, first, last):
        if is_there(probe):
            there = probe
            while abs(there - before) > 1:
                middle = (before + there) // 2
                if is_there(middle):
                    there = middle
                else:
                    before = middle
            return there
        before = probe
    return None


def _probes(sign: int, first: int, last: int) -> list[int]:
    # Dense at both ends of the way, where what is in force and what a bound stands for lie.
    length = sign * (last - first)
    if length <= 0:
        return []
    widths = [1 << power for power in range(length.bit_length()) if 1 << power < length]
    steps = {last, *(first + sign * width for width in widths)}
    steps.update(last - sign * width for width in widths)
    return sorted(steps, key=lambda step: sign * step)


def numeric_parameters(strategy: Strategy) -> Iterator[Parameter]:
    """Yield every numeric parameter of a strategy, those within a ladder's levels too."""
    info = msgspec.inspect.type_info(type(strategy))
    yield from _numbers(info, msgspec.to_builtins(strategy), ())


def _numbers(info: Any, value: Any, path: Path) -> Iterator[Parameter]:
    kinds = msgspec.inspect
    if isinstance(info, kinds.StructType):
        for field in info.fields:
            yield from _numbers(field.type, value[field.encode_name], (*path, field.encode_name))
    elif isinstance(info, kinds.VarTupleType | kinds.ListType):
        if isinstance(info.item_type, kinds.StructType):
            for index, item in enumerate(value):
                yield from _numbers(info.item_type, item, (*path, index))
    elif isinstance(info, kinds.FloatType | kinds.IntType) and isinstance(value, int | float):
        scale = 1 if isinstance(info, kinds.IntType) else 10 ** _decimals(value)
        yield Parameter(path, value, *_range(info, value, scale), scale)


def _decimals(value: float) -> int:
    if not value:
        return STEP_DECIMALS
    return min(_DECIMALS_MAX, max(STEP_DECIMALS, 3 - floor(log10(abs(value)))))


def _range(info: Any, value: float, scale: int) -> tuple[int, int]:
    far = max(1, abs(value)) * _FAR
    low, high = ceil(-far * scale), floor(far * scale)
    if info.ge is not None:
        low = ceil(info.ge * scale)
    elif info.gt is not None:
        low = floor(info.gt * scale) + 1
    if info.le is not None:
        high = floor(info.le * scale)
    elif info.lt is not None:
        high = ceil(info.lt * scale) - 1
    return low, high


def changed(strategy: Strategy, path: Path, value: float) -> Strategy | None:
    """Return a strategy with one parameter changed; None if it refuses the value."""
    whole = msgspec.to_builtins(strategy)
    part = whole
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    try:
        return msgspec.convert(whole, type(strategy))
    except (msgspec.MsgspecError, ValueError):
        return None
