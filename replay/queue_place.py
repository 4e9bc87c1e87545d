"""Our place in the queue at a price, as the public data bounds it.

Risk-averse, as `RiskAdverseQueueModel` of hftbacktest: whoever leaves a level left from behind us,
so only trades at our price, and a level smaller than what was before us, bring us forward. All
that rested at the price when our order was shown counts as before it.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import neg

from engine.book import Book
from engine.types import BUY, Side
from replay.trails import QueuePoint

PATH_MAX = 256
"""Points kept of a path; a longer one loses every second point of its older half."""

UNKNOWN = -1
"""Total of a level that lies outside the depth window."""


def level_total(book: Book, side: Side, price: int, limit: int) -> int:
    """Return the lots that a book shows at a price; `UNKNOWN` outside of its window.

    Args:
        book: Trusted.
        side: Of the level.
        price: Ticks.
        limit: Levels a side that were subscribed: with fewer, the window holds the whole side.
    """
    if side is BUY:
        prices, qtys = book.bid_prices, book.bid_qtys
        index = bisect_left(prices, -price, key=neg)
    else:
        prices, qtys = book.ask_prices, book.ask_qtys
        index = bisect_left(prices, price)
    if index < len(prices):
        return qtys[index] if prices[index] == price else 0
    return UNKNOWN if len(prices) >= limit else 0


class QueuePlace:
    """The estimate for one order at one price."""

    __slots__ = ("_path", "ahead", "total")

    def __init__(self) -> None:
        self.ahead = UNKNOWN
        self.total = UNKNOWN
        self._path: list[QueuePoint] = []

    @property
    def path(self) -> tuple[QueuePoint, ...]:
        return tuple(self._path)

    def seen(self, seq: int, total: int, own: int) -> None:
        """The book shows `total` lots at our price, `own` of them ours; `UNKNOWN` tells nothing."""
        if total == UNKNOWN:
            return
        others = max(total - own, 0)
        ahead = others if self.ahead == UNKNOWN else min(self.ahead, others)
        self._move(seq, ahead, total)

    def traded(self, seq: int, qty: int) -> None:
        """So many lots traded at our price against our side."""
        if self.ahead != UNKNOWN:
            self._move(seq, max(self.ahead - qty, 0), self.total)

    def met(self, seq: int) -> None:
        """We were filled as a maker: nobody is left before us."""
        self._move(seq, 0, self.total)

    def _move(self, seq: int, ahead: int, total: int) -> None:
        if ahead == self.ahead and total == self.total:
            return
        self.ahead, self.total = ahead, total
        path = self._path
        path.append(QueuePoint(seq, ahead, total))
        if len(path) > PATH_MAX:
            half = PATH_MAX // 2
            path[1:half] = path[2:half:2]
