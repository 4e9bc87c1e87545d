"""Windows on a book and their differences (contract 11.5, depth_update). Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from adapters.paper.core.market import Levels

LIMITS = (1, 5, 10, 20, 30, 50, 100)
# Decimals of an aggregated price; "0" is no aggregation.
INTERVALS = {
    "0": 0,
    "0.00000001": 8,
    "0.0000001": 7,
    "0.000001": 6,
    "0.00001": 5,
    "0.0001": 4,
    "0.001": 3,
    "0.01": 2,
    "0.1": 1,
}


class Window(msgspec.Struct, frozen=True):
    """The best levels of a book as a subscriber sees them: (price ticks, lots), best first."""

    asks: Levels
    bids: Levels


def step_ticks(interval: str, price_decimals: int) -> int:
    """Ticks per aggregated level; 1 where the interval is finer than the market's own tick.

    Raises:
        KeyError: for an interval outside the documented list.
    """
    decimals = INTERVALS[interval]
    if interval == "0" or decimals >= price_decimals:
        return 1
    return int(10 ** (price_decimals - decimals))


def aggregate(levels: Iterable[tuple[int, int]], step: int, limit: int, *, up: bool) -> Levels:
    """Merge levels into multiples of `step` ticks, asks rounded up and bids down.

    Args:
        levels: (price ticks, lots), best first.
        step: Ticks per aggregated level, >= 1.
        limit: Most levels to return.
        up: True for asks.
    """
    merged: list[tuple[int, int]] = []
    for price, lots in levels:
        rounded = -(-price // step) * step if up else price // step * step
        if merged and merged[-1][0] == rounded:
            merged[-1] = (rounded, merged[-1][1] + lots)
        elif len(merged) == limit:
            break
        else:
            merged.append((rounded, lots))
    return tuple(merged)


def changes(old: Levels, new: Levels, *, descending: bool) -> Levels:
    """Levels that turn `old` into `new`, best first; 0 lots removes a level."""
    if old == new:
        return ()
    before = dict(old)
    after = dict(new)
    changed = [level for level in new if before.get(level[0]) != level[1]]
    changed += [(price, 0) for price, _ in old if price not in after]
    return tuple(sorted(changed, reverse=descending))
