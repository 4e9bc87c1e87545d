"""Laws of one quote, and of two that belong together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from typing import NoReturn

from msgspec.structs import replace

from engine.events import BestBidOffer
from engine.money import format_units
from engine.strategy import UNITS, Strategy, View
from engine.testing.ladders import ladder, side_by_side, view_text
from engine.testing.situations import Situation, mirrored
from engine.types import Level, Market, Stp, TwoSidedQuote

ROUNDINGS = 2
"""Ticks by which roundings may move a price: its own, and that of the level before it."""
FAR = 20
"""Where a history is mirrored, prices may be off by one in so many of the distance of the best from
the mid, and sizes likewise: returns are relative, and the mirror of a rise no fall of its size."""

RECORD_MAX = 2**63 - 1
"""A journal's records hold whole numbers up to here."""

FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a strategy raises that did not think of a situation, or was given what it cannot use."""

Situations = tuple[Situation, ...]


def answers(strategy: Strategy, cases: Situations) -> None:
    """It answers every view with levels of whole ticks and lots, every ticker with yes or no."""
    for case, view, found in _quoted(strategy, cases):
        if type(found) is not TwoSidedQuote:
            _broken(case, view, f"expected a TwoSidedQuote, found {found!r}")
        for side in (found.bids, found.asks):
            if type(side) is not tuple:
                _broken(case, view, f"expected a tuple of levels, found {side!r}")
            for level in side:
                wrong = _wrong_type(level)
                if wrong:
                    _broken(case, view, wrong)
        before = ticker_of(view)
        for after in (replace(before, bid_qty=before.bid_qty + 1), replace(before, bid_price=1)):
            stirred = strategy.is_stirred(before, after)
            if type(stirred) is not bool:
                _broken(case, view, f"is_stirred: expected True or False, found {stirred!r}")


def ticker_of(view: View) -> BestBidOffer:
    """Return the ticker that a view's prices and sizes come from."""
    return BestBidOffer(
        view.market.name, 1, 0, view.bid_price, view.bid_qty, view.ask_price, view.ask_qty
    )


def _wrong_type(level: object) -> str:
    if type(level) is not Level:
        return f"expected a Level, found {level!r}"
    if type(level.price) is not int or type(level.qty) is not int:
        return f"expected whole ticks and lots, found {level!r}: round bids down and asks up"
    if type(level.stp) is not Stp or type(level.rpi) is not bool:
        return f"expected an Stp and a bool, found {level!r}"
    return "" if type(level.post_only) is bool else f"expected post_only a bool, found {level!r}"


def rests(strategy: Strategy, cases: Situations) -> None:
    """What is post-only or RPI does not meet the market, no bid meets an ask, best levels first."""
    for case, view, found in _quoted(strategy, cases):
        bids, asks = [b.price for b in found.bids], [a.price for a in found.asks]
        if bids and asks and max(bids) >= min(asks):
            _broken(case, view, "an own bid meets an own ask", found)
        for level in found.bids:
            if (level.post_only or level.rpi) and level.price >= view.ask_price:
                _broken(case, view, "a bid that must rest reaches the best ask", found)
        for level in found.asks:
            if (level.post_only or level.rpi) and level.price <= view.bid_price:
                _broken(case, view, "an ask that must rest reaches the best bid", found)
        for side, sign in ((found.bids, 1), (found.asks, -1)):
            for level, deeper in pairwise(side):
                step = sign * (level.price - deeper.price)
                if step < 0 or (step == 0 and level.rpi is deeper.rpi):
                    _broken(case, view, "levels are not best first, each price once", found)


def fits(strategy: Strategy, cases: Situations) -> None:
    """Every level is one that the venue takes, and no side is larger than the room it has."""
    for case, view, found in _quoted(strategy, cases):
        market = view.market
        for level in found.bids + found.asks:
            if level.price <= 0:
                _broken(case, view, "a price of nothing, or less", found)
            if level.qty < market.qty_min or level.qty <= 0:
                least = _base(market.qty_min, market)
                _broken(case, view, f"a size below the least, {least}", found)
            if max(level.price, level.qty) > RECORD_MAX:
                _broken(case, view, "a price or a size that no record can hold", found)
            worth = level.price * level.qty
            if worth < market.notional_min or (market.notional_max and worth > market.notional_max):
                _broken(case, view, "a level worth less or more than the venue takes", found)
        for name, side, room in (
            ("bids", found.bids, view.inventory_max - view.inventory),
            ("asks", found.asks, view.inventory_max + view.inventory),
        ):
            if side and total(side) > room:
                size, left = _base(total(side), market), _base(max(room, 0), market)
                _broken(case, view, f"{name} of {size}, with room for {left}", found)


def _base(lots: int, market: Market) -> str:
    return f"{format_units(lots, market.qty_decimals)} {market.base_asset}"


def wants(strategy: Strategy, cases: Situations) -> None:
    """In some ordinary situation it wants an order, so that there is something to judge."""
    ordinary = [case for case in cases if case.ordinary]
    for case in ordinary:
        if asked(strategy, case, case.view(strategy)) != TwoSidedQuote():
            return
    if ordinary:
        market = ordinary[0].seen.market
        raise AssertionError(
            f"it wants no order in any of {len(ordinary)} ordinary situations: expected sizes from "
            f"{_base(market.qty_min, market)}, and memories and limits that let them out"
        )


def mirrors(strategy: Strategy, cases: Situations) -> None:
    """With bids and asks, long and short exchanged, its quote is the mirror, up to rounding."""
    for case in cases:
        if not case.ordinary:
            continue
        turned = mirrored(case)
        view, other = case.view(strategy), turned.view(strategy)
        found, answer = asked(strategy, case, view), asked(strategy, turned, other)
        middle2 = view.bid_price + view.ask_price
        expected = TwoSidedQuote(_turned(answer.asks, middle2), _turned(answer.bids, middle2))
        off = _allowed(found, view, bool(case.history))
        for one, two in (
            (_both_ways(expected.bids, view), _both_ways(found.bids, view)),
            (_both_ways(expected.asks, view), _both_ways(found.asks, view)),
        ):
            if len(one) != len(two) or not all(
                _near(a, b, off, bool(case.history)) for a, b in zip(one, two, strict=True)
            ):
                text = side_by_side(expected, found, view.market, names=("the mirror", "found"))
                _broken(case, view, f"the mirror of its quote in the mirror differs\n{text}")


def _turned(levels: tuple[Level, ...], middle2: int) -> tuple[Level, ...]:
    return tuple(replace(level, price=middle2 - level.price) for level in levels)


def _both_ways(levels: tuple[Level, ...], view: View) -> tuple[Level, ...]:
    # Those whose mirror the venue takes as well: of an ask at twice the price there is no bid.
    middle2, least = view.bid_price + view.ask_price, max(view.market.notional_min, 1)
    return tuple(
        level for level in levels if min(level.price, middle2 - level.price) * level.qty >= least
    )


def _allowed(found: TwoSidedQuote, view: View, history: bool) -> int:
    # Ticks; skewed, one side may be near the mid although the other is far.
    middle2, spread = view.bid_price + view.ask_price, view.ask_price - view.bid_price
    away2 = [abs(2 * level.price - middle2) for level in found.bids + found.asks]
    # A distance that is a part of some price within the spread is another part of its mirror.
    off = ROUNDINGS + max(away2, default=0) * spread // middle2
    best2 = [abs(2 * side[0].price - middle2) for side in (found.bids, found.asks) if side]
    return off + max(best2, default=0) // (2 * FAR) if history else off


def _near(one: Level, other: Level, off: int, history: bool) -> bool:
    lots = max(1, one.qty // FAR) if history else 1
    return (
        abs(one.price - other.price) <= off
        and abs(one.qty - other.qty) <= lots
        and (one.rpi, one.post_only, one.stp) == (other.rpi, other.post_only, other.stp)
    )


def skews(strategy: Strategy, cases: Situations) -> None:
    """The more it holds, the lower, and never the more, it bids; its asks are never higher."""
    for case in cases:
        if not case.ordinary:
            continue
        view = case.view(strategy)
        most = view.inventory_max
        shares = (-120, -100, -70, -30, -5, 0, 5, 30, 70, 100, 120)
        views = [replace(view, inventory=most * share // 100) for share in shares]
        quotes = [asked(strategy, case, each) for each in views]
        for less, more, seen in zip(quotes, quotes[1:], views[1:], strict=False):
            wrong = _leans_with(less, more)
            if wrong:
                names = ("holding less", "holding more")
                text = side_by_side(less, more, view.market, names=names)
                _broken(case, seen, f"{wrong}\n{text}")


def _leans_with(less: TwoSidedQuote, more: TwoSidedQuote) -> str:
    # `more` is the quote with the larger inventory.
    for name, before, after in (("bid", less.bids, more.bids), ("ask", less.asks, more.asks)):
        for level, (one, two) in enumerate(zip(before, after, strict=False), 1):
            if two.price > one.price + 1:
                return f"{name} {level} rises with the inventory"
    if total(more.bids) > total(less.bids):
        return "it bids for more, holding more"
    if total(more.asks) < total(less.asks):
        return "it asks for less, holding more"
    return ""


def total(levels: tuple[Level, ...]) -> int:
    """Return the size of one side, lots."""
    lots = 0
    for level in levels:
        lots += level.qty
    return lots


def reasons(strategy: Strategy, cases: Situations) -> None:
    """Its quote is what the figures of its reasoning come to, each once and in a known unit."""
    for case, view, found in _quoted(strategy, cases):
        reasoning = strategy.reason(view)
        names = [figure.name for figure in reasoning.figures]
        if len(names) != len(set(names)):
            _broken(case, view, f"a figure of its reasoning stands twice: {', '.join(names)}")
        for figure in reasoning.figures:
            if figure.unit not in UNITS or not isfinite(figure.value):
                _broken(case, view, f"expected a number of {', '.join(UNITS)}, found {figure}")
        followed = strategy.follow(view, reasoning)
        if followed != found:
            text = side_by_side(found, followed, view.market, names=("its quote", "by its figures"))
            _broken(case, view, f"its quote is not what its reasoning comes to\n{text}")


def _quoted(
    strategy: Strategy, cases: Situations
) -> Iterator[tuple[Situation, View, TwoSidedQuote]]:
    for case in cases:
        try:
            view = case.view(strategy)
        except FAULTS as error:
            error.add_note(_where(case, case.seen))
            raise
        yield case, view, asked(strategy, case, view)


def asked(strategy: Strategy, case: Situation, view: View) -> TwoSidedQuote:
    """Return what a strategy wants; whatever it raises tells the view, and the situation."""
    try:
        return strategy.quote(view)
    except FAULTS as error:
        error.add_note(_where(case, view))
        raise


def _broken(case: Situation, view: View, what: str, found: TwoSidedQuote | None = None) -> NoReturn:
    lines = [what, _where(case, view)]
    if found is not None:
        lines.insert(1, ladder(found, view.market))
    raise AssertionError("\n".join(lines))


def _where(case: Situation, view: View) -> str:
    return f"in the situation {case.name!r}: {view_text(view)}"
