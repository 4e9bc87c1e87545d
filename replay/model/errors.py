"""How far a model is off: its fills of the unchanged run against those recorded."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from engine.types import Side
from replay.model.survey import ModelFill

WINDOW_NS = 1_000_000_000
"""A predicted and a recorded fill of one side are the same if no further apart."""


class Error(msgspec.Struct, frozen=True):
    """What the model got right and wrong, of one market and both its sides, or of all."""

    recorded: int = 0
    """Fills; deals of one side at one price and moment are one, however many makers they met."""
    predicted: int = 0
    matched: int = 0
    """Pairs of one side within the window, nearest first in time."""
    recorded_qty: int = 0
    """Lots; of several markets they do not add up."""
    predicted_qty: int = 0
    matched_qty: int = 0
    """Lots that both of a pair have."""
    times_ns: tuple[int, ...] = ()
    """Predicted minus recorded of each pair, ascending."""

    @property
    def missed(self) -> int:
        """Recorded fills that the model does not have."""
        return self.recorded - self.matched

    @property
    def invented(self) -> int:
        """Predicted fills that were not recorded."""
        return self.predicted - self.matched

    @property
    def qty_ratio(self) -> float | None:
        """Predicted by recorded lots; for statistics."""
        return self.predicted_qty / self.recorded_qty if self.recorded_qty else None

    def time_quantile_ns(self, share: float) -> int | None:
        """Return the smallest time error that at least a share of the pairs are not above."""
        if not self.times_ns:
            return None
        return self.times_ns[max(0, -(-int(share * 10_000) * len(self.times_ns) // 10_000) - 1)]


def compare(
    recorded: Sequence[ModelFill], predicted: Sequence[ModelFill], market: str = ""
) -> Error:
    """Match predicted fills with recorded ones.

    Each recorded fill, in the order of time, takes the nearest predicted one of its market and side
    that is left within the window; of two equally near, the earlier.

    Args:
        recorded: Of the journal.
        predicted: Of the model, on the same parameters.
        market: Only of this one; empty for all.
    """
    old = _merged([fill for fill in recorded if market in ("", fill.market)])
    new = _merged([fill for fill in predicted if market in ("", fill.market)])
    times: list[int] = []
    qty = 0
    for key in sorted({(fill.market, fill.side) for fill in old}):
        pairs = _pairs([f for f in old if _key(f) == key], [f for f in new if _key(f) == key])
        for left, right in pairs:
            times.append(right.at_ns - left.at_ns)
            qty += min(left.qty, right.qty)
    return Error(
        recorded=len(old),
        predicted=len(new),
        matched=len(times),
        recorded_qty=_lots(old),
        predicted_qty=_lots(new),
        matched_qty=qty,
        times_ns=tuple(sorted(times)),
    )


def _merged(fills: list[ModelFill]) -> list[ModelFill]:
    merged: dict[tuple[str, Side, int, int], int] = {}
    for fill in fills:
        key = (fill.market, fill.side, fill.price, fill.at_ns)
        merged[key] = merged.get(key, 0) + fill.qty
    return [
        ModelFill(market, side, price, qty, at_ns)
        for (market, side, price, at_ns), qty in merged.items()
    ]


def _pairs(old: list[ModelFill], new: list[ModelFill]) -> list[tuple[ModelFill, ModelFill]]:
    left = sorted(new, key=_time)
    found: list[tuple[ModelFill, ModelFill]] = []
    for fill in sorted(old, key=_time):
        index = bisect_left(left, fill.at_ns, key=_time)
        near = [n for n in (index - 1, index) if 0 <= n < len(left)]
        near.sort(key=lambda n: abs(left[n].at_ns - fill.at_ns))
        if near and abs(left[near[0]].at_ns - fill.at_ns) <= WINDOW_NS:
            found.append((fill, left.pop(near[0])))
    return found


def _key(fill: ModelFill) -> tuple[str, Side]:
    return fill.market, fill.side


def _time(fill: ModelFill) -> int:
    return fill.at_ns


def _lots(fills: list[ModelFill]) -> int:
    return sum([fill.qty for fill in fills])
