"""Parquet files of an export, made by duckdb from the CSV files in pieces."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from adapters.cli.export_files import TableFile, new_path
from adapters.ports import Fs
from engine.errors import ConfigError
from replay.export.tables import DECIMAL, DECIMALS_MAX, DIGITS_MAX, Table

MEMORY = "256MB"
THREADS = 2
LINE_MAX = 4 << 20
"""Bytes of the longest row: an event that lists a thousand markets takes a twentieth of it."""
BUFFER = 2 * LINE_MAX
"""Bytes that are read at once; by default it is 16 of the longest rows, for each thread."""


def require_duckdb() -> None:
    """Say how to get what is missing.

    Raises:
        ConfigError: duckdb is not installed.
    """
    if find_spec("duckdb") is None:
        raise ConfigError(
            "--format parquet: expected duckdb, which is not installed;"
            " `make analysis` adds it, --format csv needs nothing"
        )


def to_parquet(fs: Fs, file: TableFile) -> None:
    """Make a Parquet file, which is not named yet, of a whole CSV file, exactly; removes that.

    Raises:
        ConfigError: it cannot be written.
    """
    import duckdb

    table, new = file.table, new_path(file.target, file.table.name, "parquet")
    if fs.exists(new):
        fs.remove(new)
    try:
        with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as database:
            database.execute(_statement(table, file.path, new))
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{file.target / table.name}.parquet: {first}") from error
    fs.remove(file.path)


def _statement(table: Table, source: Path, target: Path) -> str:
    columns = ", ".join(f"{_quoted(name)}: {_quoted(_type(kind))}" for name, kind in table.columns)
    return (
        f"COPY (SELECT * FROM read_csv({_quoted(str(source))}, columns={{{columns}}}, header=true,"
        f" auto_detect=false, delim=',', quote='\"', escape='\"', new_line='\\n',"
        f" max_line_size={LINE_MAX}, buffer_size={BUFFER}))"
        f" TO {_quoted(str(target))} (FORMAT parquet, COMPRESSION zstd)"
    )


def _type(kind: str) -> str:
    return f"DECIMAL({DIGITS_MAX + DECIMALS_MAX}, {DECIMALS_MAX})" if kind is DECIMAL else kind


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
