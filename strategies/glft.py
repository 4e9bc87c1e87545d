"""Gueant, Lehalle and Fernandez-Tapia's quotes, with the arrivals fitted live from trades.

Source: Gueant, Lehalle and Fernandez-Tapia (2013), "Dealing with the inventory risk: a solution to
the market making problem", Mathematics and Financial Economics 7(4), 477-507 (arXiv 1105.3115): the
closed-form approximation of the quotes long before the end (section 4).

Orders at a distance d from the mid are met at the rate A exp(-k d). A market order reaches as far
as its worst trade; those reaches are exponential with mean 1/k, so the most likely k is their count
by their sum, and A their count by the time watched (`arrivals`). Units as in `avellaneda_stoikov`.
"""

from __future__ import annotations

from math import exp, log1p, sqrt
from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer, PublicTrades
from engine.strategy import Figure, MarketEvent, Reasoning, Strategy, View
from engine.types import TwoSidedQuote
from strategies.arrivals import Flow, reached, watched
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, two_sided
from strategies.reasons import distances, ladder_of, mid_of_others, told
from strategies.volatility import NS_PER_S, HalfLife, sampled

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
    ratio = log1p(gamma / k)
    margin, power = ratio / gamma, exp((1 + k / gamma) * ratio)
    risk = sqrt(sigma * sigma * gamma / (2 * k * rate) * power)
    return margin + (2 * q + 1) / 2 * risk, margin - (2 * q - 1) / 2 * risk


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
    """Half-life of a trade in the fit, seconds, 1..86,400. Higher: calmer, later."""
    sigma_bps: NotNegative = 0.0
    """Volatility, basis points per square root of a second, 0..10,000; 0 measures it, from nothing
    at each start. Higher: sheds inventory faster, quotes wider."""
    volatility_half_life_s: HalfLife = 60.0
    """Span of the measured volatility, seconds, 1..86,400: half of a change is followed in 0.7 of
    it. Higher: calmer, later."""

    def initial_memory(self) -> Flow:
        return Flow()

    def fold(self, memory: Flow, event: MarketEvent, now_ns: int) -> Flow:
        """Sample the mid once a second; measure each market order against the last sample."""
        if type(event) is PublicTrades:
            return reached(memory, event)
        before = memory.volatility
        if now_ns - before.sampled_ns < NS_PER_S or type(event) is not BestBidOffer:
            return memory
        after = sampled(before, event, now_ns, self.volatility_half_life_s)
        return watched(memory, after, now_ns, self.flow_half_life_s)

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes do not matter."""
        return price_moved(before, after)

    def fitted(self, memory: Flow) -> tuple[float, float]:
        """Return A per second and k per basis point; what is stated stands for `prior_s`."""
        prior = self.arrivals_per_s * self.prior_s
        met = memory.arrivals / 2 + prior
        rate = met / (memory.watched_s + self.prior_s)
        return rate, met / (memory.reach_bps / 2 + prior / self.k)

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder; a side without room for one minimal order is left out."""
        mid = (view.bid_price + view.ask_price) / 2
        rungs, basis_point = rungs_of(self.ladder, view.market.qty_decimals), mid / BPS
        q, sigma, rate, k = self._terms(view, rungs[0][1])
        below, above = asymptotic_distances(q, self.gamma, sigma, rate, k)
        bid, ask = mid - below * basis_point, mid + above * basis_point
        return two_sided(view, rungs, bid, ask, basis_point)

    def reason(self, view: View) -> Reasoning:
        """Return what was fitted of the flow, and the distances that it gives."""
        mid = (view.bid_price + view.ask_price) / 2
        rungs = rungs_of(self.ladder, view.market.qty_decimals)
        q, sigma, rate, k = self._terms(view, rungs[0][1])
        below, above = asymptotic_distances(q, self.gamma, sigma, rate, k)
        seen, stated = view.memory.arrivals, 2 * self.arrivals_per_s * self.prior_s
        figures = (
            mid_of_others(mid),
            Figure("inventory_in_orders", q, "orders", "q, in sizes of the first level"),
            Figure("volatility", sigma, "bps", "sigma, of a second's return"),
            Figure("fitted_share", seen / (seen + stated), "ratio", "of A and k, by trades"),
            Figure("arrivals_A", rate, "per s", "market orders a side"),
            Figure("intensity_k", k, "per bps", "their decay with the distance"),
        )
        return told(view, rungs, (*figures, *distances(mid, below, above)))

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        return ladder_of(view, rungs_of(self.ladder, view.market.qty_decimals), reasoning)

    def _terms(self, view: View, order_qty: int) -> tuple[float, float, float, float]:
        # q, sigma, A and k.
        memory = view.memory
        rate, k = self.fitted(memory)
        sigma = self.sigma_bps or sqrt(memory.volatility.variance)
        return view.inventory / order_qty, sigma, rate, k
