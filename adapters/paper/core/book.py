"""One side of a book: price levels with a FIFO queue each (10.1).

RPI orders live in sides of their own, so the plain sides *are* the visible book.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from adapters.paper.core.model import Order, Side


class Level:
    """The queue at one price; `lots` is kept equal to the sum of what its orders have left."""

    __slots__ = ("lots", "orders")

    def __init__(self) -> None:
        self.lots = 0
        # Insertion order is arrival order, and any order can leave without a search.
        self.orders: dict[int, Order] = {}


class BookSide:
    """Bids or asks. `keys` are `sign` x price ascending, so the best price is always the last."""

    __slots__ = ("changes", "keys", "levels", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side is Side.BUY else -1
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.changes = 0

    def best(self) -> tuple[int, int]:
        """Return (ticks, lots) of the best level, (0, 0) when empty."""
        if not self.keys:
            return 0, 0
        ticks = self.keys[-1] * self.sign
        return ticks, self.levels[ticks].lots

    def top(self, limit: int) -> tuple[tuple[int, int], ...]:
        """Return up to `limit` levels as (ticks, lots), best first."""
        sign, levels = self.sign, self.levels
        return tuple((key * sign, levels[key * sign].lots) for key in self.keys[: -limit - 1 : -1])

    def first(self) -> Order:
        """Return the order with the highest priority; the side must not be empty."""
        return next(iter(self.levels[self.keys[-1] * self.sign].orders.values()))

    def reachable_key(self, ticks: int) -> int:
        """Return the key at and above which this side trades with a taker limited to `ticks`."""
        return ticks * self.sign

    def add(self, order: Order) -> None:
        """Append an order to the queue of its price."""
        level = self.levels.get(order.ticks)
        if level is None:
            level = self.levels[order.ticks] = Level()
            insort(self.keys, order.ticks * self.sign)
        level.orders[order.order_id] = order
        level.lots += order.leaves_lots
        self.changes += 1

    def shrink(self, order: Order, lots: int) -> None:
        """Take `lots` off an order, in place; it leaves the queue when nothing is left."""
        level = self.levels[order.ticks]
        order.leaves_lots -= lots
        level.lots -= lots
        if not order.leaves_lots:
            self._forget(level, order)
        self.changes += 1

    def grow(self, order: Order, lots: int) -> None:
        """Add `lots` to an order, in place: only for one with nobody behind it."""
        order.leaves_lots += lots
        self.levels[order.ticks].lots += lots
        self.changes += 1

    def remove(self, order: Order) -> None:
        """Take an order out with whatever it has left."""
        level = self.levels[order.ticks]
        level.lots -= order.leaves_lots
        self._forget(level, order)
        self.changes += 1

    def orders(self) -> Iterator[Order]:
        """Yield every order in priority order."""
        for key in reversed(self.keys):
            yield from self.levels[key * self.sign].orders.values()

    def check(self) -> None:
        """Assert every invariant of the side."""
        assert self.keys == sorted(ticks * self.sign for ticks in self.levels)
        for ticks, level in self.levels.items():
            assert level.orders, f"empty level {ticks}"
            assert level.lots == sum(order.leaves_lots for order in level.orders.values())
            assert all(o.ticks == ticks and o.leaves_lots > 0 for o in level.orders.values())

    def _forget(self, level: Level, order: Order) -> None:
        del level.orders[order.order_id]
        if not level.orders:
            del self.levels[order.ticks]
            del self.keys[bisect_left(self.keys, order.ticks * self.sign)]
