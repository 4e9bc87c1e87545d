"""The grid bot: a filled buy sells one level up, a filled sell buys one level down.

Source: the worked example of WhiteBIT's guide "Building a trading bot". Orders rest at fixed
intervals around a centre, buys below and sells above. The centre is the mid at the start, snapped
to the nearest level. Between each two neighbouring levels there is one order's worth that is
either bought at the lower or sold at the upper level, and each fill turns it over, lot by lot.

The guide's orders take where the market has already passed their level. These wait for the market
to come back: each rests at its own level or not at all.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine.events import BestBidOffer, Filled
from engine.money import lots_of
from engine.strategy import Figure, MarketEvent, Reasoning, Strategy, View
from engine.types import Level, Stp, TwoSidedQuote
from strategies.ladder import BPS
from strategies.turned import Orders, Turned, turned, wanted


class Grid(Strategy, frozen=True, forbid_unknown_fields=True):
    """Buy below and sell above a centre, and turn each fill over one level away."""

    qty: str
    """Size of each order, base asset, above zero, as a decimal string; must fit the market's
    precision. Higher: more earned by each swing, and more inventory at the end of the grid."""
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
            return turned(memory, event.fill) if memory.centre else memory
        if memory.centre or type(event) is not BestBidOffer:
            return memory
        if not event.bid_price or not event.ask_price:
            return memory
        mid2 = event.bid_price + event.ask_price
        interval = max(1, round(mid2 * self.interval_bps / (2 * BPS)))
        centre = (mid2 + interval) // (2 * interval) * interval
        return Turned(centre, interval, (0,) * (2 * self.levels))

    def is_stirred(self, before: BestBidOffer, after: BestBidOffer) -> bool:
        """The grid does not follow the market; the timer is soon enough for what must wait."""
        return False

    def quote(self, view: View) -> TwoSidedQuote:
        """Return the orders of the grid that may rest now."""
        return self._laid(view, view.memory)

    def reason(self, view: View) -> Reasoning:
        """Return where the grid lies, and what was turned over."""
        memory, quote = view.memory, self.quote(view)
        figures = [
            Figure("grid_centre", memory.centre, "ticks", "where it was laid; 0 before"),
            Figure("grid_interval", memory.interval, "ticks", "between two of its lines"),
            *(
                Figure(f"turned_{line}", bought, "lots", "bought on that line, less sold one up")
                for line, bought in enumerate(memory.bought, -memory.below)
                if bought
            ),
            *(
                Figure(f"{name}_line", levels[0].price, "ticks", "the nearest that may rest")
                for name, levels in (("bid", quote.bids), ("ask", quote.asks))
                if levels
            ),
        ]
        buys, sells = wanted(memory, lots_of(self.qty, view.market.qty_decimals))
        orders = [qty for _, qty in buys + sells if qty]
        waiting = len(orders) - len(quote.bids + quote.asks)
        words = f"{waiting} of {len(orders)} orders wait: they would take, or lack room"
        return Reasoning(tuple(figures), (words,) if waiting else ())

    def follow(self, view: View, reasoning: Reasoning) -> TwoSidedQuote:
        told = {figure.name: int(figure.value) for figure in reasoning.figures}
        middle = view.memory.below
        bought = [told.get(f"turned_{line}", 0) for line in range(-middle, middle)]
        memory = Turned(told["grid_centre"], told["grid_interval"], tuple(bought))
        return self._laid(view, memory)

    def _laid(self, view: View, memory: Turned) -> TwoSidedQuote:
        buys, sells = wanted(memory, lots_of(self.qty, view.market.qty_decimals))
        bids = self._resting(view, buys, -1, view.ask_price)
        # Fills that are told out of order may want to buy and to sell at one price for a moment.
        nearest = max(view.bid_price, bids[0].price if bids else 0)
        return TwoSidedQuote(bids, self._resting(view, sells, 1, nearest))

    def _resting(self, view: View, orders: Orders, sign: int, beyond: int) -> tuple[Level, ...]:
        # `sign` is -1 for bids, +1 for asks; only what lies away from `beyond` would rest.
        market = view.market
        room = view.inventory_max + sign * view.inventory
        levels: list[Level] = []
        for price, most in orders:
            qty = min(most, room)
            if sign * price <= sign * beyond or qty < market.qty_min:
                continue
            if price * qty >= (market.notional_min or 1):
                room -= qty
                levels.append(Level(price, qty, self.stp))
        return tuple(levels)
