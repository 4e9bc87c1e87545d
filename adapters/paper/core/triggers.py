"""The un-triggered stops of one market, by trigger price (10.1, 10.7).

A stop is due once a trade is at or beyond its trigger. Those due by one trade enter matching in
the order in which they were placed: time priority is engine arrival, whatever the type.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from adapters.paper.core.model import Order

# Above every order id, so that a search by price alone ends behind all stops of that price.
_LAST_ID = 1 << 62


class Triggers:
    """Stops that wait for a higher (`above`) or a lower price; both as (key, order id) lists.

    The key is the trigger in ticks, negative below, so that what is due always comes first.
    """

    __slots__ = ("_above", "_below", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self._above: list[tuple[int, int]] = []
        self._below: list[tuple[int, int]] = []

    def add(self, order: Order) -> None:
        """Let a stop wait."""
        self.orders[order.order_id] = order
        entries, key = self._place_of(order)
        insort(entries, (key, order.order_id))

    def remove(self, order: Order) -> None:
        """Forget a stop; one that was taken as due already is not an error."""
        if self.orders.pop(order.order_id, None) is not None:
            entries, key = self._place_of(order)
            del entries[bisect_left(entries, (key, order.order_id))]

    def take_due(self, last_ticks: int) -> list[Order]:
        """Return and forget the stops that a trade at `last_ticks` triggers, oldest first."""
        due: list[int] = []
        for entries, key in ((self._above, last_ticks), (self._below, -last_ticks)):
            if entries and entries[0][0] <= key:
                end = bisect_right(entries, (key, _LAST_ID))
                due += [order_id for _, order_id in entries[:end]]
                del entries[:end]
        return [self.orders.pop(order_id) for order_id in sorted(due)] if due else []

    def check(self) -> None:
        """Assert every invariant of the waiting stops."""
        entries = sorted(self._above) + sorted(self._below)
        assert self._above + self._below == entries
        assert sorted(order_id for _, order_id in entries) == sorted(self.orders)
        for order in self.orders.values():
            assert order.waiting, f"{order.order_id} waits though it was triggered"
            place, key = self._place_of(order)
            assert (key, order.order_id) in place

    def _place_of(self, order: Order) -> tuple[list[tuple[int, int]], int]:
        if order.trigger_above:
            return self._above, order.trigger_ticks
        return self._below, -order.trigger_ticks
