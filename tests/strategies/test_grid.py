"""The grid bot, by hand-worked fills: prices are ticks of 0.01, sizes lots of 0.001.

The rule is that of WhiteBIT's guide "Building a trading bot", worked example "Grid bot": "When a
buy fills, a sell is placed one grid level above. When a sell fills, a buy is placed one grid level
below."
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import events as e
from engine.errors import ConfigError
from engine.strategy import View, load_strategy
from engine.types import BUY, SELL, Role, Side, Stp
from strategies.grid import Grid
from strategies.turned import Turned
from tests.engine.builders import MARKET, NAME, T0, fill

TESTED = Grid("0.010", Stp.CANCEL_NEW, interval_bps=10.0, levels=3)
START = Turned(10_000, 10, (0, 0, 0, 0, 0, 0))
"""Levels 9970, 9980, 9990, 10000, 10010, 10020, 10030."""

Orders = list[tuple[int, int]]


def ticker(bid: int, ask: int) -> e.BestBidOffer:
    return e.BestBidOffer(NAME, 1, 0, bid, 1, ask, 1)


def filled(side: Side, price: int, qty: int = 10, role: Role = Role.MAKER) -> e.Filled:
    return e.Filled(replace(fill(1, side=side, price=price, qty=qty), role=role))


def view(memory: Turned, bid: int = 9_999, ask: int = 10_001, inventory: int = 0) -> View:
    return View(MARKET, T0, bid, 1, ask, 1, inventory, 1_000, memory)


def orders(memory: Turned, bid: int = 9_999, ask: int = 10_001) -> tuple[Orders, Orders]:
    quote = TESTED.quote(view(memory, bid, ask))
    return [(o.price, o.qty) for o in quote.bids], [(o.price, o.qty) for o in quote.asks]


def after(*fills: e.Filled) -> Turned:
    memory = START
    for one in fills:
        memory = TESTED.fold(memory, one, T0)
    return memory


# --- laying it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "centre", "interval"),
    [(9_999, 10_001, 10_000, 10), (9_994, 9_995, 9_990, 10), (9_995, 9_996, 10_000, 10),
     (999, 1_001, 1_000, 1), (10, 20, 15, 1)],
)  # fmt: skip
def test_it_lies_around_the_level_nearest_to_the_market(
    bid: int, ask: int, centre: int, interval: int
) -> None:
    memory = TESTED.fold(TESTED.initial_memory(), ticker(bid, ask), T0)
    assert memory == Turned(centre, interval, (0,) * 6)
    assert TESTED.fold(memory, ticker(5, 6), T0) is memory, "it stays where it lies"


def test_until_both_sides_are_seen_there_is_none() -> None:
    memory = TESTED.initial_memory()
    for event in (ticker(0, 5), ticker(5, 0), e.PublicTrades(NAME, ()), filled(BUY, 5)):
        assert TESTED.fold(memory, event, T0) is memory
    assert TESTED.quote(view(memory)).bids == TESTED.quote(view(memory)).asks == ()


def test_it_begins_with_buys_below_and_sells_above() -> None:
    assert orders(START) == (
        [(9_990, 10), (9_980, 10), (9_970, 10)],
        [(10_010, 10), (10_020, 10), (10_030, 10)],
    )


def test_levels_that_are_changed_later_wait_for_the_next_start() -> None:
    """A grid that lies there keeps its lines, and what its fills have turned over."""
    changed = replace(TESTED, levels=5)
    memory = after(filled(BUY, 9_990))
    assert changed.quote(view(memory)) == TESTED.quote(view(memory))
    assert changed.fold(START, filled(BUY, 9_990), T0) == memory


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "fills", "market", "buys", "sells"),
    [
        (
            "a filled buy sells one level up",
            [filled(BUY, 9_990)],
            (9_985, 9_995),
            [(9_980, 10), (9_970, 10)],
            [(10_000, 10), (10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "a filled sell buys one level down",
            [filled(SELL, 10_010)],
            (10_005, 10_015),
            [(10_000, 10), (9_990, 10), (9_980, 10), (9_970, 10)],
            [(10_020, 10), (10_030, 10)],
        ),
        (
            "a swing down and up again earns one interval and leaves the grid as it was",
            [filled(BUY, 9_990), filled(SELL, 10_000)],
            (9_994, 10_006),
            [(9_990, 10), (9_980, 10), (9_970, 10)],
            [(10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "two levels down, one up",
            [filled(BUY, 9_990), filled(BUY, 9_980), filled(SELL, 9_990)],
            (9_984, 9_996),
            [(9_980, 10), (9_970, 10)],
            [(10_000, 10), (10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "lot by lot: what is filled of a buy is for sale, the rest still bought",
            [filled(BUY, 9_990, 3)],
            (9_990, 9_995),
            [(9_990, 7), (9_980, 10), (9_970, 10)],
            [(10_000, 3), (10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "through the whole range upwards: nothing is left to sell",
            [filled(SELL, 10_010), filled(SELL, 10_020), filled(SELL, 10_030)],
            (10_040, 10_050),
            [(10_020, 10), (10_010, 10), (10_000, 10), (9_990, 10), (9_980, 10), (9_970, 10)],
            [],
        ),
        (
            "what takes is not the grid's: somebody flattens",
            [filled(BUY, 9_990, role=Role.TAKER)],
            (9_991, 9_995),
            [(9_990, 10), (9_980, 10), (9_970, 10)],
            [(10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "nor is what lies beyond its levels",
            [filled(BUY, 9_950), filled(SELL, 10_050), filled(BUY, 10_030), filled(SELL, 9_970)],
            (9_991, 9_995),
            [(9_990, 10), (9_980, 10), (9_970, 10)],
            [(10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "a price some ticks off counts for the nearest level",
            [filled(BUY, 9_987)],
            (9_985, 9_995),
            [(9_980, 10), (9_970, 10)],
            [(10_000, 10), (10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "the lower of two buys is told first: no own bid meets an own ask",
            [filled(BUY, 9_980)],
            (9_975, 9_995),
            [(9_990, 10), (9_970, 10)],
            [(10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "both are told",
            [filled(BUY, 9_980), filled(BUY, 9_990)],
            (9_975, 9_985),
            [(9_970, 10)],
            [(9_990, 10), (10_000, 10), (10_010, 10), (10_020, 10), (10_030, 10)],
        ),
        (
            "the market is past a level: what would take waits until it comes back",
            [filled(BUY, 9_990)],
            (10_015, 10_018),
            [(9_980, 10), (9_970, 10)],
            [(10_020, 10), (10_030, 10)],
        ),
    ],
)
def test_the_rule(
    case: str, fills: list[e.Filled], market: tuple[int, int], buys: Orders, sells: Orders
) -> None:
    assert orders(after(*fills), *market) == (buys, sells), case


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10)), max_size=40))
def test_any_path_of_fills_adds_up(path: list[tuple[bool, int]]) -> None:
    """The market fills the best order of a side, wholly or partly, again and again."""
    memory, held, cash = START, 0, 0
    for down, most in path:
        quote = TESTED.quote(view(memory, 1, 10**6))
        side, levels = (BUY, quote.bids) if down else (SELL, quote.asks)
        if levels:
            qty = min(most, levels[0].qty)
            memory = TESTED.fold(memory, filled(side, levels[0].price, qty), T0)
            held += side.sign * qty
            cash -= side.sign * qty * levels[0].price
    quote = TESTED.quote(view(memory, 1, 10**6))
    assert sum(level.qty for level in quote.bids) == 30 - held
    assert sum(level.qty for level in quote.asks) == 30 + held
    assert not quote.bids or not quote.asks or quote.bids[0].price < quote.asks[0].price
    # What is still open was bought at its level or sold one above; the rest earned intervals.
    lower = [9_970 + 10 * slot for slot in range(6)]
    spent = sum(
        lots * (low if lots > 0 else low + 10)
        for lots, low in zip(memory.bought, lower, strict=True)
    )
    earned = cash + spent
    assert earned >= 0
    assert earned % 10 == 0


# --- limits and parameters ------------------------------------------------------------------------


def test_there_is_never_more_than_room() -> None:
    tight = replace(view(START), inventory_max=15, inventory=0)
    quote = TESTED.quote(tight)
    assert [level.qty for level in quote.bids] == [10, 5]
    assert [level.qty for level in quote.asks] == [10, 5]
    full = TESTED.quote(replace(tight, inventory=15))
    assert (full.bids, [level.qty for level in full.asks]) == ((), [10, 10, 10])


def test_a_level_that_was_overfilled_sells_no_more_than_an_order_at_a_time() -> None:
    """Its size was lowered while it ran, or a deal came late: what is beyond waits its turn."""
    memory = after(filled(BUY, 9_990, 25))
    assert orders(memory, 9_985, 9_995)[1][0] == (10_000, 10)
    memory = TESTED.fold(memory, filled(SELL, 10_000, 10), T0)
    assert orders(memory, 9_985, 9_995)[1][0] == (10_000, 10)
    memory = TESTED.fold(memory, filled(SELL, 10_000, 10), T0)
    assert orders(memory, 9_985, 9_995)[1][0] == (10_000, 5)


def test_what_is_below_the_venues_minimum_waits_for_more() -> None:
    coarse = replace(MARKET, qty_min=5)
    seen = replace(view(after(filled(BUY, 9_990, 3)), 9_990, 9_995), market=coarse)
    assert [level.qty for level in TESTED.quote(seen).asks] == [10, 10, 10]
    seen = replace(seen, memory=after(filled(BUY, 9_990, 6)))
    assert [level.qty for level in TESTED.quote(seen).asks] == [6, 10, 10, 10]
    assert [level.qty for level in TESTED.quote(seen).bids] == [10, 10]
    cheap = TESTED.quote(view(Turned(4, 1, (0,) * 6), 4, 5))
    assert [(level.price, level.qty) for level in cheap.bids] == [(3, 10), (2, 10), (1, 10)]
    dear = replace(MARKET, notional_min=30)
    cheap = TESTED.quote(replace(view(Turned(4, 1, (0,) * 6), 4, 5), market=dear))
    assert [level.price for level in cheap.bids] == [3]


def test_nothing_stirs_it() -> None:
    assert not TESTED.is_stirred(ticker(1, 2), ticker(3, 4))


@pytest.mark.parametrize(
    "parameters",
    ['"qty":"1","stp":"cn"', '"qty":"1","stp":"cn","interval_bps":0',
     '"qty":"1","stp":"cn","interval_bps":5,"levels":11'],
)  # fmt: skip
def test_illegal_parameters_are_refused(parameters: str) -> None:
    with pytest.raises(ConfigError, match="grid: parameters"):
        load_strategy("grid", f"{{{parameters}}}")
