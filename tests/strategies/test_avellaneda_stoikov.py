"""Avellaneda and Stoikov's quotes, against their paper.

Source of every published figure here: M. Avellaneda and S. Stoikov, "High-frequency trading in a
limit order book", Quantitative Finance 8(3), 2008, 217-224: section 3.3 with tables 1 to 3.
"""

from __future__ import annotations

import random
from decimal import Decimal
from functools import cache
from math import exp, log1p, sqrt

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.errors import ConfigError
from engine.strategy import Strategy, View, load_strategy
from engine.types import Stp
from strategies.avellaneda_stoikov import (
    AvellanedaStoikov,
    finite_distances,
    stationary_distances,
)
from strategies.ladder import Rung
from strategies.symmetric import Symmetric
from strategies.volatility import Volatility
from tests.engine.builders import MARKET, NAME, T0, S

# The paper's parameters; its price of 100 makes one unit of price 100 basis points.
MID, SIGMA, K, RATE, STEP_S, STEPS, PATHS = 100.0, 2.0, 1.5, 140.0, 0.005, 200, 1_000
BPS = 100.0
FINE = replace(MARKET, price_decimals=7, qty_decimals=0, qty_min=1, notional_min=1)
TICKS = 10**7
ONE = (Rung("1", Stp.CANCEL_NEW),)
START_NS = 1_000 * S
"""A multiple of the horizon of one second."""


def published_strategy(gamma: float) -> AvellanedaStoikov:
    """Theirs: a session of one unit of time, which is a second here."""
    return AvellanedaStoikov(ONE, gamma / BPS, K / BPS, horizon_s=1.0, sigma_bps=SIGMA * BPS)


def quoted(strategy: Strategy, q: int, step: int) -> tuple[float, float]:
    """Distances of bid and ask from the mid, from the quote itself, in units of price."""
    # So wide a market that nothing would take; its mid is what counts.
    ticks, now_ns = int(MID * TICKS), START_NS + int(step * STEP_S * S)
    wide = 40 * TICKS
    view = View(
        FINE, now_ns, ticks - wide, 1, ticks + wide, 1, q, 1_000, Volatility(2 * ticks, 0, 0.0)
    )
    quote = strategy.quote(view)
    return MID - quote.bids[0].price / TICKS, quote.asks[0].price / TICKS - MID


@cache
def simulated(strategy: Strategy, seed: int) -> tuple[list[float], list[int], float]:
    """Profit and final inventory of each path, and the average spread, by section 3.3.

    A step fills with probability A exp(-k d) dt on each side, and moves the mid by sigma sqrt(dt).
    """
    rng = random.Random(seed)
    draw = rng.random
    jump = SIGMA * sqrt(STEP_S)

    @cache
    def terms(q: int, step: int) -> tuple[float, float, float, float]:
        below, above = quoted(strategy, q, step)
        return (
            below,
            above,
            RATE * exp(-K * below) * STEP_S,
            RATE * exp(-K * above) * STEP_S,
        )

    profits, finals, spreads = [], [], 0.0
    for _ in range(PATHS):
        cash, q, mid = 0.0, 0, MID
        for step in range(STEPS):
            below, above, bought, sold = terms(q, step)
            spreads += below + above
            if draw() < sold:
                q -= 1
                cash += mid + above
            if draw() < bought:
                q += 1
                cash -= mid - below
            mid += jump if draw() < 0.5 else -jump
        profits.append(cash + q * mid)
        finals.append(q)
    return profits, finals, spreads / (PATHS * STEPS)


def moments(values: list[float] | list[int]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


Row = tuple[float, float, float, float, float]
TABLES: list[tuple[str, float, Row, Row]] = [
    ("table 1", 0.1, (1.49, 65.0, 6.6, 0.08, 2.9), (1.49, 68.4, 12.7, 0.26, 8.4)),
    ("table 2", 0.01, (1.35, 68.6, 8.7, 0.12, 5.1), (1.35, 68.8, 12.8, 0.09, 8.7)),
    ("table 3", 1.0, (3.02, 31.4, 5.0, 0.02, 1.7), (3.02, 44.0, 11.0, 0.00, 5.1)),
]
"""Table, gamma, inventory and symmetric strategy: average spread, profit and its deviation, final
inventory and its deviation."""

STANDARD_ERRORS = 3.5
"""Allowed between two samples of 1,000: one in 2,000 comparisons of equals is further apart."""


@pytest.mark.slow
@pytest.mark.parametrize(("table", "gamma", "inventory", "symmetric"), TABLES)
def test_the_tables_of_2008_come_out(
    table: str, gamma: float, inventory: Row, symmetric: Row
) -> None:
    """Every quote is `quote(view)` of our strategies: theirs, and the benchmark of its spread."""
    half = inventory[0] / 2
    for strategy, published in (
        (published_strategy(gamma), inventory),
        (Symmetric(ONE, half * BPS), symmetric),
    ):
        profits, finals, spread = simulated(strategy, seed=2008)
        found = (spread, *moments(profits), *moments(finals))
        # Both are samples; the deviation of a deviation is for a normal distribution, and a
        # third is added since these tails are a little heavier.
        mean_error = sqrt(2 / PATHS)
        deviation_error = 4 / 3 / sqrt(PATHS)
        # The risk falls within a step too, so when in it the spread is read makes a difference.
        near = 0.005 + gamma * SIGMA**2 * STEP_S
        assert found[0] == pytest.approx(published[0], abs=near), (table, found)
        for at in (1, 3):
            mean, deviation = published[at], published[at + 1]
            near = STANDARD_ERRORS * deviation * mean_error + 0.05
            assert found[at] == pytest.approx(mean, abs=near), (table, found)
            near = STANDARD_ERRORS * deviation * deviation_error + 0.05
            assert found[at + 1] == pytest.approx(deviation, abs=near), (table, found)


@pytest.mark.slow
def test_the_inventory_strategy_risks_much_less_for_little_less_profit() -> None:
    """What the paper concludes from table 1."""
    ours, benchmark = TABLES[0][2:]
    profits, finals, _ = simulated(published_strategy(0.1), seed=2008)
    plain_profits, plain_finals, _ = simulated(Symmetric(ONE, ours[0] / 2 * BPS), seed=2008)
    assert moments(profits)[1] < 0.6 * moments(plain_profits)[1]
    assert moments(finals)[1] < 0.4 * moments(plain_finals)[1]
    assert moments(profits)[0] > 0.92 * moments(plain_profits)[0]
    assert benchmark[1] > ours[1]


# --- formulas -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("q", "left"), [(0, 1.0), (3, 0.5), (-4, 0.25), (7, 0.005)])
@pytest.mark.parametrize("gamma", [0.01, 0.1, 1.0])
def test_distances_are_those_of_equations_29_and_30(q: int, left: float, gamma: float) -> None:
    """Worked out with 50 digits: r = s - q g s2 (T-t), spread = g s2 (T-t) + 2/g ln(1 + g/k)."""
    g, k = Decimal(repr(gamma)), Decimal("1.5")
    risk = g * 4 * Decimal(repr(left))
    reservation = 100 - q * risk
    half = (risk + 2 / g * (1 + g / k).ln()) / 2
    below, above = finite_distances(q, gamma * 4 * left, gamma, K)
    assert below == pytest.approx(float(100 - (reservation - half)), abs=1e-12)
    assert above == pytest.approx(float(reservation + half - 100), abs=1e-12)


@pytest.mark.parametrize(("q", "step"), [(0, 0), (5, 10), (-3, 100), (12, 199)])
def test_a_quote_rounds_the_distances_away_from_the_market(q: int, step: int) -> None:
    gamma, left = 0.1, 1 - step * STEP_S
    below, above = finite_distances(q, gamma * SIGMA**2 * left, gamma, K)
    bid, ask = quoted(published_strategy(gamma), q, step)
    assert 0 <= bid - below < 1.1 / TICKS
    assert 0 <= ask - above < 1.1 / TICKS


@pytest.mark.parametrize(("q", "q_max"), [(0, 5), (2, 5), (-5, 5), (4, 5), (1, 40)])
def test_stationary_distances_solve_definition_1(q: int, q_max: int) -> None:
    """The value is -exp(-gamma (x + q s)) / (omega - gamma^2 q^2 sigma^2 / 2), section 2.3.

    At the reservation bid, one more for that much less cash is worth the same; likewise the ask.
    With omega as in the paper, for two volatilities: they cancel.
    """
    gamma, k = Decimal("0.1"), Decimal("1.5")
    for sigma2 in (Decimal(4), Decimal("0.01")):

        def divisor(held: int, sigma2: Decimal = sigma2) -> Decimal:
            return gamma**2 * sigma2 * ((q_max + 1) ** 2 - held**2) / 2

        margin = (1 + gamma / k).ln() / gamma
        below, above = stationary_distances(q, q_max, 0.1, 1.5)
        bid_reservation = Decimal(float(margin) - below)
        ask_reservation = Decimal(above - float(margin))
        worth = (gamma * bid_reservation).exp() / divisor(q + 1)
        assert float(worth * divisor(q)) == pytest.approx(1.0, abs=1e-12)
        if q > -q_max:
            worth = (-gamma * ask_reservation).exp() / divisor(q - 1)
            assert float(worth * divisor(q)) == pytest.approx(1.0, abs=1e-12)


def test_the_printed_stationary_bid_and_the_first_order_of_the_printed_ask() -> None:
    q, q_max = 3, 50
    part = 1 / ((q_max + 1) ** 2 - q * q)
    below, above = stationary_distances(q, q_max, 0.1, K)
    margin = finite_distances(0, 0.0, 0.1, K)[0]
    assert margin - below == pytest.approx(10 * log1p((-1 - 2 * q) * part), abs=1e-12)
    assert above - margin == pytest.approx(10 * log1p((1 - 2 * q) * part), rel=0.01)


def test_at_the_limit_nothing_more_is_bought_or_sold() -> None:
    full = stationary_distances(5, 5, 0.1, K)
    assert full[0] > 200
    assert stationary_distances(-5, 5, 0.1, K) == full[::-1]


# --- the strategy -------------------------------------------------------------------------------


def test_without_a_horizon_it_quotes_the_stationary_form() -> None:
    strategy = AvellanedaStoikov((Rung("0.010", Stp.NO),), gamma=0.05, k=0.2)
    memory = strategy.initial_memory()
    view = View(MARKET, T0, 5_990_000, 1, 6_010_000, 1, 20, 50, memory)
    below, above = stationary_distances(2, 5, 0.05, 0.2)
    quote = strategy.quote(view)
    assert quote.bids[0].price == int(6_000_000 - 600 * below)
    assert quote.asks[0].price == int(6_000_000 + 600 * above) + 1
    # Later, or in another market, it is the same.
    later = replace(view, now_ns=T0 + 77 * S, memory=Volatility(1, 1, 9.0))
    assert strategy.quote(later) == quote
    # What is beyond the limit counts as the limit.
    assert strategy.quote(replace(view, inventory=90)).asks[0].price == (
        strategy.quote(replace(view, inventory=50)).asks[0].price
    )


def test_a_session_begins_wide_and_ends_symmetric() -> None:
    strategy = AvellanedaStoikov((Rung("0.010", Stp.NO),), 0.05, 0.2, 60.0, sigma_bps=1.0)
    seen = View(MARKET, 60 * S, 5_990_000, 1, 6_010_000, 1, 20, 50, Volatility())
    first = strategy.quote(seen)
    final = strategy.quote(replace(seen, now_ns=120 * S - 1))
    assert first.asks[0].price - first.bids[0].price > final.asks[0].price - final.bids[0].price
    assert first.asks[0].price + first.bids[0].price < 2 * 6_000_000 - 3_000
    assert abs(final.asks[0].price + final.bids[0].price - 2 * 6_000_000) <= 2
    # The next session begins anew.
    assert strategy.quote(replace(seen, now_ns=120 * S)) == first


def test_volatility_is_measured_where_none_is_stated() -> None:
    measuring = AvellanedaStoikov(ONE, 0.05, 0.2, 60.0)
    stated = replace(measuring, sigma_bps=3.0)
    seen = View(FINE, 60 * S, 10**9 - 10**7, 1, 10**9 + 10**7, 1, 2, 50, Volatility(1, 1, 9.0))
    assert measuring.quote(seen) == stated.quote(seen)
    memory = measuring.fold(Volatility(), e.BestBidOffer(NAME, 1, 0, 99, 1, 101, 1), T0)
    assert memory == Volatility(200, T0, 0.0)
    assert measuring.fold(memory, e.BestBidOffer(NAME, 1, 0, 1, 1, 3, 1), T0 + S - 1) is memory
    assert measuring.fold(memory, e.PublicTrades(NAME, ()), T0 + S) is memory


@pytest.mark.parametrize("held", [-20, 20])
def test_a_side_so_far_away_that_no_record_could_hold_its_price_is_left_out(held: int) -> None:
    """Every parameter is in its range: an ask at 10^21 ticks once ended the run."""
    strategy = AvellanedaStoikov((Rung("0.010", Stp.NO),), 1e4, 1e4, 604_800.0, sigma_bps=1e4)
    quote = strategy.quote(View(MARKET, T0, 5_990_000, 1, 6_010_000, 1, held, 50, Volatility()))
    assert [level.price for level in quote.bids] == ([6_009_999] if held < 0 else [])
    assert [level.price for level in quote.asks] == ([5_990_001] if held > 0 else [])


def test_only_prices_stir_it() -> None:
    before = e.BestBidOffer(NAME, 1, 0, 100, 1, 102, 1)
    strategy = AvellanedaStoikov(ONE, 0.05, 0.2)
    assert not strategy.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 100, 9, 102, 9))
    assert strategy.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 101, 1, 102, 1))
    assert strategy.is_stirred(before, e.BestBidOffer(NAME, 2, 0, 100, 1, 101, 1))


@pytest.mark.parametrize("parameter", ['"gamma":0,"k":1', '"gamma":1,"k":0', '"gamma":1'])
def test_illegal_parameters_are_refused(parameter: str) -> None:
    with pytest.raises(ConfigError, match="avellaneda_stoikov: parameters"):
        load_strategy("avellaneda_stoikov", f'{{"ladder":[{{"qty":"1","stp":"cn"}}],{parameter}}}')
