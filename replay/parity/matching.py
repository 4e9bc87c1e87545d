"""Which fill of the one journal is which of the other: one to one, the surest first."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from typing import NamedTuple

from replay.model.errors import WINDOW_NS
from replay.parity.fills import SAME_US, Fill

LATER_NS = 30_000_000_000
"""Two fills at one price further apart have nothing to do with each other."""


class Kind(StrEnum):
    """How two fills of one market and side belong together."""

    SAME = "same"
    """At one price, within `WINDOW_NS`."""
    TAKER = "taker"
    """At one moment (`SAME_US`), so of one taker, at another price."""
    LATER = "later"
    """At one price, within `LATER_NS`."""


Fills = dict[int, Fill]
"""By number."""


class Pair(NamedTuple):
    """Two fills that belong together, by their numbers."""

    kind: Kind
    live: int
    backtest: int


def match(live: Sequence[Fill], backtest: Sequence[Fill]) -> tuple[list[Pair], list[int]]:
    """Match fills of one market.

    Of each kind the nearest in time come first, of equally near ones the older. What no engine of
    ours made has no counterpart.

    Returns:
        (pairs; the backtest's fills that are left).
    """
    ones = {number: fill for number, fill in enumerate(live) if fill.is_own}
    others = dict(enumerate(backtest))
    pairs: list[Pair] = []
    for kind, window_ns, key in (
        (Kind.SAME, WINDOW_NS, _side_and_price),
        (Kind.TAKER, SAME_US * 1000, _side),
        (Kind.LATER, LATER_NS, _side_and_price),
    ):
        for one, other in _nearest(ones, others, window_ns, key):
            pairs.append(Pair(kind, one, other))
            del ones[one], others[other]
    return pairs, list(others)


def _nearest(
    ones: Fills, others: Fills, window_ns: int, key: Callable[[Fill], Hashable]
) -> list[tuple[int, int]]:
    groups: dict[Hashable, list[tuple[int, int]]] = {}
    for number, fill in others.items():
        groups.setdefault(key(fill), []).append((fill.at_ns, number))
    for group in groups.values():
        group.sort()
    near: list[tuple[int, int, int]] = []
    for number, fill in ones.items():
        group = groups.get(key(fill), [])
        first = bisect_left(group, (fill.at_ns - window_ns, 0))
        last = bisect_right(group, (fill.at_ns + window_ns, len(others) + len(ones)))
        near += [(abs(at_ns - fill.at_ns), number, other) for at_ns, other in group[first:last]]
    found: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = set(), set()
    for _, one, other in sorted(near):
        if one not in taken[0] and other not in taken[1]:
            taken[0].add(one)
            taken[1].add(other)
            found.append((one, other))
    return found


def _side_and_price(fill: Fill) -> Hashable:
    return fill.side, fill.price


def _side(fill: Fill) -> Hashable:
    return fill.side
