"""`quotefold report`: what a journal came to, as one page that opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adapters.ports import Fs
    from replay.report.fold import Report, Window


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page here; needed unless --json.",
)
@click.option("--since", metavar="SEQ|TIME", help="From this record or time (UTC) on.")
@click.option("--until", metavar="SEQ|TIME", help="Up to this record or time (UTC).")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print every figure as one JSON object.")
def report(
    journal: Path,
    output: Path | None,
    since: str | None,
    until: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Report on JOURNAL: P&L and its parts, inventory, uptime, markouts, latency, trouble.

    The page is one file without any reference to a network. docs/report.md says what each figure
    is; --json prints them all, money as exact decimal strings.

    Exit codes: 0 done, 2 could not run.
    """
    from adapters.cli.moments import parse_moment
    from adapters.cli.whole_file import check_target, write_whole
    from adapters.ports import SystemFs
    from engine.errors import ConfigError
    from replay.report.fold import Window

    since_seq, since_ns = parse_moment("--since", since)
    until_seq, until_ns = parse_moment("--until", until)
    if output is None and not as_json:
        raise ConfigError("expected -o FILE for the page, or --json for the figures, found neither")
    fs = SystemFs()
    if output is not None:
        check_target(fs, output, force=force)
    window = Window(since_seq, since_ns, until_seq, until_ns)
    found = read(fs, journal, window, progress=not as_json)
    if output is not None:
        from adapters.cli.main import version
        from replay.report.page import page

        write_whole(fs, output, page(found, str(journal), version()), force=force)
    if as_json:
        _print_json(found, journal, output)
    else:
        _print_words(found, output)
    return 0


def read(fs: Fs, journal: Path, window: Window, *, progress: bool) -> Report:
    """Fold a journal once, and count what lies in a window.

    Raises:
        ConfigError: the journal cannot be read.
    """
    from itertools import chain

    from adapters.cli.places import check_journal
    from adapters.runtime.journal_start import start_state
    from engine.errors import ConfigError, JournalError
    from replay.progress import blocks_with_progress
    from replay.read import read_blocks
    from replay.report.fold import Report

    check_journal(fs, journal)
    found = Report(window)
    try:
        start = start_state(fs, journal)
        blocks = read_blocks(fs, journal, from_seq=start.seq + 1)
        blocks = blocks_with_progress(blocks, enabled=progress)
        found.fold(chain.from_iterable(blocks), start)
    except JournalError as error:
        raise ConfigError(str(error)) from error
    return found


def _print_json(found: Report, journal: Path, output: Path | None) -> None:
    import msgspec

    path = None if output is None else str(output)
    result: dict[str, Any] = {"journal": str(journal), "output": path, **found.figures()}
    click.echo(msgspec.json.encode(result))


def _print_words(found: Report, output: Path | None) -> None:
    figures = found.figures()
    for words in figures["backtests"]:
        click.echo(f"{words}: every fill is an estimate")
    for asset, whole in figures["pnl"]["all"].items():
        click.echo(f"P&L {whole['total']} {asset}, {figures['fills']:,} fills")
    window = figures["window"]
    click.echo(
        f"{output}: {figures['records']:,} records,"
        f" seq {window['from_seq']} to {window['until_seq']}"
    )
