"""Stretches of time: a parameter is chosen on one, and judged on the next, which it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from engine.errors import ConfigError
from engine.money import ZERO, add
from replay.backtest.run import Plan
from replay.backtest.sweep import Point, Result

FOLDS_MAX = 1_000
_WALK = "walk-forward"


class Fold(msgspec.Struct, frozen=True):
    """What was chosen on one stretch of a set of data, and how it did on the next."""

    data: str
    """Name of the set."""
    number: int
    """From 1 on: of the stretch that it is judged on."""
    chosen: Point
    """The best where it was chosen; of equals, the first of the grid."""
    chosen_pnl: Decimal
    """Where it was chosen, so that it is better than can be expected."""
    judged_pnl: Decimal
    """Where it was not."""
    rank: int
    """Of all points where it was judged, 1 is the best."""
    best_pnl: Decimal
    """What the best point of hindsight had there."""


def folds_of(text: str) -> int:
    """Read `walk-forward:K`.

    Raises:
        ConfigError: it is none.
    """
    kind, _, count = text.partition(":")
    if kind != _WALK or not count.isdecimal() or not 1 <= int(count) <= FOLDS_MAX:
        raise ConfigError(f"--split: expected {_WALK}:K with 1 or more folds, found {text!r}")
    return int(count)


def windows_of(plan: Plan, folds: int, begin_ns: int, end_ns: int) -> list[Plan]:
    """Cut a plan's time into one stretch more than there are folds, all equally long.

    Raises:
        ConfigError: they would be shorter than a second.
    """
    length_ns = (end_ns - begin_ns) // (folds + 1)
    if length_ns < 1_000_000_000:
        raise ConfigError(f"--split: expected stretches of a second or more, found {length_ns} ns")
    starts = [begin_ns + number * length_ns for number in range(folds + 1)]
    return [
        msgspec.structs.replace(plan, begin_ns=start, end_ns=start + length_ns) for start in starts
    ]


def totals(
    results: Sequence[Result], window: int | None = None, data: str | None = None
) -> dict[Point, Decimal]:
    """Return the P&L of each point, of one stretch and set of data or of all."""
    found: dict[Point, Decimal] = {}
    for result in results:
        if window in (None, result.window) and data in (None, result.data):
            found[result.point] = add(found.get(result.point, ZERO), result.pnl)
    return found


def walk_forward(results: Sequence[Result], folds: int) -> list[Fold]:
    """Choose on each stretch but the last, and judge on the next.

    Each set of data has its own choices: what another one tells may be of the same time, or later.
    """
    found = []
    for data in dict.fromkeys(result.data for result in results):
        for number in range(1, folds + 1):
            seen, unseen = totals(results, number - 1, data), totals(results, number, data)
            chosen = max(seen, key=lambda point: seen[point])
            judged = unseen[chosen]
            rank = 1 + len([value for value in unseen.values() if value > judged])
            best = max(unseen.values())
            found.append(Fold(data, number, chosen, seen[chosen], judged, rank, best))
    return found
