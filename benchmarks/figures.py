"""What a benchmark returns: named rows of figures, with the unit and the caveats beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil
from statistics import median
from time import perf_counter_ns

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One line of a table."""

    name: str
    unit: str
    figures: dict[str, float]
    """Column -> value in `unit`; `n`, `share_pct` and `requests` have units of their own."""


class Section(msgspec.Struct, frozen=True):
    """One table."""

    key: str
    title: str
    rows: list[Row]
    notes: list[str] = []


def percentile(ordered: list[int], percent: float) -> int:
    """Return the nearest-rank percentile of a sorted, not empty list."""
    return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1]


def spread_us(name: str, times_ns: Iterable[int]) -> Row:
    """Summarise single durations as microseconds; a row of `n` 0 when there are none."""
    ordered = sorted(times_ns)
    figures: dict[str, float] = {"n": len(ordered)}
    if ordered:
        for label, percent in (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)):
            figures[label] = percentile(ordered, percent) / 1000
    return Row(name, "µs", figures)


def rate_row(name: str, count: int, times_ns: list[int]) -> Row:
    """Summarise repeated passes over `count` things as things a second, best and median pass."""
    best, middle = min(times_ns), median(times_ns)
    figures = {"n": float(count), "best": count * 1e9 / best, "median": count * 1e9 / middle}
    return Row(name, "/s", figures)


def timed_ns(work: Callable[[], object], repeats: int) -> list[int]:
    """Call `work` so many times; return what each call took."""
    times = []
    for _ in range(repeats):
        start = perf_counter_ns()
        work()
        times.append(perf_counter_ns() - start)
    return times


def per_call_us(name: str, work: Callable[[int], object], calls: int, repeats: int) -> Row:
    """Time `work(calls)`, which does one thing `calls` times, and return the cost of one."""
    times = timed_ns(lambda: work(calls), repeats)
    figures = {
        "n": float(calls),
        "best": min(times) / calls / 1000,
        "median": median(times) / calls / 1000,
    }
    return Row(name, "µs", figures)
