"""Gueant, Lehalle and Fernandez-Tapia's quotes, with the arrivals fitted live from trades.

Source: Gueant, Lehalle and Fernandez-Tapia (2013), "Dealing with the inventory risk: a solution to
the market making problem", Mathematics and Financial Economics 7(4), 477-507 (arXiv 1105.3115): the
closed-form approximation of the quotes long before the end (section 4).

Orders at a distance d from the mid are met at the rate A exp(-k d). A market order reaches as far
as its worst trade; those reaches are exponential with mean 1/k, so the most likely k is their count
by their sum, and A their count by the time watched. Memory holds these as decaying sums: no more,
and nothing that rounds otherwise on another machine. Units as in `avellaneda_stoikov`.
"""

from __future__ import annotations

from math import exp, log1p, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from engine.events import BestBidOffer, PublicTrades
from engine.strategy import MarketEvent, Strategy, View
from engine.types import BUY, SELL, TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, two_sided
from strategies.volatility import NS_PER_S, HalfLife, Volatility, sampled

REACH_MAX_BPS = 100.0
"""A trade beyond this is counted as this far: one wild print is not how the market trades."""
WATCHED_MAX_S = 10.0
"""So long may best prices rest: what is silent for longer was not watched (contract 11.5)."""
LN2 = 0.6931471805599453
"""Half-life by time constant."""

Positive = Annotated[float, Meta(ge=1e-6, le=1e4)]


def asymptotic_distances(
    q: float, gamma: float, sigma: float, rate: float, k: float
) -> tuple[float, float]:
    """Return how far below and above the mid to bid and to ask, long before the end.

    Args:
        q: Inventory in orders, signed; positive is long.
        gamma: Risk aversion, per unit of price, > 0.
        sigma: Volatility, unit of price per square root of a second, >= 0.
        rate: Arrivals at the mid on one side (A), per second, > 0.
        k: Decay of the arrivals with the distance, per unit of price, > 0.

    Returns:
        Distances of bid and ask in the unit of price; a negative one is beyond the mid.
    """
    margin = log1p(gamma / k) / gamma
    power = exp((1 + k / gamma) * log1p(gamma / k))
    risk = sqrt(sigma * sigma * gamma / (2 * k * rate) * power)
    return margin + (2 * q + 1) / 2 * risk, margin - (2 * q - 1) / 2 * risk


class Flow(Struct, frozen=True, array_like=True, gc=False):
    """Memory: how far the market moves, and how far market orders reach."""

    volatility: Volatility = Volatility()
    arrivals: float = 0.0
    """Market orders on both sides, the older the less."""
    reach_bps: float = 0.0
    """Sum of what each reached beyond the last sampled mid, basis points, likewise."""
    watched_s: float = 0.0
    """Seconds in which they came, likewise."""


class Glft(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder at distances that are optimal for the market's own flow."""

    ladder: Ladder
    """Levels, best first; 1..10. The first one's size is the order that q counts."""
    gamma: Positive
    """Risk aversion, per basis point, 1e-6..10,000. Higher: sheds inventory faster."""
    arrivals_per_s: Positive = 0.5
    """Arrivals on one side (A) before trades tell, per second, 1e-6..10,000. Higher: inventory is
    less of a risk, so it moves the quotes less."""
    k: Positive = 0.5
    """Their decay before trades tell, per basis point, 1e-6..10,000. Higher: quotes tighter."""
    prior_s: Annotated[float, Meta(ge=1.0, le=1e9)] = 60.0
    """Seconds of trades that those two are worth, 1..1e9. Higher: the fit trusts them more."""
    flow_half_life_s: HalfLife = 600.0
    """Half-life of a trade in the fit, seconds, 1..86,400."""
    sigma_bps: NotNegative = 0.0
    """Volatility, basis points per square root of a second, 0..10,000; 0 measures it. Higher:
    sheds inventory faster, quotes wider."""
    volatility_half_life_s: HalfLife = 60.0
    """Half-life of the measured volatility, seconds, 1..86,400."""

    def initial_memory(self) -> Flow:
        return Flow()

    def fold(self, memory: Flow, event: MarketEvent, now_ns: int) -> Flow:
        """Sample the mid once a second; measure each market order against the last sample."""
        if type(event) is PublicTrades:
            return _reached(memory, event)
        before = memory.volatility
        if now_ns - before.sampled_ns < NS_PER_S or type(event) is not BestBidOffer:
            return memory
        after = sampled(before, event, now_ns, self.volatility_half_life_s)
        if not before.mid2 or after is before:
            return Flow(after, memory.arrivals, memory.reach_bps, memory.watched_s)
        elapsed_s = min(WATCHED_MAX_S, (now_ns - before.sampled_ns) / NS_PER_S)
        kept = self.flow_half_life_s / (self.flow_half_life_s + LN2 * elapsed_s)
        watched_s = memory.watched_s * kept + elapsed_s
        return Flow(after, memory.arrivals * kept, memory.reach_bps * kept, watched_s)

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes do not matter."""
        return price_moved(before, after)

    def fitted(self, memory: Flow) -> tuple[float, float]:
        """Return A per second and k per basis point; what is stated stands for `prior_s`."""
        prior = self.arrivals_per_s * self.prior_s
        rate = (memory.arrivals / 2 + prior) / (memory.watched_s + self.prior_s)
        return rate, (memory.arrivals / 2 + prior) / (memory.reach_bps / 2 + prior / self.k)

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder; a side without room for one minimal order is left out."""
        mid = (view.bid_price + view.ask_price) / 2
        rungs, basis_point = rungs_of(self.ladder, view.market.qty_decimals), mid / BPS
        sigma = self.sigma_bps or sqrt(view.memory.volatility.variance)
        rate, k = self.fitted(view.memory)
        q = view.inventory / (rungs[0][1] or 1)
        below, above = asymptotic_distances(q, self.gamma, sigma, rate, k)
        bid, ask = mid - below * basis_point, mid + above * basis_point
        return two_sided(view, rungs, bid, ask, basis_point)


def _reached(memory: Flow, event: PublicTrades) -> Flow:
    # Trades of one side in one frame are one market order, which reached as far as the worst.
    if not memory.volatility.mid2:
        return memory
    mid2, arrivals, reach_bps = memory.volatility.mid2, memory.arrivals, memory.reach_bps
    for side in (BUY, SELL):
        beyond2 = [
            side.sign * (2 * trade.price - mid2)
            for trade in event.trades
            if trade.side is side and not trade.rpi
        ]
        if beyond2 and max(beyond2) >= 0:
            arrivals += 1.0
            reach_bps += min(REACH_MAX_BPS, max(beyond2) / mid2 * BPS)
    if arrivals == memory.arrivals:
        return memory
    return Flow(memory.volatility, arrivals, reach_bps, memory.watched_s)
