"""The order book of one market: an immutable depth window.

Each side is a pair of parallel tuples, best price first. An update copies a side once per frame
(at most 100 levels), so every book a strategy, a test or the time machine holds stays valid.
"""

from __future__ import annotations

from bisect import bisect_left

import msgspec


class Book(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Visible depth in ticks and lots, best first."""

    bid_prices: tuple[int, ...] = ()
    """Strictly descending."""
    bid_qtys: tuple[int, ...] = ()
    ask_prices: tuple[int, ...] = ()
    """Strictly ascending."""
    ask_qtys: tuple[int, ...] = ()
    update_id: int = 0
    venue_us: int = 0

    @property
    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask."""
        return bool(
            self.bid_prices and self.ask_prices and self.bid_prices[0] >= self.ask_prices[0]
        )

    def check(self) -> None:
        """Assert every invariant of a book."""
        assert len(self.bid_prices) == len(self.bid_qtys), "a bid price without a quantity"
        assert len(self.ask_prices) == len(self.ask_qtys), "an ask price without a quantity"
        assert all(a > b for a, b in zip(self.bid_prices, self.bid_prices[1:], strict=False))
        assert all(a < b for a, b in zip(self.ask_prices, self.ask_prices[1:], strict=False))
        assert all(qty > 0 for qty in self.bid_qtys + self.ask_qtys), "an empty level"
        assert not self.crossed, "the book is crossed"


def from_snapshot(
    bids: tuple[int, ...], asks: tuple[int, ...], update_id: int, venue_us: int
) -> Book:
    """Build a book from flat sides `(price, qty, ...)`, best first, as a snapshot carries them."""
    return Book(bids[::2], bids[1::2], asks[::2], asks[1::2], update_id, venue_us)


def apply_delta(
    book: Book,
    bids: tuple[int, ...],
    asks: tuple[int, ...],
    update_id: int,
    venue_us: int,
    limit: int,
) -> Book:
    """Return the book after a delta.

    Args:
        book: The book the delta chains from.
        bids: Changed bid levels, flat `(price, qty, ...)`; absolute sizes, 0 removes.
        asks: Changed ask levels, likewise.
        update_id: The delta's own id.
        venue_us: When the venue sent it, microseconds.
        limit: Levels a side to keep, 1..100: a safeguard, the venue sends removals (11.5).
    """
    bid_prices, bid_qtys = book.bid_prices, book.bid_qtys
    ask_prices, ask_qtys = book.ask_prices, book.ask_qtys
    if bids:
        # Worked on in ascending order, as asks are.
        prices, qtys = list(bid_prices[::-1]), list(bid_qtys[::-1])
        _change(prices, qtys, bids)
        bid_prices, bid_qtys = tuple(prices[: -limit - 1 : -1]), tuple(qtys[: -limit - 1 : -1])
    if asks:
        prices, qtys = list(ask_prices), list(ask_qtys)
        _change(prices, qtys, asks)
        ask_prices, ask_qtys = tuple(prices[:limit]), tuple(qtys[:limit])
    return Book(bid_prices, bid_qtys, ask_prices, ask_qtys, update_id, venue_us)


def _change(prices: list[int], qtys: list[int], changes: tuple[int, ...]) -> None:
    pairs = iter(changes)
    for price, qty in zip(pairs, pairs, strict=True):
        index = bisect_left(prices, price)
        if index < len(prices) and prices[index] == price:
            if qty:
                qtys[index] = qty
            else:
                del prices[index], qtys[index]
        elif qty:
            prices.insert(index, price)
            qtys.insert(index, qty)
