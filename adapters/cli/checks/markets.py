"""Checks of the markets: do they exist, does what is configured fit them and the own limits."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from adapters.cli.checks.base import (
    Finding,
    Patient,
    amount,
    busy,
    each,
    failed,
    passed,
    skipped,
    unanswered,
    warned,
)
from adapters.cli.config import to_quoted
from adapters.whitebit.units import parse_units
from engine.errors import ConfigError, RemoteProtocolError
from engine.events import MarketsListed
from engine.intents import QueryMarkets
from engine.money import format_units
from engine.strategy import View, load_strategy
from engine.types import Level, Quoted, TwoSidedQuote

BPS = 10_000
SMALL_ORDERS = 20
"""A position of so many of the venue's smallest orders is small enough to begin with."""


class _Book(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


async def markets(patient: Patient) -> Finding:
    """Listed, enabled, and no end announced (contract 4.1)."""
    event = await patient.ask(QueryMarkets())
    if not isinstance(event, MarketsListed):
        return unanswered(event, "the market list cannot be read")
    found = {market.name: market for market in event.markets}
    problems, closed, ends = [], [], []
    for name in patient.config.market:
        if name not in found:
            problems.append(f"{name} is not listed")
        elif not found[name].enabled:
            closed.append(f"{name} is disabled")
        elif found[name].delist_s:
            ends.append(f"{name} is to be delisted at {found[name].delist_s} (Unix time)")
    if problems:
        hint = "correct [market.*]; public/markets lists all there are"
        return failed(each(problems + closed), hint)
    if closed:
        return busy(each(closed), "wait, or leave these markets out")
    patient.learned.markets = {name: found[name] for name in patient.config.market}
    if ends:
        return warned(each(ends), "flatten and leave these markets before")
    return passed(each(f"{name} is traded" for name in patient.config.market))


async def precision(patient: Patient) -> Finding:
    """Every number of the configuration fits the market's ticks and lots."""
    learned, problems = patient.learned, []
    for name, market in learned.markets.items():
        try:
            learned.quoted[name] = to_quoted(patient.config, market)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        learned.quoted.clear()
        return failed(each(problems), "correct [market.*] in the configuration")
    # With the product that each is quoted as.
    learned.markets = {name: quoted.market for name, quoted in learned.quoted.items()}
    fits = (
        f"{name}: {market.price_decimals} and {market.qty_decimals} decimals"
        for name, market in learned.markets.items()
    )
    return passed(each(fits))


async def book(patient: Patient) -> Finding:
    """A market without two sides cannot be quoted."""
    problems, tops = [], {}
    for name, market in patient.learned.markets.items():
        answer = await patient.get(f"orderbook/{name}?limit=1")
        try:
            found = msgspec.json.decode(answer.body, type=_Book)
            sides = (found.bids, found.asks)
            prices = [parse_units(side[0][0], market.price_decimals) for side in sides if side]
        except (msgspec.MsgspecError, ValueError) as error:
            what = f"order book of {name}: HTTP {answer.status}, unreadable"
            raise RemoteProtocolError(what) from error
        if len(prices) < 2:
            problems.append(f"{name} has no two-sided book")
        else:
            tops[name] = (prices[0], prices[1])
    if problems:
        return busy(each(problems), "wait, or choose another market")
    patient.learned.tops = tops
    shown = (
        f"{name} {format_units(bid, market.price_decimals)} / "
        f"{format_units(ask, market.price_decimals)}"
        for (name, (bid, ask)), market in zip(
            tops.items(), patient.learned.markets.values(), strict=True
        )
    )
    return passed(each(shown))


async def order_minimums(patient: Patient) -> Finding:
    """Every order of the ladder is large enough for the venue, and not too large."""
    problems = []
    for quoted in patient.learned.quoted.values():
        market = quoted.market
        for level in _levels(wanted(patient, quoted)):
            notional = level.price * level.qty
            if level.qty < market.qty_min:
                problems.append(f"{market.name}: {amount(market, level.qty)} is below the minimum")
            elif notional < market.notional_min:
                problems.append(f"{market.name}: {_worth(quoted, notional)} is below the minimum")
            elif market.notional_max and notional > market.notional_max:
                problems.append(f"{market.name}: {_worth(quoted, notional)} is above the maximum")
    if problems:
        return failed(problems[0], "change the sizes of the ladder")
    least = (
        f"{q.market.name}: at least {amount(q.market, q.market.qty_min)} and "
        f"{_worth(q, q.market.notional_min)}"
        for q in patient.learned.quoted.values()
    )
    return passed(each(least))


async def limits(patient: Patient) -> Finding:
    """The ladder fits the own limits, so that risk refuses nothing of it all day."""
    problems, empty, shown = [], [], []
    for name, quoted in patient.learned.quoted.items():
        quote, bounds, market = wanted(patient, quoted), quoted.limits, quoted.market
        levels = _levels(quote)
        if not levels:
            empty.append(f"{name}: the strategy wants no order at this price")
        problems += [f"{name}: {problem}" for problem in _beyond(patient, quoted, quote)]
        shown.append(
            f"{name}: {len(levels)} orders, position {amount(market, bounds.position_max)}, "
            f"order {_worth(quoted, bounds.order_notional_max)}, "
            f"loss a day {_worth(quoted, bounds.loss_day_max)}"
        )
    if problems:
        return failed(problems[0], "change the ladder, or the limits if you can bear them")
    if empty:
        return warned(each(empty), "look at the strategy's parameters")
    return passed(each(shown))


async def small_limits(patient: Patient) -> Finding:
    """With real money, a loss is limited below what can be held at all, and one begins small."""
    venue = patient.config.venue
    if venue is None or not venue.is_live:
        return skipped("no real money is at stake")
    endless, large = [], []
    for name, quoted in patient.learned.quoted.items():
        bounds, market = quoted.limits, quoted.market
        held = bounds.position_max * patient.learned.tops[name][0]
        for key in ("loss_day_max", "drawdown_max"):
            if (most := getattr(bounds, key)) >= held:
                endless.append(f"{name}: {key} of {_worth(quoted, most)} is no limit")
        smallest = max(market.notional_min, market.qty_min * patient.learned.tops[name][0])
        if held > SMALL_ORDERS * smallest:
            large.append(
                f"{name}: position_max is worth {_worth(quoted, held)}, the smallest order "
                f"{_worth(quoted, smallest)}"
            )
    if endless:
        hint = "set both below what position_max is worth, to what you can bear to lose in a day"
        return failed(each(endless), hint)
    if large:
        return warned(each(large), "begin with a few of the smallest orders, and watch them")
    return passed(f"no position is worth more than {SMALL_ORDERS} of the smallest orders")


def _beyond(patient: Patient, quoted: Quoted, quote: TwoSidedQuote) -> list[str]:
    limits, problems = quoted.limits, []
    middle2 = sum(patient.learned.tops[quoted.market.name])
    levels = _levels(quote)
    for level in levels:
        notional = level.price * level.qty
        if notional > limits.order_notional_max:
            problems.append(f"an order of {_worth(quoted, notional)} is above order_notional_max")
        if level.qty > limits.order_qty_max:
            problems.append(
                f"an order of {amount(quoted.market, level.qty)} is above order_qty_max"
            )
        if abs(2 * level.price - middle2) * BPS > limits.collar_bps * middle2:
            problems.append(f"an order is further than {limits.collar_bps} bps from the mid")
    for side in (quote.bids, quote.asks):
        total = sum(level.qty for level in side)
        if total > limits.position_max:
            problems.append(f"{amount(quoted.market, total)} a side is above position_max")
    if len(levels) > limits.open_orders_max:
        problems.append(f"{len(levels)} orders are above open_orders_max")
    return problems


def wanted(patient: Patient, quoted: Quoted) -> TwoSidedQuote:
    """Return what the strategy would quote now if it had nothing in stock and no limit to keep.

    A strategy may leave out what a limit forbids; the checks are to see it.
    """
    bid, ask = patient.learned.tops[quoted.market.name]
    strategy = load_strategy(quoted.strategy, quoted.parameters)
    market = replace(quoted.market, qty_min=1, notional_min=0, notional_max=0)
    boundless = quoted.limits.position_max * BPS
    now_ns, memory = patient.clock.now_ns(), strategy.initial_memory()
    fees = patient.learned.fees.get(quoted.market.name)
    return strategy.quote(View(market, now_ns, bid, 1, ask, 1, 0, boundless, memory, fees))


def _levels(quote: TwoSidedQuote) -> tuple[Level, ...]:
    return quote.bids + quote.asks


def _worth(quoted: Quoted, notional: int) -> str:
    market = quoted.market
    return f"{format_units(notional, market.notional_decimals)} {market.quote_asset}"
