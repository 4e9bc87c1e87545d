"""Which parameter would have kept us out: the quote of a moment, by other values, one at a time.

The view is the one that the order's price was decided in, and the question is whether the quote
then stands at or beyond the price of the trade. Values are tried on a grid of `STEP_DECIMALS`
decimals, away from the one in force in both directions: steps that double, then bisection between
the last value that is in and the first that is out. Both neighbours are tried themselves, so what
is found is exact for a quote that moves one way, as quotes do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, floor
from typing import Any

import msgspec

from engine.state import MarketState
from engine.step import held_back
from engine.strategy import Strategy, View
from engine.types import BUY, Side, TwoSidedQuote

STEP_DECIMALS = 4
"""Decimals of the grid; whole numbers have steps of one."""
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
    """Steps to one: 10,000, or 1 for a whole number."""

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
    """The nearest value from which on the quote stays out; None: no value in range does."""
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

        def quote(step: int, parameter: Parameter = parameter) -> TwoSidedQuote | None:
            strategy = changed(market.strategy, parameter.path, parameter.at(step))
            return None if strategy is None else held(market, strategy.quote(view))

        ways = [way for way in _ways(parameter, quote, side, price) if way is not None]
        found += ways or [KeptOut(parameter, None)]
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
) -> Iterator[KeptOut | None]:
    # Up, then down.
    exact = parameter.value * parameter.scale
    for sign, first, last in ((1, floor(exact), parameter.high), (-1, ceil(exact), parameter.low)):
        step = _nearest(lambda at: _is_out(quote(at), side, price), sign, first, last)
        if step is not None:
            best = best_of(quote(step) or TwoSidedQuote(), side)
            yield KeptOut(parameter, parameter.at(step), sign > 0, best)


def _is_out(quote: TwoSidedQuote | None, side: Side, price: int) -> bool:
    # What the strategy refuses to be is no way out.
    return quote is not None and not is_met(quote, side, price)


def _nearest(is_out: Callable[[int], bool], sign: int, first: int, last: int) -> int | None:
    inside, width = first, 1
    while sign * (last - inside) > 0:
        probe = first + sign * width
        if sign * (probe - last) > 0:
            probe = last
        if is_out(probe):
            outside = probe
            while abs(outside - inside) > 1:
                middle = (inside + outside) // 2
                if is_out(middle):
                    outside = middle
                else:
                    inside = middle
            return outside
        inside, width = probe, 2 * width
    return None


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
        scale = 1 if isinstance(info, kinds.IntType) else 10**STEP_DECIMALS
        far = max(1, abs(value)) * _FAR
        low = -far if info.ge is None else info.ge
        high = far if info.le is None else info.le
        yield Parameter(path, value, ceil(low * scale), floor(high * scale), scale)


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
