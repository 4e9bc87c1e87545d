"""Gueant, Lehalle and Fernandez-Tapia's quotes, against their paper, and the fit of the arrivals.

Source: O. Gueant, C.-A. Lehalle and J. Fernandez-Tapia, "Dealing with the inventory risk: a
solution to the market making problem", Mathematics and Financial Economics 7(4), 2013, 477-507,
arXiv 1105.3115. Its section 4 gives the quotes long before the end, exactly by an eigenvector and
approximately in closed form; the parameters here are those of its figures.
"""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from math import log, log1p

import pytest
from msgspec.structs import replace

from engine import events as e
from engine.errors import ConfigError
from engine.strategy import View, load_strategy
from engine.types import BUY, SELL, Side, Stp
from strategies.arrivals import REACH_MAX_BPS, Flow
from strategies.glft import Glft, asymptotic_distances
from strategies.ladder import Rung
from strategies.volatility import Volatility
from tests.engine.builders import MARKET, NAME, T0, S, fill

CASES = [
    # sigma (tick s^-1/2), A (s^-1), k (tick^-1), gamma (tick^-1)
    ("0.4", "0.9", "0.3", "0.01"),
    ("1.0", "0.2", "0.3", "0.01"),
    ("0.3", "0.9", "0.3", "0.05"),
]
"""As in the paper's figures; the last one with a risk aversion that is not small."""

ONE = (Rung("1", Stp.CANCEL_NEW),)
FINE = replace(MARKET, price_decimals=7, qty_decimals=0, qty_min=1, notional_min=1)


def by_hand(q: int, sigma: str, rate: str, k: str, gamma: str) -> tuple[Decimal, Decimal]:
    """Work out the paper's closed form with 60 digits, term by term as printed."""
    s, a, kk, g = Decimal(sigma), Decimal(rate), Decimal(k), Decimal(gamma)
    first = (1 + g / kk).ln() / g
    root = (s**2 * g / (2 * kk * a) * (1 + g / kk) ** (1 + kk / g)).sqrt()
    return first + Decimal(2 * q + 1) / 2 * root, first - Decimal(2 * q - 1) / 2 * root


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("q", [-30, -1, 0, 1, 7])
def test_the_closed_form_of_2013_comes_out_to_1e_9(q: int, case: tuple[str, ...]) -> None:
    sigma, rate, k, gamma = map(float, case)
    with localcontext(prec=60):
        below, above = by_hand(q, *case)
    found = asymptotic_distances(q, gamma, sigma, rate, k)
    assert found[0] == pytest.approx(float(below), abs=1e-9)
    assert found[1] == pytest.approx(float(above), abs=1e-9)


def test_one_case_of_the_closed_form_with_all_its_figures() -> None:
    """sigma 0.4, A 0.9, k 0.3, gamma 0.01; computed once with 60 digits."""
    below, above = asymptotic_distances(1, 0.01, 0.4, 0.9, 0.3)
    assert below == pytest.approx(FIGURES[0], abs=1e-9)
    assert above == pytest.approx(FIGURES[1], abs=1e-9)


FIGURES = (3.41471394736085444468, 3.23373839394516458723)


def exact_distances(q: int, sigma: float, rate: float, k: float, gamma: float) -> float:
    """Bid distance by the paper's theorem: 1/g ln(1 + g/k) + 1/k ln(f_q / f_q+1).

    f is the eigenvector, to the smallest eigenvalue, of the matrix with alpha q^2 on and -eta
    beside its diagonal; found here by inverse iteration.
    """
    bound = 40
    alpha = k * gamma * sigma**2 / 2
    eta = rate * (1 + gamma / k) ** -(1 + k / gamma)
    diagonal = [alpha * i * i + 2 * eta for i in range(-bound, bound + 1)]
    vector = [1.0] * len(diagonal)
    for _ in range(200):
        vector = _solved(diagonal, -eta, vector)
        largest = max(vector)
        vector = [value / largest for value in vector]
    at = q + bound
    return log1p(gamma / k) / gamma + log(vector[at] / vector[at + 1]) / k


def _solved(diagonal: list[float], beside: float, right: list[float]) -> list[float]:
    # Thomas' algorithm, for one number beside the diagonal.
    upper, values = [beside / diagonal[0]], [right[0] / diagonal[0]]
    for on, value in zip(diagonal[1:], right[1:], strict=True):
        pivot = on - beside * upper[-1]
        upper.append(beside / pivot)
        values.append((value - beside * values[-1]) / pivot)
    for at in range(len(values) - 2, -1, -1):
        values[at] -= upper[at] * values[at + 1]
    return values


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("q", [-5, -2, 0, 1, 4])
def test_the_closed_form_is_near_the_exact_asymptotic_quotes(q: int, case: tuple[str, ...]) -> None:
    """The paper: satisfactory in most cases, and always very good for a small inventory."""
    sigma, rate, k, gamma = map(float, case)
    exact = exact_distances(q, sigma, rate, k, gamma)
    below, _ = asymptotic_distances(q, gamma, sigma, rate, k)
    _, above = asymptotic_distances(-q, gamma, sigma, rate, k)
    assert below == pytest.approx(above, abs=1e-12), "a mirror image"
    _, half = asymptotic_distances(0, gamma, sigma, rate, k)
    assert abs(below - exact) < 0.01 * half, (below, exact)


# --- the strategy -------------------------------------------------------------------------------


def view(inventory: int = 0, memory: Flow | None = None) -> View:
    mid, wide = 10**9, 10**7
    memory = Flow(Volatility(2 * mid, T0, 1.0)) if memory is None else memory
    return View(FINE, T0, mid - wide, 1, mid + wide, 1, inventory, 100, memory)


@pytest.mark.parametrize("q", [-3, 0, 2])
def test_a_quote_is_the_closed_form_of_what_is_stated_before_trades_tell(q: int) -> None:
    tested = Glft(ONE, gamma=0.05, arrivals_per_s=0.9, k=0.3)
    below, above = asymptotic_distances(q, 0.05, 1.0, 0.9, 0.3)
    quote = tested.quote(view(q))
    assert quote.bids[0].price == pytest.approx(10**9 - below * 10**5, abs=1.001)
    assert quote.asks[0].price == pytest.approx(10**9 + above * 10**5, abs=1.001)
    stated = replace(tested, sigma_bps=2.0).quote(view(q))
    assert stated.asks[0].price - stated.bids[0].price > (quote.asks[0].price - quote.bids[0].price)


def test_more_flow_makes_inventory_less_of_a_risk() -> None:
    tested = Glft(ONE, gamma=0.05)
    slow = tested.quote(view(5))
    fast = tested.quote(view(5, Flow(Volatility(2 * 10**9, T0, 1.0), 1_200.0, 2_400.0, 60.0)))
    assert fast.asks[0].price > slow.asks[0].price
    assert fast.bids[0].price > slow.bids[0].price


# --- the fit ------------------------------------------------------------------------------------

TESTED = Glft(ONE, gamma=0.05, arrivals_per_s=0.5, k=0.5)
START = Flow(Volatility(2_000_000, T0, 0.0))


def traded(*trades: tuple[Side, int], rpi: bool = False) -> e.PublicTrades:
    return e.PublicTrades(
        NAME, tuple(e.PublicTrade(1, price, 1, side, rpi, 0) for side, price in trades)
    )


@pytest.mark.parametrize(
    ("case", "event", "arrivals", "reach_bps"),
    [
        ("a buy at the mid reaches nothing, yet arrives", traded((BUY, 1_000_000)), 1, 0),
        ("a buy 5 bps above", traded((BUY, 1_000_500)), 1, 5),
        ("a sell 3 bps below", traded((SELL, 999_700)), 1, 3),
        ("one order through three levels", traded((BUY, 1_000_100), (BUY, 1_000_400)), 1, 4),
        ("one on each side", traded((BUY, 1_000_100), (SELL, 999_800)), 2, 3),
        ("a buy below the mid met no order of ours", traded((BUY, 999_900)), 0, 0),
        ("retail met hidden orders only", traded((BUY, 1_000_500), rpi=True), 0, 0),
        ("a wild print counts as far, not as wild", traded((BUY, 2_000_000)), 1, REACH_MAX_BPS),
        ("nothing", traded(), 0, 0),
    ],
)
def test_a_market_order_reaches_as_far_as_its_worst_trade(
    case: str, event: e.PublicTrades, arrivals: float, reach_bps: float
) -> None:
    after = TESTED.fold(START, event, T0)
    assert after.arrivals == arrivals, case
    assert after.reach_bps == pytest.approx(reach_bps), case
    assert (after is START) is (arrivals == 0)


def test_before_the_mid_is_known_trades_tell_nothing() -> None:
    memory = TESTED.initial_memory()
    assert TESTED.fold(memory, traded((BUY, 1_000_000)), T0) is memory


def test_old_trades_fade_by_the_second() -> None:
    ticker = e.BestBidOffer(NAME, 1, 0, 999_900, 1, 1_000_100, 1)
    memory = TESTED.fold(TESTED.initial_memory(), ticker, T0)
    assert memory == Flow(Volatility(2_000_000, T0, 0.0))
    memory = TESTED.fold(memory, traded((BUY, 1_000_500)), T0)
    assert TESTED.fold(memory, ticker, T0 + S - 1) is memory
    assert TESTED.fold(memory, e.Filled(fill(1)), T0 + 5 * S) is memory
    for second in range(1, 601):
        memory = TESTED.fold(memory, ticker, T0 + second * S)
    assert memory.arrivals == pytest.approx(0.5, rel=0.001)
    assert memory.reach_bps == pytest.approx(2.5, rel=0.001)
    # Half of the time constant, which is 600 s by ln 2.
    assert memory.watched_s == pytest.approx(600 / 2 / 0.693, rel=0.01)
    silent = TESTED.fold(memory, ticker, T0 + 4_000 * S)
    assert silent.watched_s < memory.watched_s + 10, "nobody watched for that hour"
    empty = replace(ticker, bid_price=0)
    same = TESTED.fold(memory, empty, T0 + 5_000 * S)
    assert (same.arrivals, same.watched_s) == (memory.arrivals, memory.watched_s)


@pytest.mark.parametrize(("rate", "k"), [(0.8, 0.25), (3.0, 1.0)])
def test_the_fit_finds_the_arrivals_that_trades_were_drawn_from(rate: float, k: float) -> None:
    """Poisson arrivals on each side, reaching exponentially far; 20 minutes of them."""
    rng, mid = random.Random(7), 5_000_000
    tested = replace(TESTED, flow_half_life_s=3_600.0)
    ticker = e.BestBidOffer(NAME, 1, 0, mid - 1, 1, mid + 1, 1)
    memory = tested.fold(tested.initial_memory(), ticker, T0)
    for second in range(1, 1_201):
        for side in (BUY, SELL):
            at = rng.expovariate(rate)
            while at < 1.0:
                price = mid + side.sign * round(rng.expovariate(k) * mid / 10_000)
                memory = tested.fold(memory, traded((side, price)), T0 + second * S - 1)
                at += rng.expovariate(rate)
        memory = tested.fold(memory, ticker, T0 + second * S)
    assert tested.fitted(memory) == pytest.approx((rate, k), rel=0.1)


def test_a_market_without_trades_never_leaves_the_fit_without_a_number() -> None:
    patient = replace(TESTED, prior_s=1.0)
    rate, k = patient.fitted(Flow(Volatility(2, T0, 0.0), 0.0, 0.0, 1e6))
    assert rate > 0
    assert k == 0.5
    assert TESTED.fitted(START) == (0.5, 0.5)


def test_illegal_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="missing required field `gamma`"):
        load_strategy("glft", '{"ladder":[{"qty":"1","stp":"cn"}]}')
