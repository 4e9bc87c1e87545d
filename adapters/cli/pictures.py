"""Small pictures of text: a line of bars, a chart of prices over time.

Each is drawn in two ways: with signs that a terminal shows, and in plain ASCII for files, pipes and
whoever asks for it with NO_COLOR.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import msgspec


class Signs(msgspec.Struct, frozen=True):
    """What pictures are drawn with."""

    bars: str
    """From nothing to all."""
    price: str
    """The market's mid."""
    ours: str
    """The line of our price."""
    moment: str
    """The column of the fill."""
    fill: str


UNICODE = Signs("▁▂▃▄▅▆▇█", "•", "─", "┊", "◆")
ASCII = Signs("0123456789", "*", "-", ":", "X")

Series = Sequence[tuple[int, int]]
"""(ns, value) wherever the value changed, in the order of time."""


def at_time(series: Series, at_ns: int) -> int | None:
    """Return the value at a time; None before the first."""
    index = bisect_right(series, at_ns, key=_time)
    return series[index - 1][1] if index else None


def _time(point: tuple[int, int]) -> int:
    return point[0]


def sparkline(series: Series, from_ns: int, until_ns: int, width: int, signs: Signs) -> str:
    """Draw values as one line of bars, each at the end of its share of the time.

    Args:
        series: Values, none below zero.
        from_ns: Where the line begins.
        until_ns: Where it ends.
        width: Columns, >= 1.
        signs: What to draw with.
    """
    most = max((value for _, value in series), default=0)
    drawn = []
    for column in range(width):
        value = at_time(series, from_ns + (until_ns - from_ns) * (column + 1) // width)
        if value is None:
            drawn.append(" ")
        else:
            # Only nothing is drawn as nothing.
            step = -(-value * (len(signs.bars) - 1) // most) if most else 0
            drawn.append(signs.bars[step])
    return "".join(drawn)


class Chart(msgspec.Struct, frozen=True):
    """Prices over time with one line and one moment in it."""

    series: Series
    line: int
    """Our price."""
    from_ns: int
    until_ns: int
    moment_ns: int
    """When we were filled."""
    width: int = 72
    height: int = 13

    def bounds(self) -> tuple[int, int]:
        """Return the lowest and highest value that is shown."""
        shown = [v for at_ns, v in self.series if self.from_ns <= at_ns <= self.until_ns]
        first = at_time(self.series, self.from_ns)
        values = [*shown, self.line, *([] if first is None else [first])]
        return min(values), max(values)


def draw(chart: Chart, label: Callable[[int], str], signs: Signs) -> list[str]:
    """Draw a chart, the highest price first.

    Args:
        chart: What to draw.
        label: Writes a price.
        signs: What to draw with.
    """
    low, high = chart.bounds()
    span = max(high - low, 1)

    def row(value: int) -> int:
        return (high - value) * (chart.height - 1) // span

    cells = [[" "] * chart.width for _ in range(chart.height)]
    cells[row(chart.line)] = [signs.ours] * chart.width
    moment = _column(chart, chart.moment_ns)
    for line in cells:
        line[moment] = signs.moment
    for column in range(chart.width):
        for value in _within(chart, column):
            cells[row(value)][column] = signs.price
    cells[row(chart.line)][moment] = signs.fill
    labels = {row(value): label(value) for value in (high, low, chart.line)}
    width = max(map(len, labels.values()))
    return [
        f"{labels.get(number, ''):>{width}} {''.join(line)}".rstrip()
        for number, line in enumerate(cells)
    ]


def _column(chart: Chart, at_ns: int) -> int:
    span_ns = max(chart.until_ns - chart.from_ns, 1)
    return (at_ns - chart.from_ns) * (chart.width - 1) // span_ns


def _within(chart: Chart, column: int) -> list[int]:
    # What was seen in a column's share of the time: what held when it began, and every change.
    span_ns = max(chart.until_ns - chart.from_ns, 1)
    start_ns = chart.from_ns + span_ns * column // chart.width
    end_ns = chart.from_ns + span_ns * (column + 1) // chart.width
    first = bisect_right(chart.series, start_ns, key=_time)
    last = bisect_right(chart.series, end_ns, key=_time)
    return [value for _, value in chart.series[max(first - 1, 0) : last] if last]
