"""The files of an export while they are written: CSV in pieces, under a name of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from adapters.ports import Fs
from engine.errors import ConfigError
from replay.export.tables import BOOLEAN, Row, Table, check_decimals

CHUNK = 4096
"""Rows that are written at once, about a megabyte of events."""


def prepared(fs: Fs, target: Path, names: Sequence[str], *, force: bool) -> None:
    """Make the directory, and refuse to write over what is there.

    Raises:
        ConfigError: a file is there, or the directory cannot be made.
    """
    there = [name for name in names if fs.exists(target / name)]
    if there and not force:
        raise ConfigError(
            f"{target}: expected no {there[0]}, found one (--force replaces such files)"
        )
    try:
        fs.make_dir(target)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be made: {error.strerror}") from error


def new_path(target: Path, name: str, kind: str) -> Path:
    """Return where a table is until it is whole."""
    return target / f".{name}.{kind}.new"


def clear(fs: Fs, target: Path, name: str) -> None:
    """Remove what is left of the work on a table."""
    for kind in ("csv", "parquet"):
        path = new_path(target, name, kind)
        if fs.exists(path):
            fs.remove(path)


class TableFile:
    """One table on its way to a file.

    Attributes:
        table: Which.
        path: Where the CSV is while it is written.
        rows: So far.
    """

    def __init__(self, fs: Fs, target: Path, table: Table, *, exact: bool) -> None:
        """Begin a file.

        Args:
            fs: Where it goes.
            target: Its directory.
            table: What it holds.
            exact: Refuse decimals that DECIMAL(38, 18) would round.
        """
        self.table, self.target, self.rows = table, target, 0
        self.path = new_path(target, table.name, "csv")
        self._fs, self._exact = fs, exact
        self._waiting: list[Row] = []
        self._booleans = [n for n, (_, kind) in enumerate(table.columns) if kind is BOOLEAN]
        if fs.exists(self.path):
            fs.remove(self.path)
        self._file = fs.open_new(self.path)
        self._write([table.names])

    def add(self, row: Row) -> None:
        """Write one row, with others."""
        self._waiting.append(row)
        if len(self._waiting) == CHUNK:
            self._flush()

    def add_all(self, rows: Iterable[Row]) -> None:
        """Write many rows."""
        rows = iter(rows)
        while chunk := list(islice(rows, CHUNK)):
            self._waiting = chunk
            self._flush()

    def finish(self) -> None:
        """Write what waits; the file is whole."""
        self._flush()
        self._file.sync()

    def close(self) -> None:
        """Let go of the file, whole or not."""
        self._file.close()

    def _flush(self) -> None:
        rows = self._waiting
        if self._exact:
            check_decimals(self.table, rows)
        if self._booleans:
            rows = [self._plain(row) for row in rows]
        self._write(rows)
        self.rows += len(rows)
        self._waiting = []

    def _plain(self, row: Row) -> Row:
        # As JSON writes it, so that all read alike.
        cells = list(row)
        for index in self._booleans:
            if cells[index] is not None:
                cells[index] = "true" if cells[index] else "false"
        return cells

    def _write(self, rows: Sequence[Row]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode())
