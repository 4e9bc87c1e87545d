"""A ladder around the micro-price, wider in volatility and skewed against inventory.

The reference is the micro-price (Stoikov 2018, "The micro-price", first-order form: the mid
weighted towards the thinner side). It is shifted against inventory as in Avellaneda and Stoikov
(2008), r = s - q*gamma*sigma^2*(T - t), with `skew_bps` standing for the last factors as a
fraction of price. The half-spread is the largest of a floor, a multiple of recent volatility and a
multiple of what a fill costs in fees.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from math import ceil, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from engine.events import BestBidOffer
from engine.money import to_units
from engine.strategy import Figure, MarketEvent, Reasoning, Strategy, View
from engine.types import Level, Stp, TwoSidedQuote

NS_PER_S = 1_000_000_000
BPS = 10_000.0
NARROW = 0.1
"""A spread below this part of the half-spread quoted is too narrow for sizes to matter."""

NotNegative = Annotated[float, Meta(ge=0.0, le=BPS)]


class Rung(Struct, frozen=True, forbid_unknown_fields=True, cache_hash=True):
    """One level of the ladder, the same on both sides."""

    qty: str
    """Size, base asset, as a decimal string; must fit the market's quantity precision."""
    stp: Stp
    """Self-trade prevention of the level; a two-sided strategy must choose."""
    offset_bps: NotNegative = 0.0
    """Distance behind the half-spread, basis points of price, 0..10,000."""
    rpi: bool = False
    """Rest hidden for retail flow only."""


class Volatility(Struct, frozen=True, array_like=True, gc=False):
    """Memory: recent variance of the mid."""

    mid2: int = 0
    """Best bid plus best ask at the last sample, ticks; 0 before the first."""
    sampled_ns: int = 0
    variance: float = 0.0
    """Exponentially weighted mean squared return per second, square basis points."""


class InventorySkew(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quote a ladder on both sides of a reservation price."""

    ladder: Annotated[tuple[Rung, ...], Meta(min_length=1, max_length=10)]
    """Levels, best first; 1..10."""
    half_spread_bps: NotNegative
    """Floor of the half-spread, basis points of price. Higher: fewer fills, each earning more."""
    volatility_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0
    """Half-spread per one-second standard deviation, 0..100. Higher: wider in fast markets."""
    skew_bps: NotNegative = 5.0
    """Shift of the reservation price at full inventory, basis points. Higher: sheds it faster."""
    volatility_half_life_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 30.0
    """Half-life of the volatility estimate, seconds, 1..86,400."""
    fee_multiple: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    """Floor of the half-spread in maker fees of the account, 0..100. At 1, the spread that a buy
    and a sell earn pays their fees."""

    def initial_memory(self) -> Volatility:
        return Volatility()

    def fold(self, memory: Volatility, event: MarketEvent, now_ns: int) -> Volatility:
        """Sample the mid once a second and fold its squared return."""
        if now_ns - memory.sampled_ns < NS_PER_S or type(event) is not BestBidOffer:
            return memory
        if not event.bid_price or not event.ask_price:
            return memory
        mid2 = event.bid_price + event.ask_price
        if not memory.mid2:
            return Volatility(mid2, now_ns, 0.0)
        elapsed_s = (now_ns - memory.sampled_ns) / NS_PER_S
        return_bps = (mid2 - memory.mid2) / memory.mid2 * BPS
        weight = elapsed_s / (elapsed_s + self.volatility_half_life_s)
        squared = return_bps * return_bps / elapsed_s
        return Volatility(mid2, now_ns, memory.variance + weight * (squared - memory.variance))

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
        rungs, outward = _rungs(self.ladder, view.market.qty_decimals), micro / BPS
        bids = _side(rungs, view, reservation - half, outward, -1, ask - 1)
        # Without a spread of its own the best ask would meet the best bid.
        if bids and bids[0].price > bid:
            bid = bids[0].price
        asks = _side(rungs, view, reservation + half, outward, 1, bid + 1)
        return TwoSidedQuote(bids, asks)

    def reason(self, view: View) -> Reasoning:
        """Return the figures that `quote` works out, which it keeps to itself for speed."""
        bid, ask, bid_qty, ask_qty = view.bid_price, view.ask_price, view.bid_qty, view.ask_qty
        micro = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)
        held = max(-1.0, min(1.0, view.inventory / view.inventory_max))
        reservation = micro * (1.0 - self.skew_bps * held / BPS)
        deviation = sqrt(view.memory.variance)
        floors = [
            ("half_spread_bps", self.half_spread_bps),
            ("volatility_multiple", self.volatility_multiple * deviation),
        ]
        if self.fee_multiple:
            floors.append(("fee_multiple", self.fee_multiple * self._fee_bps(view)))
        decisive, half_bps = max(floors, key=_second)
        half = micro * half_bps / BPS
        figures = (
            Figure("micro_price", micro, "ticks", "the mid, weighted towards the thinner side"),
            Figure("inventory_share", held, "ratio", "inventory as a part of its limit"),
            Figure("skew", reservation - micro, "ticks", "shift against inventory"),
            Figure("reservation_price", reservation, "ticks", "what both sides are quoted around"),
            Figure("volatility", deviation, "bps", "standard deviation of a second's return"),
            *(Figure(f"half_spread_by_{name}", bps, "bps", _FLOORS[name]) for name, bps in floors),
            Figure("half_spread", half, "ticks", f"the largest: by {decisive}"),
        )
        found = Reasoning(figures, tuple(self._bounds(view, reservation, half)))
        assert self.follow(view, found) == self.quote(view), "the quote is not what is said of it"
        return found

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        """Return the quote that follows from the figures of a reasoning, in the same view."""
        figures = {figure.name: figure.value for figure in reasoning.figures}
        micro, half = figures["micro_price"], figures["half_spread"]
        reservation = figures["reservation_price"]
        rungs, outward = _rungs(self.ladder, view.market.qty_decimals), micro / BPS
        bids = _side(rungs, view, reservation - half, outward, -1, view.ask_price - 1)
        best_bid = max(view.bid_price, bids[0].price if bids else 0)
        asks = _side(rungs, view, reservation + half, outward, 1, best_bid + 1)
        return TwoSidedQuote(bids, asks)

    def _bounds(self, view: View, reservation: float, half: float) -> Iterator[str]:
        # What cut the ladder short.
        quote = self.quote(view)
        if reservation - half >= view.ask_price:
            yield "bids stop one tick below the best ask, where they would take"
        if reservation + half <= view.bid_price:
            yield "asks stop one tick above the best bid, where they would take"
        for name, levels, room in (
            ("bids", quote.bids, view.inventory_max - view.inventory),
            ("asks", quote.asks, view.inventory_max + view.inventory),
        ):
            missing = len(self.ladder) - len(levels)
            if missing:
                yield f"{missing} of {len(self.ladder)} {name} left out, with room for {room} lots"

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


def _side(
    rungs: Rungs, view: View, best: float, outward: float, sign: int, bound: int
) -> tuple[Level, ...]:
    # `sign` is -1 for bids and +1 for asks; sign x price grows away from the market on both
    # sides, so rounding up rounds bids down and asks up. `outward` is a basis point in ticks.
    market = view.market
    qty_min, notional_min = market.qty_min, market.notional_min or 1
    room = view.inventory_max + sign * view.inventory
    start, nearest = sign * best, sign * bound
    levels: list[Level] = []
    for offset_bps, qty, stp, rpi in rungs:
        away = ceil(start + outward * offset_bps)
        if away < nearest:
            away = nearest
        price = sign * away
        if qty > room:
            qty = room
        if qty < qty_min or price * qty < notional_min:
            break
        room -= qty
        nearest = away + 1
        levels.append(Level(price, qty, stp, rpi))
    return tuple(levels)


Rungs = tuple[tuple[float, int, Stp, bool], ...]
"""Offset, lots and settings of each level at a market's precision."""


@lru_cache(maxsize=64)
def _rungs(ladder: tuple[Rung, ...], qty_decimals: int) -> Rungs:
    # The same for every quote.
    return tuple(
        (rung.offset_bps, to_units(Decimal(rung.qty), qty_decimals), rung.stp, rung.rpi)
        for rung in ladder
    )
