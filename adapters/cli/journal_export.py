"""`quotefold journal export`: tables of a journal as CSV or Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapters.cli.export_files import TableFile
    from adapters.ports import Fs
    from engine.events import Record
    from engine.state import State

    Write = Callable[..., dict[str, int]]

TABLES = ("events", "tops", "quotes", "orders", "fills", "pnl")


@click.command("export")
@click.argument("directory", metavar="JOURNAL", type=click.Path(path_type=Path))
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--tables",
    default=",".join(TABLES),
    show_default=True,
    metavar="NAME,...",
    help="Only these.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Parquet needs duckdb: make analysis.",
)
@click.option("--force", is_flag=True, help="Replace files of DIR that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export_command(
    directory: Path, target: Path, tables: str, kind: str, force: bool, as_json: bool
) -> int:
    """Write tables of JOURNAL to DIR, one file each, for SQL and data frames.

    Prices, quantities and money are exact decimals, with ticks and lots as integers beside them.
    docs/export.md explains every column, with examples in SQL.

    Exit codes: 0 done, 2 could not run.
    """
    import json

    from adapters.ports import SystemFs

    names = _names(tables)
    counts = export(SystemFs(), directory, target, names, kind, force=force, progress=not as_json)
    if as_json:
        found = {name: {"file": f"{name}.{kind}", "rows": rows} for name, rows in counts.items()}
        click.echo(json.dumps({"journal": str(directory), "dir": str(target), "tables": found}))
    else:
        for name, rows in counts.items():
            click.echo(f"{target / name}.{kind}: {rows:,} rows")
    return 0


def _names(text: str) -> list[str]:
    from engine.errors import ConfigError

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in TABLES]
    if unknown or not names:
        found = repr(unknown[0]) if unknown else "none"
        raise ConfigError(f"--tables: expected some of {', '.join(TABLES)}, found {found}")
    return list(dict.fromkeys(names))


def export(
    fs: Fs,
    journal: Path,
    target: Path,
    names: Sequence[str],
    kind: str,
    *,
    force: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Write tables; returns the rows of each.

    Args:
        fs: The machine's, for Parquet: what writes that opens its files itself.
        journal: Its directory.
        target: Where the files go; made if it is not there.
        names: Of the tables.
        kind: `parquet` or `csv`.
        force: Replace files that are there.
        progress: Count records on a terminal's stderr.

    Raises:
        ConfigError: the journal cannot be read, or a file cannot be written.
    """
    from functools import partial

    from adapters.cli.export_files import clear, new_path, prepared
    from adapters.cli.places import check_journal
    from adapters.runtime.journal_start import start_state
    from engine.errors import ConfigError, JournalError

    check_journal(fs, journal)
    if kind == "parquet":
        from adapters.cli.export_parquet import require_duckdb

        require_duckdb()
    prepared(fs, target, [f"{name}.{kind}" for name in names], force=force)
    try:
        start = start_state(fs, journal)
        write = partial(write_tables, fs, journal, start, target, kind=kind)
        counts = _written(write, names, progress=progress)
        for name in names:
            fs.rename(new_path(target, name, kind), target / f"{name}.{kind}")
    except JournalError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        for name in names:
            clear(fs, target, name)
    return {name: counts[name] for name in names}


def _written(write: Write, names: Sequence[str], *, progress: bool) -> dict[str, int]:
    # Events need no fold, so where there are two cores they are written beside the rest. Both are
    # processes of their own: one that has threads of duckdb is not to be forked.
    import sys

    from replay.parallel import cores, processes

    others = [name for name in names if name != "events"]
    beside = 0 < len(others) < len(names) and cores() > 1 and "duckdb" not in sys.modules
    with processes(2 if beside else 1) as executor:
        if executor is None:
            return write(names, progress=progress)
        first = executor.submit(write, others, progress=progress)
        events = executor.submit(write, ["events"], progress=False)
        return first.result() | events.result()


def write_tables(
    fs: Fs,
    journal: Path,
    start: State,
    target: Path,
    names: Sequence[str],
    *,
    kind: str,
    progress: bool,
) -> dict[str, int]:
    """Write tables under names that are not theirs yet; returns the rows of each.

    Args:
        fs: As for `export`, as the others.
        journal: Its directory.
        start: The state before its first record.
        target: Where the files go.
        names: Of the tables.
        kind: `parquet` or `csv`.
        progress: Count records on a terminal's stderr.
    """
    from contextlib import ExitStack

    from adapters.cli.export_files import TableFile
    from replay.export.tables import TABLES as SPECS

    with ExitStack() as stack:
        files = {}
        for name in names:
            files[name] = TableFile(fs, target, SPECS[name], exact=kind == "parquet")
            stack.callback(files[name].close)
        _filled(fs, journal, start, files, progress=progress)
        for file in files.values():
            file.finish()
    if kind == "parquet":
        from adapters.cli.export_parquet import to_parquet

        for file in files.values():
            to_parquet(fs, file)
    return {name: file.rows for name, file in files.items()}


def _filled(
    fs: Fs, journal: Path, start: State, files: dict[str, TableFile], *, progress: bool
) -> None:
    from itertools import chain

    from replay.export.event_rows import event_rows
    from replay.export.fold import Export
    from replay.progress import blocks_with_progress
    from replay.read import read_blocks

    def records() -> Iterator[Record]:
        blocks = read_blocks(fs, journal, from_seq=start.seq + 1)
        return chain.from_iterable(blocks_with_progress(blocks, enabled=progress))

    events = files.get("events")
    if events is not None:
        events.add_all(event_rows(records(), start.run_id))
    others = {name: file.add for name, file in files.items() if name != "events"}
    if others:
        Export(others).fold(records(), start)
