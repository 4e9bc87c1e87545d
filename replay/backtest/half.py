"""One side of a market: the recorded book, our orders in it, and what of it is in the core."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection

from adapters.paper.core.model import Side

Levels = list[tuple[int, int]]
NOWHERE = 1 << 62
"""A key of nothing: below every price on bids and above every price on asks, with its sign."""
UNSURE = -1
"""Lots of a level in the core that has traded: whatever is told of it next is done."""
_REACHED_MAX = 1000
"""Levels that one order may reach: far more than any of ours needs."""


class Half:
    """Bids or asks. A key is sign x ticks, so that a better price has a greater key.

    Attributes:
        lots: Recorded book, ticks -> lots.
        keys: Of the recorded book, ascending: the best is last.
        core: Levels that are in the exchange core, ticks -> lots as set there last.
        core_key: The best key of those; no move beyond it concerns us.
        own: Our visible orders, ticks -> lots.
        own_key: The best key of those.
        any_key: The best key of all our orders; hidden ones only a retail taker meets.
    """

    __slots__ = ("any_key", "core", "core_key", "keys", "lots", "own", "own_key", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = 1 if side is Side.BUY else -1
        self.lots: dict[int, int] = {}
        self.keys: list[int] = []
        self.core: dict[int, int] = {}
        self.own: dict[int, int] = {}
        self.core_key = self.own_key = self.any_key = -NOWHERE

    def replace(self, levels: Levels) -> None:
        """Record these levels and no others."""
        self.lots = {ticks: lots for ticks, lots in levels if lots}
        self.keys = sorted([ticks * self.sign for ticks in self.lots])

    def change(self, levels: Levels) -> None:
        """Record levels, 0 lots to remove one; removing one that is not there is normal."""
        held, keys, sign = self.lots, self.keys, self.sign
        for ticks, lots in levels:
            if lots:
                if ticks not in held:
                    insort(keys, ticks * sign)
                held[ticks] = lots
            elif ticks in held:
                del held[ticks], keys[bisect_left(keys, ticks * sign)]

    def cut(self, ticks: int, lots: int) -> None:
        """Record a level as the best: better ones are gone."""
        held, keys, key = self.lots, self.keys, ticks * self.sign
        while keys and keys[-1] > key:
            del held[keys.pop() * self.sign]
        if not keys or keys[-1] != key:
            keys.append(key)
        held[ticks] = lots

    def take(self, key: int, lots: int) -> None:
        """Let somebody take lots, from the best level down to that of a key."""
        held, keys = self.lots, self.keys
        while keys and keys[-1] >= key:
            ticks = keys[-1] * self.sign
            if held[ticks] > lots:
                held[ticks] -= lots
                return
            lots -= held[ticks]
            del held[ticks], keys[-1]

    def reaching(self, key: int) -> list[int]:
        """Return the recorded prices at or better than a key, best first."""
        found: list[int] = []
        for each in reversed(self.keys):
            if each < key or len(found) == _REACHED_MAX:
                break
            found.append(each * self.sign)
        return found

    def bound(self) -> None:
        """Find the best key of the core anew."""
        self.core_key = self.best_key(self.core)

    def best_key(self, prices: Collection[int]) -> int:
        """Return the key of the best of some prices."""
        if not prices:
            return -NOWHERE
        return max(prices) if self.sign > 0 else -min(prices)

    def window(self, limit: int, beyond_key: int) -> dict[int, int]:
        """Return what shows of the best levels, ours among them, as ticks -> lots.

        Args:
            limit: Levels at most.
            beyond_key: Recorded levels from this key on have traded with our orders opposite.
        """
        sign, lots, keys = self.sign, self.lots, self.keys
        if keys and keys[-1] >= beyond_key:
            keys = keys[: bisect_left(keys, beyond_key)]
        if sign > 0:
            window = {ticks: lots[ticks] for ticks in keys[: -limit - 1 : -1]}
        else:
            window = {-key: lots[-key] for key in keys[: -limit - 1 : -1]}
        for ticks, ours in self.own.items():
            window[ticks] = window.get(ticks, 0) + ours
        while len(window) > limit:
            del window[min(window) if sign > 0 else max(window)]
        return window

    def best(self, beyond_key: int) -> tuple[int, int]:
        """Return the best price and its lots as they show, 0 and 0 for none; see `window`."""
        keys, own_key = self.keys, self.own_key
        key = keys[-1] if keys else -NOWHERE
        if key >= beyond_key:
            index = bisect_left(keys, beyond_key)
            key = keys[index - 1] if index else -NOWHERE
        if key > own_key:
            ticks = key * self.sign
            return ticks, self.lots[ticks]
        if own_key == -NOWHERE:
            return 0, 0
        ticks = own_key * self.sign
        return ticks, self.own[ticks] + (self.lots[ticks] if key == own_key else 0)
