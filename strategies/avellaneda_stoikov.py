"""Avellaneda and Stoikov's quotes: a reservation price against inventory, and a spread around it.

Source: Avellaneda and Stoikov (2008), "High-frequency trading in a limit order book", Quantitative
Finance 8(3), 217-224. Finite horizon: equations (29) and (30). Stationary: the reservation prices
of section 2.3 with omega = gamma^2 sigma^2 (q_max + 1)^2 / 2, where sigma cancels, and the distance
from them of equations (18) and (19).

Prices are measured in basis points of the mid and inventory in orders: q is the inventory divided
by the size of the first level. So gamma and k are per basis point, and sigma is in basis points per
square root of a second.
"""

from __future__ import annotations

from math import log, log1p, sqrt
from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer
from engine.strategy import Figure, MarketEvent, Reasoning, Strategy, View
from engine.types import TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, two_sided
from strategies.reasons import distances, ladder_of, mid_of_others, told
from strategies.volatility import NS_PER_S, HalfLife, Volatility, sampled

NEARLY_0 = 1e-12
"""At the bound of the inventory nothing more is worth anything, and a logarithm needs a number."""

Positive = Annotated[float, Meta(ge=1e-6, le=1e4)]


def finite_distances(q: float, risk: float, gamma: float, k: float) -> tuple[float, float]:
    """Return how far below and above the mid to bid and to ask, of equations (29) and (30).

    Args:
        q: Inventory in orders, signed; positive is long.
        risk: gamma sigma^2 (T - t), in the unit of price, >= 0.
        gamma: Risk aversion, per unit of price, > 0.
        k: Decay of the arrivals with the distance, per unit of price, > 0.

    Returns:
        Distances of bid and ask in the unit of price; a negative one is beyond the mid.
    """
    half_spread, shift = risk / 2 + log1p(gamma / k) / gamma, q * risk
    return half_spread + shift, half_spread - shift


def stationary_distances(q: float, q_max: float, gamma: float, k: float) -> tuple[float, float]:
    """Return distances as `finite_distances`, of section 2.3.

    The reservation ask is the one that definition 1 gives, -ln(1 + (2q - 1) / ...): the paper
    prints +ln(1 + (1 - 2q) / ...), which is its first order and no mirror image of the bid.

    Args:
        q: Inventory in orders, signed, in [-q_max, q_max].
        q_max: Largest inventory either way, orders, > 0.
        gamma: Risk aversion, per unit of price, > 0.
        k: Decay of the arrivals with the distance, per unit of price, > 0.
    """
    bound, margin = (q_max + 1) ** 2 - q * q, log1p(gamma / k) / gamma
    bid_reservation = log(max(NEARLY_0, 1 + (-1 - 2 * q) / bound)) / gamma
    ask_reservation = -log(max(NEARLY_0, 1 + (-1 + 2 * q) / bound)) / gamma
    return margin - bid_reservation, margin + ask_reservation


class AvellanedaStoikov(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder at the distances that are optimal for one who dislikes risk."""

    ladder: Ladder
    """Levels, best first; 1..10. The first one's size is the order that q counts."""
    gamma: Positive
    """Risk aversion, per basis point, 1e-6..10,000. Higher: sheds inventory faster, quotes
    wider."""
    k: Positive
    """Decay of the arrivals, per basis point, 1e-6..10,000: an order so much further away is met
    1/e as often. Higher: quotes tighter."""
    horizon_s: Annotated[float, Meta(ge=0.0, le=604_800.0)] = 0.0
    """Length of a session, seconds, 0..604,800; one follows another, counted from 1970. Longer:
    inventory weighs more, above all at its start. 0: no session ends (the stationary form)."""
    sigma_bps: NotNegative = 0.0
    """Volatility, basis points per square root of a second, 0..10,000; 0 measures it, from nothing
    at each start. Higher: sheds inventory faster, quotes wider. The stationary form has none."""
    volatility_half_life_s: HalfLife = 60.0
    """Span of the measured volatility, seconds, 1..86,400: half of a change is followed in 0.7 of
    it. Higher: calmer, later."""

    def initial_memory(self) -> Volatility:
        return Volatility()

    def fold(self, memory: Volatility, event: MarketEvent, now_ns: int) -> Volatility:
        """Sample the mid once a second."""
        if now_ns - memory.sampled_ns < NS_PER_S or type(event) is not BestBidOffer:
            return memory
        return sampled(memory, event, now_ns, self.volatility_half_life_s)

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes do not matter."""
        return price_moved(before, after)

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder; a side without room for one minimal order is left out."""
        mid = (view.bid_price + view.ask_price) / 2
        rungs, basis_point = rungs_of(self.ladder, view.market.qty_decimals), mid / BPS
        q, term = self._terms(view, rungs[0][1])
        if self.horizon_s:
            below, above = finite_distances(q, term, self.gamma, self.k)
        else:
            below, above = stationary_distances(q, term, self.gamma, self.k)
        bid, ask = mid - below * basis_point, mid + above * basis_point
        return two_sided(view, rungs, bid, ask, basis_point)

    def reason(self, view: View) -> Reasoning:
        """Return the terms of the equations, and the distances that they give."""
        mid = (view.bid_price + view.ask_price) / 2
        rungs = rungs_of(self.ladder, view.market.qty_decimals)
        q, term = self._terms(view, rungs[0][1])
        figures: tuple[Figure, ...] = (
            mid_of_others(mid),
            Figure("inventory_in_orders", q, "orders", "q, in sizes of the first level"),
            Figure("intensity_k", self.k, "per bps", "decay of the arrivals with the distance"),
        )
        if self.horizon_s:
            sigma = self.sigma_bps or sqrt(view.memory.variance)
            figures += (
                Figure("volatility", sigma, "bps", "sigma, of a second's return"),
                Figure("inventory_risk", term, "bps", "gamma sigma^2 (T - t), for each order held"),
            )
            below, above = finite_distances(q, term, self.gamma, self.k)
        else:
            figures += (Figure("inventory_bound", term, "orders", "the limit, which q stays in"),)
            below, above = stationary_distances(q, term, self.gamma, self.k)
        return told(view, rungs, (*figures, *distances(mid, below, above)))

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        return ladder_of(view, rungs_of(self.ladder, view.market.qty_decimals), reasoning)

    def _terms(self, view: View, order_qty: int) -> tuple[float, float]:
        # q, and what weighs it: gamma sigma^2 (T - t) in a session, else the bound of q.
        horizon_s = self.horizon_s
        if horizon_s:
            horizon_ns, sigma = int(horizon_s * NS_PER_S) or 1, self.sigma_bps
            remaining_s = (horizon_ns - view.now_ns % horizon_ns) / NS_PER_S
            risk = self.gamma * (sigma * sigma or view.memory.variance) * remaining_s
            return view.inventory / order_qty, risk
        q, q_max = view.inventory / order_qty, view.inventory_max / order_qty
        if abs(q) > q_max:
            q = q_max if q > 0.0 else -q_max
        return q, q_max
