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
_NEAR_MIN = 100
"""Levels that are kept in order, at least: half as many to twice as many. Half of all changes are
further away."""


class Half:
    """Bids or asks. A key is sign x ticks, so that a better price has a greater key.

    Attributes:
        lots: Recorded book, ticks -> lots.
        keys: Of the recorded book from `floor` on, ascending: the best is last.
        floor: Levels below this key are far away, and in no order.
        core: Levels that are in the exchange core, ticks -> lots as set there last.
        core_key: The best key of those; no move beyond it concerns us.
        own: Our visible orders, ticks -> lots.
        own_key: The best key of those.
        any: Prices of all our orders; hidden ones only a retail taker meets.
        any_key: The best key of those.
    """

    __slots__ = (
        *("_near", "any", "any_key", "core", "core_key", "floor"),
        *("keys", "lots", "own", "own_key", "side", "sign"),
    )

    def __init__(self, side: Side, limit: int) -> None:
        """Begin empty.

        Args:
            side: Which one.
            limit: Levels of a window at most.
        """
        self.side = side
        self._near = max(_NEAR_MIN, 2 * limit)
        self.sign = 1 if side is Side.BUY else -1
        self.lots: dict[int, int] = {}
        self.keys: list[int] = []
        self.floor = -NOWHERE
        self.core: dict[int, int] = {}
        self.own: dict[int, int] = {}
        self.any: set[int] = set()
        self.core_key = self.own_key = self.any_key = -NOWHERE

    def replace(self, levels: Levels) -> None:
        """Record these levels and no others."""
        self.lots = {ticks: lots for ticks, lots in levels if lots}
        self.keys, self.floor = [], -NOWHERE
        self._order(self._near)

    def change(self, levels: Levels) -> None:
        """Record levels, 0 lots to remove one; removing one that is not there is normal."""
        held, keys, sign, floor = self.lots, self.keys, self.sign, self.floor
        for ticks, lots in levels:
            key = ticks * sign
            if lots:
                if key >= floor and ticks not in held:
                    insort(keys, key)
                held[ticks] = lots
            elif ticks in held:
                del held[ticks]
                if key >= floor:
                    del keys[bisect_left(keys, key)]
        if not self._near <= 2 * len(keys) <= 4 * self._near:
            self._order(self._near)

    def cut(self, ticks: int, lots: int) -> None:
        """Record a level as the best: better ones are gone."""
        held, key = self.lots, ticks * self.sign
        if key < self.floor:
            self._order(len(held))
        keys = self.keys
        while keys and keys[-1] > key:
            del held[keys.pop() * self.sign]
        if not keys or keys[-1] != key:
            keys.append(key)
        held[ticks] = lots
        if 2 * len(keys) < self._near:
            self._order(self._near)

    def _order(self, most: int) -> None:
        # Put so many of the best levels in order, or all where they are fewer.
        if len(self.keys) > most:
            self.keys = self.keys[-most:]
        elif self.floor > -NOWHERE or not self.keys:
            self.keys = sorted([ticks * self.sign for ticks in self.lots])[-most:]
        whole = len(self.keys) == len(self.lots)
        self.floor = -NOWHERE if whole else self.keys[0]

    def _below(self, key: int, count: int) -> list[int]:
        # The keys below one, so many at least if there are.
        index = bisect_left(self.keys, key)
        if index < count:
            self._order(len(self.lots))
            index = bisect_left(self.keys, key)
        return self.keys[:index]

    def take(self, key: int, lots: int) -> None:
        """Let somebody take lots, from the best level down to that of a key."""
        if key < self.floor:
            self._order(len(self.lots))
        held, keys = self.lots, self.keys
        while keys and keys[-1] >= key:
            ticks = keys[-1] * self.sign
            if held[ticks] > lots:
                held[ticks] -= lots
                break
            lots -= held[ticks]
            del held[ticks], keys[-1]
        if 2 * len(keys) < self._near:
            self._order(self._near)

    def reaching(self, key: int) -> list[int]:
        """Return the recorded prices at or better than a key, best first."""
        if key < self.floor:
            self._order(len(self.lots))
        found: list[int] = []
        for each in reversed(self.keys):
            if each < key or len(found) == _REACHED_MAX:
                break
            found.append(each * self.sign)
        return found

    def bound(self) -> None:
        """Find the best key of the core anew."""
        self.core_key = self._best_key(self.core)

    def bound_ours(self) -> None:
        """Find the best keys of our orders anew."""
        self.own_key, self.any_key = self._best_key(self.own), self._best_key(self.any)

    def _best_key(self, prices: Collection[int]) -> int:
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
            keys = self._below(beyond_key, limit)
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
            below = self._below(beyond_key, 1)
            key = below[-1] if below else -NOWHERE
        if key > own_key:
            ticks = key * self.sign
            return ticks, self.lots[ticks]
        if own_key == -NOWHERE:
            return 0, 0
        ticks = own_key * self.sign
        return ticks, self.own[ticks] + (self.lots[ticks] if key == own_key else 0)
