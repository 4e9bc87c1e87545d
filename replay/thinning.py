"""Series over time in bounded memory: as many buckets as can be seen, whatever the length.

A bucket keeps the lowest, the highest and the last value of what it covers; once the series grows
beyond its buckets, each two become one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Generic, TypeVar

Row = tuple[int, tuple[Decimal, ...]]
"""Nanoseconds, and the values of one moment."""

WIDTH_NS = 100_000_000
"""Of the buckets of a short series: the engine's timer fires as often."""
BUCKETS = 480

B = TypeVar("B")


class Buckets(Generic[B]):
    """Equal stretches of time, from the first moment on, each with a bucket or without."""

    def __init__(self, make: Callable[[], B], merge: Callable[[B, B], B]) -> None:
        """Take how a bucket is made, and how a later one joins an earlier one."""
        self._make, self._merge = make, merge
        self._first_ns = -1
        self._last_ns = 0
        self.width_ns = WIDTH_NS
        self.found: dict[int, B] = {}

    def at(self, at_ns: int) -> B:
        """Return the bucket of a moment; one before the last moment counts as that."""
        if self._first_ns < 0:
            self._first_ns = at_ns
        self._last_ns = max(at_ns, self._last_ns)
        while (self._last_ns - self._first_ns) // self.width_ns >= BUCKETS:
            self.coarsen()
        index = (self._last_ns - self._first_ns) // self.width_ns
        bucket = self.found.get(index)
        if bucket is None:
            bucket = self.found[index] = self._make()
        return bucket

    def coarsen(self) -> None:
        """Make one bucket of each two."""
        self.width_ns *= 2
        found: dict[int, B] = {}
        for index, bucket in self.found.items():
            half = index // 2
            found[half] = self._merge(found[half], bucket) if half in found else bucket
        self.found = found

    def start_ns(self, index: int) -> int:
        """Return when a bucket begins."""
        return self._first_ns + index * self.width_ns


class _Extremes:
    """Of one bucket: the last row, and those with the lowest and highest of some values."""

    __slots__ = ("high", "last", "low")

    def __init__(self) -> None:
        self.last: Row | None = None
        self.low: dict[int, Row] = {}
        self.high: dict[int, Row] = {}

    def take(self, row: Row, keys: tuple[int, ...]) -> None:
        values = row[1]
        for key in keys:
            if key not in self.low or values[key] < self.low[key][1][key]:
                self.low[key] = row
            if key not in self.high or values[key] > self.high[key][1][key]:
                self.high[key] = row
        self.last = row

    def rows(self) -> list[Row]:
        picked: list[Row] = []
        for row in (*self.low.values(), *self.high.values(), self.last):
            if row is not None and row not in picked:
                picked.append(row)
        return sorted(picked, key=_moment)


def _moment(row: Row) -> int:
    return row[0]


class Series:
    """Several values over time, of which some keep their lows and highs."""

    def __init__(self, keys: tuple[int, ...]) -> None:
        """Take which values keep their lows and highs, by index."""
        self._keys = keys
        self._buckets = Buckets(_Extremes, self._joined)

    def add(self, at_ns: int, values: tuple[Decimal, ...]) -> None:
        """Take the values of a moment, in the order of time."""
        self._buckets.at(at_ns).take((at_ns, values), self._keys)

    def _joined(self, one: _Extremes, other: _Extremes) -> _Extremes:
        for row in other.rows():
            one.take(row, self._keys)
        return one

    def rows(self, most: int) -> list[Row | None]:
        """Return what is kept, oldest first, with None where nothing was known for long.

        Args:
            most: Rows at the most, about; what is more is thinned for good.
        """
        while sum(len(bucket.rows()) for bucket in self._buckets.found.values()) > most:
            self._buckets.coarsen()
        rows: list[Row | None] = []
        previous = -1
        for index, bucket in self._buckets.found.items():
            long = (index - previous - 1) * self._buckets.width_ns > 3_000_000_000
            if rows and index - previous > 2 and long:
                rows.append(None)
            rows += bucket.rows()
            previous = index
        return rows


class _Shares:
    __slots__ = ("parts", "whole")

    def __init__(self) -> None:
        self.whole = 0
        self.parts: tuple[int, ...] = ()

    def joined(self, other: _Shares) -> _Shares:
        self.add(other.whole, other.parts)
        return self

    def add(self, whole: int, parts: tuple[int, ...]) -> None:
        self.whole += whole
        self.parts = tuple(
            one + two for one, two in zip(self.parts or (0,) * len(parts), parts, strict=True)
        )


class Shares:
    """Parts of a whole over time."""

    def __init__(self) -> None:
        self._buckets = Buckets(_Shares, _Shares.joined)

    def add(self, at_ns: int, whole: int, parts: tuple[int, ...]) -> None:
        """Take what was added to the whole and to its parts since the last moment."""
        self._buckets.at(at_ns).add(whole, parts)

    def rows(self, most: int) -> list[tuple[int, tuple[float, ...]] | None]:
        """Return the middle of each bucket with its shares, None where there is no whole."""
        buckets = self._buckets
        while len(buckets.found) > most:
            buckets.coarsen()
        rows: list[tuple[int, tuple[float, ...]] | None] = []
        previous = -1
        for index, bucket in buckets.found.items():
            if rows and index - previous > 2:
                rows.append(None)
            if bucket.whole:
                at_ns = buckets.start_ns(index) + buckets.width_ns // 2
                rows.append((at_ns, tuple(part / bucket.whole for part in bucket.parts)))
            previous = index
        return rows
