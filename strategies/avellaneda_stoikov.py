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

from math import log, log1p
from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer
from engine.strategy import MarketEvent, Strategy, View
from engine.types import TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, price_moved, rungs_of, two_sided
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
    half_spread = risk / 2 + log1p(gamma / k) / gamma
    return half_spread + q * risk, half_spread - q * risk


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
    """Volatility, basis points per square root of a second, 0..10,000; 0 measures it. Higher:
    sheds inventory faster, quotes wider. The stationary form does not depend on it."""
    volatility_half_life_s: HalfLife = 60.0
    """Half-life of the measured volatility, seconds, 1..86,400."""

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
        below, above = self._distances(view, rungs[0][1] or 1)
        bid, ask = mid - below * basis_point, mid + above * basis_point
        return two_sided(view, rungs, bid, ask, basis_point)

    def _distances(self, view: View, order_qty: int) -> tuple[float, float]:
        q = view.inventory / order_qty
        if not self.horizon_s:
            q_max = view.inventory_max / order_qty
            return stationary_distances(max(-q_max, min(q_max, q)), q_max, self.gamma, self.k)
        horizon_ns = int(self.horizon_s * NS_PER_S) or 1
        remaining_s = (horizon_ns - view.now_ns % horizon_ns) / NS_PER_S
        variance = self.sigma_bps * self.sigma_bps or view.memory.variance
        return finite_distances(q, self.gamma * variance * remaining_s, self.gamma, self.k)
