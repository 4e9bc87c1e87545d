"""Our orders as the tracer follows them: which stay at which price has which order id."""

from __future__ import annotations

from msgspec.structs import replace

from engine.events import PublicTrade, Record
from engine.orders import PAST_IDS, Order
from engine.state import MarketState
from engine.types import BUY, OrderStatus, Side, VenueOrder
from engine.working import GHOST_NS
from replay.legs import unknown_leg
from replay.queue_place import UNKNOWN, QueuePlace, level_total
from replay.trails import Leg, Moment

_OPEN = OrderStatus.OPEN


class Stay:
    """One leg while it is followed, with its place in the queue."""

    __slots__ = ("acknowledged_ns", "leg", "order_id", "queue", "shown_us")

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.order_id = 0
        """0 until the venue has told."""
        self.queue = QueuePlace()
        self.acknowledged_ns = 0
        self.shown_us = 0
        """Venue time at which it rested; 0 while no surface has told."""

    def shown(self, moment: Moment, by: str) -> None:
        """The venue showed it resting, for the first time."""
        self.leg = replace(self.leg, acknowledged=moment, acknowledged_by=by)
        self.acknowledged_ns = moment.at_ns

    def is_settled(self, venue: VenueOrder) -> bool:
        """Say whether a fact of an order that rests tells nothing of this stay any more."""
        return (
            venue.order_id == self.order_id
            and venue.status is _OPEN
            and self.acknowledged_ns > 0
            and (self.shown_us > 0 or not venue.modified_us)
        )

    def has_reached(self, venue_us: int, recv_ns: int) -> bool:
        """Say whether public data of a venue time, taken in at `recv_ns`, knows of the order."""
        if self.shown_us and venue_us:
            return venue_us > self.shown_us
        return recv_ns > self.acknowledged_ns + GHOST_NS

    def book_changed(self, record: Record, market: MarketState, limit: int, own: int) -> None:
        """Look at the book's level at our price; `own` lots of it are ours once it knows of us."""
        leg, book = self.leg, market.feed.book
        total = level_total(book, leg.side, leg.price, limit)
        known = self.has_reached(book.venue_us, record.recv_ns)
        self.queue.seen(record.seq, total, own if known else 0)

    def traded(self, record: Record, trades: list[PublicTrade]) -> None:
        """Count the trades at our price that may have taken what was before us."""
        leg, qty = self.leg, 0
        for trade in trades:
            if trade.price != leg.price or trade.rpi or trade.side is leg.side:
                continue
            if not self.shown_us or trade.venue_us > self.shown_us:
                qty += trade.qty
        if qty:
            self.queue.traded(record.seq, qty)


class Tracked:
    """One order of ours: its stay now, the one a modify asks for, and those before."""

    __slots__ = ("market", "next", "past", "stay")

    def __init__(self, market: str, stay: Stay) -> None:
        self.market = market
        self.stay = stay
        self.next: Stay | None = None
        self.past: dict[int, Stay] = {}

    def follow(self, order: Order) -> Stay | None:
        """Bring the ids in line with the order's state; returns a stay that has ended by that."""
        order_id, stay = order.order_id, self.stay
        if not order_id or order_id == stay.order_id or order_id in self.past:
            return None
        if not stay.order_id:
            stay.order_id = order_id
            return None
        self.past[stay.order_id] = stay
        if len(self.past) > PAST_IDS:
            del self.past[next(iter(self.past))]
        self.stay = self.next or Stay(unknown_leg(order, stay.leg.run_id))
        self.stay.order_id, self.next = order_id, None
        return stay

    def stay_of(self, order_id: int) -> Stay:
        """Return the stay that a deal of an order id belongs to."""
        return self.past.get(order_id, self.stay)


def own_lots(market: MarketState, stays: list[Stay], leg: Leg) -> int:
    """Return the lots of ours that the book shows at the price of a leg, once it shows them."""
    lots = 0
    for stay in stays:
        other = stay.leg
        if other.price == leg.price and other.side is leg.side:
            order = market.orders.get(other.client_order_id)
            lots += order.leaves_qty if order is not None else 0
    return lots


def queue_ahead(stays: list[Stay], side: Side, price: int) -> int | None:
    """Return how many lots of others are before ours at a price, at the most.

    None where none of `stays` is there, or where the book does not tell.
    """
    known = [
        stay.queue.ahead
        for stay in stays
        if stay.leg.side is side and stay.leg.price == price and stay.queue.ahead != UNKNOWN
    ]
    return min(known, default=None)


def touches(leg: Leg, bids: tuple[int, ...], asks: tuple[int, ...]) -> bool:
    """Say whether a delta may change the level of a leg; quantities are seldom taken for prices."""
    return leg.price in (bids if leg.side is BUY else asks)
