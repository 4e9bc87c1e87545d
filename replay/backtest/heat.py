"""Heat maps of a sweep: P&L over two keys of the grid, as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from itertools import chain

import msgspec

from replay.backtest.sweep import Point

_CELL_W, _CELL_H, _LEFT, _TOP = 110, 34, 130, 60
_LETTER_W = 8
"""Of a bold letter, about."""
_PLACES_MAX = 8


class HeatMap(msgspec.Struct, frozen=True):
    """P&L by two keys; where there are others, the mean over them."""

    row_key: str
    column_key: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float, ...], ...]
    """By row and column; for show."""
    over: tuple[str, ...] = ()
    """The other keys, over whose values each cell is the mean."""

    def title(self, asset: str) -> str:
        """Say what it shows, in which asset."""
        mean = f", mean over {', '.join(self.over)}" if self.over else ""
        return f"P&L, {asset}, by {self.row_key} (rows) and {self.column_key} (columns){mean}"


def heat_maps(
    grid: Sequence[tuple[str, tuple[str, ...]]], totals: Mapping[Point, Decimal]
) -> list[HeatMap]:
    """Return a map for every two keys that have more than one value."""
    wide = [(key, values) for key, values in grid if len(values) > 1]
    maps = []
    for index, (row_key, rows) in enumerate(wide):
        for column_key, columns in wide[index + 1 :]:
            cells = tuple(
                tuple(_mean(totals, row_key, row, column_key, column) for column in columns)
                for row in rows
            )
            over = tuple([key for key, _ in wide if key not in (row_key, column_key)])
            maps.append(HeatMap(row_key, column_key, rows, columns, cells, over))
    return maps


def _mean(
    totals: Mapping[Point, Decimal], row_key: str, row: str, column_key: str, column: str
) -> float:
    found = [
        value
        for point, value in totals.items()
        if (row_key, row) in point and (column_key, column) in point
    ]
    return float(sum(found, Decimal(0)) / len(found)) if found else 0.0


def colour(value: float, most: float) -> tuple[int, int, int]:
    """Return red for a loss, white for nothing, green for a gain, by its share of the most."""
    share = max(-1.0, min(1.0, value / most)) if most else 0.0
    fade = round(255 - 150 * abs(share))
    return (fade, 235, fade) if share >= 0 else (245, fade, fade)


def most_of(found: HeatMap) -> float:
    """Return the largest gain or loss of a map."""
    return max([abs(value) for row in found.cells for value in row], default=0.0)


def places_of(values: Iterable[Decimal | float]) -> int:
    """Return the decimals by which the largest of some amounts shows four digits, 2 at least."""
    most = max([abs(Decimal(value)) for value in values], default=Decimal(0))
    return min(max(2, 3 - most.adjusted()), _PLACES_MAX) if most else 2


def svg(found: HeatMap, asset: str, label: str) -> str:
    """Draw a map.

    Args:
        found: The map.
        asset: That the P&L is in.
        label: What the result is to be called.
    """
    title = found.title(asset)
    width = max(_LEFT + _CELL_W * len(found.columns) + 10, _LETTER_W * max(len(title), len(label)))
    height = _TOP + _CELL_H * len(found.rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="13">',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
        f'<text x="8" y="{height - 10}" fill="#666">{escape(label)}</text>',
    ]
    most, places = most_of(found), places_of(chain.from_iterable(found.cells))
    for index, column in enumerate(found.columns):
        parts.append(_text(_LEFT + _CELL_W * index + _CELL_W // 2, _TOP - 10, column))
    for row, (name, values) in enumerate(zip(found.rows, found.cells, strict=True)):
        y = _TOP + _CELL_H * row
        parts.append(_text(_LEFT // 2, y + 22, name))
        for index, value in enumerate(values):
            x = _LEFT + _CELL_W * index
            red, green, blue = colour(value, most)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_CELL_W - 2}" height="{_CELL_H - 2}"'
                f' fill="rgb({red},{green},{blue})"/>'
            )
            parts.append(_text(x + _CELL_W // 2, y + 22, f"{value:,.{places}f}"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle">{escape(text)}</text>'
