"""A ladder around the micro-price, wider in volatility and skewed against inventory.

The reference is the micro-price (Stoikov 2018, "The micro-price", first-order form: the mid
weighted towards the thinner side). It is shifted against inventory as in Avellaneda and Stoikov
(2008), r = s - q*gamma*sigma^2*(T - t), with `skew_bps` standing for the last factors as a
fraction of price. The half-spread is the largest of a floor, a multiple of recent volatility and a
multiple of what a fill costs in fees.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer
from engine.strategy import Figure, MarketEvent, Reasoning, Strategy, View
from engine.types import TwoSidedQuote
from strategies.ladder import BPS, Ladder, NotNegative, held_share, rungs_of, side_levels
from strategies.reasons import against_inventory, ladder_of, told
from strategies.volatility import NS_PER_S, HalfLife, Volatility, sampled

NARROW = 0.1
"""A spread below this part of the half-spread quoted is too narrow for sizes to matter."""


class InventorySkew(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder on both sides of a reservation price."""

    ladder: Ladder
    """Levels, best first; 1..10."""
    half_spread_bps: NotNegative
    """Floor of the half-spread, basis points of price. Higher: fewer fills, each earning more."""
    volatility_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0
    """Half-spread per one-second standard deviation, 0..100. Higher: wider in fast markets."""
    skew_bps: NotNegative = 5.0
    """Shift of the reservation price at full inventory, basis points. Higher: sheds it faster."""
    volatility_half_life_s: HalfLife = 30.0
    """Span of the volatility estimate, seconds, 1..86,400: half of a change is followed in 0.7 of
    it. Higher: calmer, later."""
    fee_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    """Floor of the half-spread in maker fees of the account, 0..100. At 1, the spread that a buy
    and a sell earn pays their fees."""

    def initial_memory(self) -> Volatility:
        return Volatility()

    def fold(self, memory: Volatility, event: MarketEvent, now_ns: int) -> Volatility:
        """Sample the mid once a second and fold its squared return."""
        if now_ns - memory.sampled_ns < NS_PER_S or type(event) is not BestBidOffer:
            return memory
        return sampled(memory, event, now_ns, self.volatility_half_life_s)

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """Sizes alone move the micro-price by less than the spread: enough only if that is wide."""
        bid, ask = after.bid_price, after.ask_price
        if bid != before.bid_price or ask != before.ask_price:
            return True
        return (ask - bid) * BPS > NARROW * self.half_spread_bps * bid

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the ladder; a side without room for one minimal order is left out."""
        bid, ask, bid_qty, ask_qty = view.bid_price, view.ask_price, view.bid_qty, view.ask_qty
        micro = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)
        held = view.inventory / view.inventory_max
        if not -1.0 <= held <= 1.0:
            held = 1.0 if held > 0.0 else -1.0
        reservation = micro * (1.0 - self.skew_bps * held / BPS)
        half_bps = self.volatility_multiple * sqrt(view.memory.variance)
        if half_bps < self.half_spread_bps:
            half_bps = self.half_spread_bps
        if self.fee_multiple:
            half_bps = max(half_bps, self.fee_multiple * self._fee_bps(view))
        half = micro * half_bps / BPS
        # Post-only orders may not reach the other side of the market.
        rungs, outward = rungs_of(self.ladder, view.market.qty_decimals), micro / BPS
        bids = side_levels(rungs, view, reservation - half, outward, -1, ask - 1)
        # Without a spread of its own the best ask would meet the best bid.
        if bids and bids[0].price > bid:
            bid = bids[0].price
        asks = side_levels(rungs, view, reservation + half, outward, 1, bid + 1)
        return TwoSidedQuote(bids, asks)

    def reason(self, view: View) -> Reasoning:
        """Return the figures that `quote` works out, which it keeps to itself for speed."""
        bid, ask, bid_qty, ask_qty = view.bid_price, view.ask_price, view.bid_qty, view.ask_qty
        micro = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)
        held = held_share(view)
        reservation = micro * (1.0 - self.skew_bps * held / BPS)
        deviation = sqrt(view.memory.variance)
        floors = [
            ("half_spread_bps", self.half_spread_bps),
            ("volatility_multiple", self.volatility_multiple * deviation),
        ]
        if self.fee_multiple:
            floors.append(("fee_multiple", self.fee_multiple * self._fee_bps(view)))
        decisive, half_bps = max(floors, key=_second)
        figures = (
            Figure("micro_price", micro, "ticks", "the mid, weighted towards the thinner side"),
            *against_inventory(held, micro, reservation),
            Figure("volatility", deviation, "bps", "standard deviation of a second's return"),
            *(Figure(f"half_spread_by_{name}", bps, "bps", _FLOORS[name]) for name, bps in floors),
            Figure("half_spread", micro * half_bps / BPS, "ticks", f"the largest: by {decisive}"),
        )
        return told(view, rungs_of(self.ladder, view.market.qty_decimals), figures)

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        return ladder_of(view, rungs_of(self.ladder, view.market.qty_decimals), reasoning)

    def _fee_bps(self, view: View) -> float:
        # Of the dearest level, in basis points.
        maker = any(not rung.rpi for rung in self.ladder)
        rpi = any(rung.rpi for rung in self.ladder)
        rates = [view.maker_fee_rate] * maker + [view.rpi_fee_rate] * rpi
        return float(max(rates)) * BPS


_FLOORS = {
    "half_spread_bps": "the floor",
    "volatility_multiple": "so many times the volatility",
    "fee_multiple": "so many times the maker fee",
}


def _second(pair: tuple[str, float]) -> float:
    return pair[1]
