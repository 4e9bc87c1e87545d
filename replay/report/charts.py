"""The charts of the report as data: what `assets/page.js` hands to the chart library."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from replay.histogram import Histogram
from replay.report.words import Markup, duration, escaped
from replay.thinning import Row

Chart = dict[str, Any]
Value = float | None

_DIGITS = 7
"""Of a plotted value: more cannot be seen, and the tables are exact."""
BOUNDS_NS = tuple(digit * 10**power for power in range(3, 10) for digit in (1, 2, 5))
"""From 1 µs to 5 s."""


class Charts:
    """The charts of a page, each under a name of its own."""

    def __init__(self) -> None:
        self.found: dict[str, Chart] = {}

    def place(self, label: str, chart: Chart) -> Markup:
        """Return where a chart goes; one without a value says so."""
        if not any(value is not None for each in chart["series"] for value in each["values"]):
            return Markup("<p class=none>No data.</p>")
        name = f"chart-{len(self.found) + 1}"
        self.found[name] = chart
        return Markup(f'<div class=chart id={name} role=img aria-label="{escaped(label)}"></div>')


def lines(rows: list[Row | None], names: dict[int, str], unit: str, *, step: bool = False) -> Chart:
    """Return values over time.

    Args:
        rows: Of a series, oldest first.
        names: Index of a value -> what to call it.
        unit: Of all values.
        step: Whether a value holds until the next.
    """
    times: list[float] = []
    values: dict[int, list[Value]] = {index: [] for index in names}
    for row in rows:
        # Nothing was known for a while: the line breaks just after its last point.
        times.append(times[-1] if row is None else _seconds(row[0]))
        for index, found in values.items():
            found.append(None if row is None else _plotted(row[1][index]))
    series = [{"label": name, "values": values[index]} for index, name in names.items()]
    return {"kind": "time", "x": times, "series": series, "unit": unit, "step": step}


def shares(rows: list[tuple[int, tuple[float, ...]] | None], names: tuple[str, ...]) -> Chart:
    """Return shares over time, in percent."""
    times: list[float] = []
    values: list[list[Value]] = [[] for _ in names]
    for row in rows:
        times.append(times[-1] if row is None and times else _seconds(row[0]) if row else 0.0)
        for index, found in enumerate(values):
            found.append(None if row is None else round(100 * row[1][index], 2))
    series = [{"label": name, "values": found} for name, found in zip(names, values, strict=True)]
    return {"kind": "time", "x": times, "series": series, "unit": "%", "range": [0, 100]}


def curve(labels: tuple[str, ...], found: dict[str, list[Value]], unit: str) -> Chart:
    """Return lines over named places."""
    series = [{"label": name, "values": values} for name, values in found.items()]
    return {"kind": "curve", "labels": labels, "series": series, "unit": unit}


def bars(histogram: Histogram) -> Chart:
    """Return a histogram of durations, from the first bar that is not empty to the last."""
    counts = histogram.bars(BOUNDS_NS)
    used = [index for index, count in enumerate(counts) if count]
    first, last = (used[0], used[-1]) if used else (0, -1)
    labels = [*(f"≤ {_short(bound)}" for bound in BOUNDS_NS), "> 5 s"]
    values: list[Value] = [*counts[first : last + 1]]
    series = [{"label": "count", "values": values}]
    return {"kind": "bars", "labels": labels[first : last + 1], "series": series, "unit": ""}


def _short(bound_ns: int) -> str:
    return duration(bound_ns).replace(".00", "").replace(".0", "")


def _seconds(time_ns: int) -> float:
    return round(time_ns / 1e9, 3)


def _plotted(value: Decimal) -> float:
    return float(f"{value:.{_DIGITS}g}")
