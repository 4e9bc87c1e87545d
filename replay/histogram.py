"""Durations counted in bounded memory: to two digits, upwards."""

from __future__ import annotations

from collections import Counter


class Histogram:
    """How often a duration came, nanoseconds; at most 90 different ones for each power of ten.

    Attributes:
        count: Of all.
        longest_ns: Exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.longest_ns = 0
        self._counts: Counter[int] = Counter()

    def add(self, took_ns: int) -> None:
        """Count one; below zero counts as 0."""
        took_ns = max(took_ns, 0)
        self.count += 1
        self.longest_ns = max(self.longest_ns, took_ns)
        self._counts[two_digits(took_ns)] += 1

    def percentile(self, percent: float) -> int | None:
        """Return the nearest rank, rounded up to two digits; None without any."""
        rank, passed = max(1, -int(-self.count * percent // 100)), 0
        for took_ns in sorted(self._counts):
            passed += self._counts[took_ns]
            if passed >= rank:
                return min(took_ns, self.longest_ns)
        return None

    def bars(self, bounds_ns: tuple[int, ...]) -> list[int]:
        """Return how many fall up to each of the bounds, and above the last.

        Args:
            bounds_ns: Ascending, each of at most two digits.
        """
        bars = [0] * (len(bounds_ns) + 1)
        for took_ns, count in self._counts.items():
            index = 0
            while index < len(bounds_ns) and took_ns > bounds_ns[index]:
                index += 1
            bars[index] += count
        return bars


def two_digits(value: int) -> int:
    """Round up to two digits: 1234 becomes 1300."""
    if value < 100:
        return value
    scale: int = 10 ** (len(str(value)) - 2)
    return -(-value // scale) * scale
