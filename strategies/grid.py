"""The grid bot: a filled buy sells one level up, a filled sell buys one level down.

Source: the worked example of WhiteBIT's guide "Building a trading bot". Orders rest at fixed
intervals around a centre, buys below and sells above. The centre is the mid at the start, snapped
to the nearest level. Between each two neighbouring levels there is one order's worth that is
either bought at the lower or sold at the upper level, and each fill turns it over, lot by lot.

The guide's orders take where the market has already passed their level. These wait for the market
to come back: each rests at its own level or not at all.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from engine.events import BestBidOffer, Filled
from engine.money import to_units
from engine.strategy import MarketEvent, Strategy, View
from engine.types import BUY, Level, Role, Stp, TwoSidedQuote, VenueFill
from strategies.ladder import BPS

Orders = list[tuple[int, int]]
"""Price and lots, best first."""


class Turned(Struct, frozen=True, array_like=True, gc=False):
    """Memory: where the grid lies, and what its fills have turned over."""

    centre: int = 0
    """Price of the middle level, ticks; 0 before the market was seen."""
    interval: int = 0
    """Between two levels, ticks."""
    bought: tuple[int, ...] = ()
    """Lots bought at a level less those sold one level up, from the lowest level on."""


class Grid(Strategy, frozen=True, forbid_unknown_fields=True):
    """Buy below and sell above a centre, and turn each fill over one level away."""

    qty: str
    """Size of each order, base asset, as a decimal string; must fit the market's precision. Higher:
    more earned by each swing, and more inventory at the end of the grid."""
    stp: Stp
    """Self-trade prevention; a two-sided strategy must choose."""
    interval_bps: Annotated[float, Meta(gt=0.0, le=1_000.0)]
    """Between two levels, basis points of the mid at the start, rounded to whole ticks, 0..1,000.
    Higher: fewer fills, each pair earning more. It should exceed two maker fees."""
    levels: Annotated[int, Meta(ge=1, le=10)] = 5
    """Levels on each side of the centre, 1..10. Higher: a wider range, and more inventory at its
    ends: so many orders' worth either way."""

    def initial_memory(self) -> Turned:
        return Turned()

    def fold(self, memory: Turned, event: MarketEvent, now_ns: int) -> Turned:
        """Lay the grid where the market is first seen; turn over what fills."""
        if type(event) is Filled:
            return self._turned(memory, event.fill) if memory.centre else memory
        if memory.centre or type(event) is not BestBidOffer:
            return memory
        if not event.bid_price or not event.ask_price:
            return memory
        mid2 = event.bid_price + event.ask_price
        interval = max(1, round(mid2 * self.interval_bps / (2 * BPS)))
        centre = (mid2 + interval) // (2 * interval) * interval
        return Turned(centre, interval, (0,) * (2 * self.levels))

    def _turned(self, memory: Turned, fill: VenueFill) -> Turned:
        # What takes is no order of the grid: somebody flattens, by hand or by a limit.
        if fill.role is not Role.MAKER:
            return memory
        steps2 = 2 * (fill.price - memory.centre) + memory.interval
        slot = self.levels + steps2 // (2 * memory.interval) - (fill.side is not BUY)
        if not 0 <= slot < len(memory.bought):
            return memory
        bought = list(memory.bought)
        bought[slot] += fill.side.sign * fill.qty
        return Turned(memory.centre, memory.interval, tuple(bought))

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """The grid does not follow the market; the timer is soon enough for what must wait."""
        return False

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the orders of the grid that may rest now."""
        order_qty = _lots(self.qty, view.market.qty_decimals)
        memory: Turned = view.memory
        buys: Orders = []
        sells: Orders = []
        price = memory.centre - self.levels * memory.interval
        for slot, bought in enumerate(memory.bought):
            to_sell = bought + (order_qty if slot >= self.levels else 0)
            to_sell = max(0, min(order_qty, to_sell))
            buys.append((price, order_qty - to_sell))
            price += memory.interval
            sells.append((price, to_sell))
        buys.reverse()
        bids = self._resting(view, buys, -1, view.ask_price)
        # Fills that are told out of order may want to buy and to sell at one price for a moment.
        nearest = max(view.bid_price, bids[0].price if bids else 0)
        return TwoSidedQuote(bids, self._resting(view, sells, 1, nearest))

    def _resting(self, view: View, orders: Orders, sign: int, beyond: int) -> tuple[Level, ...]:
        # `sign` is -1 for bids, +1 for asks; only what lies away from `beyond` would rest.
        market = view.market
        room = view.inventory_max + sign * view.inventory
        levels: list[Level] = []
        for price, wanted in orders:
            qty = min(wanted, room)
            if sign * price <= sign * beyond or qty < market.qty_min:
                continue
            if price * qty >= (market.notional_min or 1):
                room -= qty
                levels.append(Level(price, qty, self.stp))
        return tuple(levels)


@lru_cache(maxsize=64)
def _lots(qty: str, qty_decimals: int) -> int:
    return to_units(Decimal(qty), qty_decimals)
