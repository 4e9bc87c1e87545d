"""Fills as CSV, one line each, and totals as values for JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.cli.whole_file import whole_file
from adapters.ports import Fs
from engine.errors import ConfigError
from engine.money import format_units
from replay.fill_rows import COLUMNS, HORIZON_NAMES, fill_row, plain, rounded_bps
from replay.fill_totals import MarkoutTotal, Total
from replay.trails import FillTrail

Write = Callable[[FillTrail], None]

_FLUSH_EVERY = 256
"""Lines that are written at once, about 150 KB."""


@contextmanager
def csv_file(fs: Fs, path: Path | None) -> Iterator[Write]:
    """Give a function that writes a fill to a new file; without a path it writes nothing.

    The file appears whole at the end, or not at all.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    if fs.exists(path):
        raise ConfigError(f"--csv: {path}: expected no file, found one")
    with whole_file(fs, path) as file:
        lines = _Lines(file.write)
        yield lines.add
        lines.flush()


class _Lines:
    """Lines of CSV on their way to a file; the names of the columns come first."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._text = io.StringIO()
        self._waiting = 0
        self._rows = csv.writer(self._text, lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def add(self, trail: FillTrail) -> None:
        self._rows.writerow([_cell(value) for value in fill_row(trail).values()])
        self._waiting += 1
        if self._waiting == _FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        self._write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()
        self._waiting = 0


def _cell(value: Any) -> Any:
    # As JSON writes it, so that both read alike.
    return str(value).lower() if isinstance(value, bool) else value


def total_row(total: Total) -> dict[str, Any]:
    """Return the totals of one market and side by name."""
    spec = total.spec
    return {
        "market": spec.name,
        "side": "both" if total.side is None else total.side.name.lower(),
        "fills": total.fills,
        "maker_fills": total.maker_fills,
        "qty": format_units(total.qty, spec.qty_decimals),
        "notional": plain(total.notional_amount),
        "quote_asset": spec.quote_asset,
        "spread": plain(total.spread_amount),
        "fees": {asset: plain(fee) for asset, fee in sorted(total.fees.items())},
        "edge": _weighed(total.edge),
        "markouts": {
            name: _weighed(markout)
            for name, markout in zip(HORIZON_NAMES, total.markouts, strict=True)
        },
    }


def _weighed(total: MarkoutTotal) -> dict[str, Any]:
    share = total.negative_share
    return {
        "fills": total.fills,
        "bps": rounded_bps(total.bps),
        "negative_share": None if share is None else round(share, 6),
    }
