"""When and where the orders of one journal rested at the venue, by its own times.

Whether an order rests is what the engine knew of it, after whatever races; when it began and ended
is what the venue said of that, or when it was told where the venue did not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import events as e
from engine.orders import OPEN
from engine.state import MarketState, State
from engine.types import OrderStatus, Side, VenueOrder

NEVER = 1 << 62
OVER_MAX = 1_000
"""Stays that are over and may still be told of."""
STAYS_KEPT = 64
"""Of a side, before those that are long over are forgotten."""


class Stay:
    """One order at one price."""

    __slots__ = ("began_ns", "ended_ns", "price", "was_filled")

    def __init__(self, price: int, began_ns: int) -> None:
        self.price = price
        self.began_ns = began_ns
        self.ended_ns = NEVER
        self.was_filled = False


class Stays:
    """Follows one journal.

    Attributes:
        quoted: Markets in which the run has had an order resting.
    """

    def __init__(self) -> None:
        self.quoted: set[str] = set()
        self._sides: dict[tuple[str, Side], list[Stay]] = {}
        self._resting: dict[str, dict[int, tuple[str, Stay]]] = {}
        self._over: dict[int, Stay] = {}

    def observe(self, before: State, record: e.Record, after: State) -> None:
        """Follow a record."""
        if after.markets is before.markets:
            return
        event = record.event
        if isinstance(event, e.RunStarted):
            self.quoted.clear()
        times: dict[int, int] = {}
        changed = [
            market
            for name, market in after.markets.items()
            if name not in before.markets or market.orders is not before.markets[name].orders
        ]
        for order_id, venue_us, is_open in _told(event):
            told_ns = record.recv_ns
            if venue_us:
                told_ns = min(told_ns, venue_us * 1000 - before.clock_offset_ns)
            times[order_id] = told_ns
            self._correct(order_id, told_ns, is_open=is_open)
        for market in changed:
            self._follow(market, times, record.recv_ns)

    def standing(self, market: str, side: Side, at_ns: int) -> list[int]:
        """Return the prices at which a side rested at a time, or until that very moment."""
        stays = self._sides.get((market, side), [])
        return [stay.price for stay in stays if stay.began_ns <= at_ns <= stay.ended_ns]

    def empty_since_ns(self, market: str, side: Side, at_ns: int) -> int:
        """Return since when nothing had rested on a side that is empty; 0 for never."""
        stays = self._sides.get((market, side), [])
        return max([stay.ended_ns for stay in stays if stay.ended_ns <= at_ns], default=0)

    def nearest(self, market: str, side: Side, price: int, at_ns: int) -> tuple[int, bool] | None:
        """Return how far in time a price was rested at, that did not rest there at a time.

        Returns:
            (nanoseconds, above zero for later; whether it had been filled there), or None if it
            never rested there as far as is remembered.
        """
        found: list[tuple[int, bool]] = []
        for stay in self._sides.get((market, side), []):
            if stay.price == price:
                if stay.began_ns > at_ns:
                    found.append((stay.began_ns - at_ns, False))
                else:
                    found.append((stay.ended_ns - at_ns, stay.was_filled))
        return min(found, key=lambda each: abs(each[0]), default=None)

    def forget(self, before_ns: int) -> None:
        """Drop what was over before a time, where there is much; the last one stays."""
        for key, stays in self._sides.items():
            if len(stays) > STAYS_KEPT:
                kept = [stay for stay in stays if stay.ended_ns >= before_ns]
                self._sides[key] = kept or [max(stays, key=lambda stay: stay.ended_ns)]

    def _correct(self, order_id: int, told_ns: int, *, is_open: bool) -> None:
        # An answer that has no time comes before the push that has.
        if is_open:
            for resting in self._resting.values():
                if order_id in resting:
                    stay = resting[order_id][1]
                    stay.began_ns = min(stay.began_ns, told_ns)
        elif order_id in self._over:
            stay = self._over[order_id]
            stay.ended_ns = max(stay.began_ns, min(stay.ended_ns, told_ns))

    def _follow(self, market: MarketState, times: dict[int, int], recv_ns: int) -> None:
        name = market.quoted.market.name
        resting = self._resting.setdefault(name, {})
        fresh: dict[str, int] = {}
        for order in market.live:
            if order.status is OPEN and order.order_id not in resting:
                began_ns = times.get(order.order_id, recv_ns)
                stay = Stay(order.price, began_ns)
                resting[order.order_id] = order.client_order_id, stay
                self._sides.setdefault((name, order.side), []).append(stay)
                self.quoted.add(name)
                fresh[order.client_order_id] = began_ns
        for order_id, (client_order_id, stay) in list(resting.items()):
            known = market.order(client_order_id)
            if known is not None and known.status is OPEN and known.order_id == order_id:
                continue
            # A modify ends the old order when it begins the new one.
            ended_ns = fresh.get(client_order_id, times.get(order_id, recv_ns))
            stay.ended_ns = max(stay.began_ns, ended_ns)
            stay.was_filled = known is not None and (
                known.order_id == order_id and not known.leaves_qty
            )
            del resting[order_id]
            self._over[order_id] = stay
            if len(self._over) > OVER_MAX:
                del self._over[next(iter(self._over))]


def _told(event: Any) -> Iterator[tuple[int, int, bool]]:
    # Order ids with the venue's time and whether they rest.
    match event:
        case e.OrderOpened() | e.OrderUpdated() | e.OrderClosed():
            yield _order(event.order)
        case e.OrderModified() | e.OrderCancelled():
            yield _order(event.order)
        case e.OrdersPlaced():
            for result in event.results:
                if result.order is not None:
                    yield _order(result.order)
        case e.Filled():
            yield event.fill.order_id, event.fill.venue_us, False


def _order(order: VenueOrder) -> tuple[int, int, bool]:
    return order.order_id, order.modified_us, order.status is OrderStatus.OPEN
