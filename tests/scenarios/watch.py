"""Looks on after every record: which gates were shut, and whether any limit was ever crossed."""

from __future__ import annotations

from collections import Counter, deque

from adapters.paper.core.model import UNIT_DECIMALS
from adapters.paper.core.model import Order as VenueOrder
from adapters.paper.core.model import Side as VenueSide
from adapters.paper.server import VenueHandle
from engine.events import AnyEvent, Decided, OrdersPlaced, Record, RequestSent
from engine.gates import closed_gate
from engine.orders import Pending
from engine.state import MarketState, State
from engine.types import Product, Side
from tests.integration.kit import ACCOUNT

NS_PER_S = 1_000_000_000


class Watch:
    """The observer of a scenario.

    Attributes:
        state: After the last record.
        gates: Reasons for not quoting that decisions were made under, by market.
        events: How many records of each kind there were.
        intents: How many of each kind were decided.
        names: Client order ids of all orders so far.
        partial: Places of which the venue refused a part.
        busiest: Most requests within one second.
        crossed: Every limit that was crossed, in words; empty for a good run.
        venue: Where the truth is.
    """

    venue: VenueHandle

    def __init__(self) -> None:
        self.state = State()
        self.gates: set[tuple[str, str]] = set()
        self.events: Counter[type[AnyEvent]] = Counter()
        self.intents: Counter[type] = Counter()
        self.crossed: list[str] = []
        self.names: dict[str, None] = {}
        self.busiest = self.partial = 0
        self._sent: deque[int] = deque()

    def __call__(self, state: State, record: Record) -> None:
        self.state = state
        event = record.event
        self.events[type(event)] += 1
        if isinstance(event, Decided):
            self.intents.update(type(intent) for intent in event.intents)
        elif isinstance(event, OrdersPlaced):
            refused = [result.refusal is not None for result in event.results]
            self.partial += any(refused) and not all(refused)
        elif isinstance(event, RequestSent):
            self._sent.append(record.recv_ns)
            # Those ahead of now were sent before the clock was set back.
            while not record.recv_ns - NS_PER_S < self._sent[0] <= record.recv_ns:
                self._sent.popleft()
            self.busiest = max(self.busiest, len(self._sent))
        for name, market in state.markets.items():
            self.names.update(dict.fromkeys(market.orders))
            if isinstance(event, Decided):
                self.gates.add((name, closed_gate(state, market)))
            found = [*crossed_by_state(market), *self._crossed_at_venue(market)]
            self.crossed += [f"{name} seq {record.seq}: {what}" for what in found]

    def own_orders(self, market: str = "") -> list[VenueOrder]:
        """Orders resting at the venue that an engine of this scenario placed."""
        return [
            order
            for order in self.venue.exchange.open_orders(ACCOUNT)
            if market in ("", order.market) and order.client_order_id in self.names
        ]

    def _crossed_at_venue(self, market: MarketState) -> list[str]:
        name, limits = market.quoted.market.name, market.quoted.limits
        own, found = self.own_orders(name), []
        position = true_position(self.venue, market)
        for side, sign in ((VenueSide.BUY, 1), (VenueSide.SELL, -1)):
            leaves = sum(order.leaves_lots for order in own if order.side is side)
            worst = sign * position + leaves
            if leaves and worst > limits.position_max:
                found.append(f"the venue holds {position} and {leaves} more to {side.name.lower()}")
        if len(own) > limits.open_orders_max:
            found.append(f"{len(own)} orders rest at the venue")
        found += [
            f"an order of {order.ticks} x {order.leaves_lots} rests at the venue"
            for order in own
            if order.ticks * order.leaves_lots > limits.order_notional_max
        ]
        return found


def crossed_by_state(market: MarketState) -> list[str]:
    """Return the limits that a market crosses by the engine's own reckoning."""
    limits, found = market.quoted.limits, []
    for name, sign, pending in (("long", 1, market.buy_worst), ("short", -1, market.sell_worst)):
        # What is held may lie beyond the limit; nothing that adds to it may be asked for then.
        if pending and sign * market.position + pending > limits.position_max:
            found.append(f"{name} {market.position} with {pending} more to come")
    if len(market.live) > limits.open_orders_max:
        found.append(f"{len(market.live)} orders live")
    best: dict[Side, int] = {}
    for order in market.live:
        prices = [(order.price, order.qty)]
        if order.pending is Pending.MODIFY:
            prices.append((order.wanted_price, order.wanted_qty))
        for price, qty in prices:
            if price * qty > limits.order_notional_max:
                found.append(f"an order of {price} x {qty}")
            if order.side is Side.BUY:
                best[order.side] = max(best.get(order.side, price), price)
            else:
                best[order.side] = min(best.get(order.side, price), price)
    if len(best) == 2 and best[Side.BUY] >= best[Side.SELL]:
        found.append(f"own bid {best[Side.BUY]} meets own ask {best[Side.SELL]}")
    return found


def true_position(venue: VenueHandle, market: MarketState) -> int:
    """Return what the venue has of a market's base asset or position against the target, lots."""
    spec = market.quoted.market
    if spec.product is Product.SPOT:
        held = venue.exchange.spot_balances(ACCOUNT)[spec.base_asset]
        units = held.available + held.freeze
        lots: int = units // 10 ** (UNIT_DECIMALS - spec.qty_decimals)
        return lots - market.quoted.inventory_target
    positions = venue.exchange.positions(ACCOUNT)
    return sum(held.lots for held in positions if held.market == spec.name)
