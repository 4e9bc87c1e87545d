"""`quotefold fills`: every fill of a journal, why it came, what it cost, what followed."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.ports import Fs
    from replay.backtest.made import Made
    from replay.fill_totals import Totals, Wanted
    from replay.tracer import Tracer
    from replay.trails import FillTrail

LIMIT = 1_000
"""Fills shown unless told otherwise, the newest: what is kept in memory stays small."""

_HORIZONS = ("0.1s", "1s", "5s", "30s", "60s")


class Found:
    """What was asked for: the newest fills, totals of all, and how many there were."""

    def __init__(self, limit: int) -> None:
        from replay.fill_totals import Totals
        from replay.tracer import Tracer

        self.fills: deque[FillTrail] = deque(maxlen=limit or None)
        self.totals: Totals = Totals()
        self.tracer: Tracer = Tracer()


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--market", default="", metavar="NAME", help="Only of this market.")
@click.option("--side", type=click.Choice(["buy", "sell"]), help="Only of this side of ours.")
@click.option("--role", type=click.Choice(["maker", "taker"]), help="Only in this role of ours.")
@click.option("--since", metavar="SEQ|TIME", help="From this record or time (UTC) on.")
@click.option("--until", metavar="SEQ|TIME", help="Up to this record or time (UTC).")
@click.option(
    "--worse-than",
    type=click.FloatRange(-1e6, 1e6),
    metavar="BPS",
    help="Only what lost more than so many basis points at the horizon.",
)
@click.option(
    "--horizon",
    type=click.Choice(_HORIZONS),
    default="5s",
    show_default=True,
    help="Of --worse-than.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIMIT,
    show_default=True,
    help="Show the newest so many; 0 for all. Totals and CSV are always of all.",
)
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
def fills(
    journal: Path,
    market: str,
    side: str | None,
    role: str | None,
    since: str | None,
    until: str | None,
    worse_than: float | None,
    horizon: str,
    limit: int,
    csv: Path | None,
    as_json: bool,
) -> int:
    """List the fills of JOURNAL: price, fee, queue, latency, edge, and markouts.

    A markout is what the fill has gained against the mid some time later, in basis points of its
    price; a loss is marked with "!". "-" is what is not known, such as a markout that the journal
    ends before. docs/fills.md explains every column.

    Exit codes: 0 done, 2 could not run.
    """
    from adapters.ports import SystemFs

    wanted = _wanted(market, side, role, since, until, worse_than, horizon)
    found = find(SystemFs(), journal, wanted, limit, csv, progress=not as_json)
    made = _made(SystemFs(), journal, found.tracer.state.mode)
    if as_json:
        _print_json(found, journal, made)
    else:
        from adapters.cli.fills_table import print_fills

        notes = [*_made_notes(found, made), *_notes(found, csv)]
        print_fills(found.fills, found.totals, journal, notes)
    return 0


def _made(fs: Fs, journal: Path, mode: str) -> Made | None:
    from engine.events import RunStarted
    from replay.backtest.made import MODE, made_by
    from replay.read import read_records

    first = next(read_records(fs, journal)).event if mode == MODE else None
    return made_by(first) if isinstance(first, RunStarted) else None


def _wanted(
    market: str,
    side: str | None,
    role: str | None,
    since: str | None,
    until: str | None,
    worse_than: float | None,
    horizon: str,
) -> Wanted:
    from adapters.cli.moments import parse_moment
    from engine.types import Role, Side
    from replay.fill_totals import Wanted

    since_seq, since_ns = parse_moment("--since", since)
    until_seq, until_ns = parse_moment("--until", until)
    return Wanted(
        market=market,
        side=None if side is None else Side[side.upper()],
        role=None if role is None else Role[role.upper()],
        since_seq=since_seq,
        since_ns=since_ns,
        until_seq=until_seq,
        until_ns=until_ns,
        worse_than_bps=worse_than,
        horizon=_HORIZONS.index(horizon),
    )


def find(
    fs: Fs, journal: Path, wanted: Wanted, limit: int, csv: Path | None, *, progress: bool
) -> Found:
    """Read a journal once, and keep what is asked for.

    Args:
        fs: Where the journal is, and the CSV file goes.
        journal: Its directory.
        wanted: Which fills.
        limit: Newest fills to keep; 0 for all.
        csv: File to write all of them to.
        progress: Count records on a terminal's stderr.

    Raises:
        ConfigError: the journal cannot be read, no market of it has the name asked for, or the
            CSV file cannot be written.
    """
    from adapters.cli.fills_csv import csv_file
    from engine.errors import ConfigError, JournalError

    found = Found(limit)
    try:
        with csv_file(fs, csv) as write:
            for trail in _trails(fs, journal, found.tracer, progress=progress):
                if wanted.has(trail):
                    found.fills.append(trail)
                    found.totals.add(trail)
                    write(trail)
            _check_market(fs, journal, found.tracer, wanted.market)
    except JournalError as error:
        raise ConfigError(str(error)) from error
    return found


def _check_market(fs: Fs, journal: Path, tracer: Tracer, name: str) -> None:
    from engine.errors import ConfigError
    from replay.manifest import read_manifests

    known = {*tracer.state.markets, *tracer.own}
    if not name or name in known:
        return
    known.update(*[run.markets for run in read_manifests(fs, journal)])
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"--market: expected one of {names}, found {name!r}")


def _trails(fs: Fs, journal: Path, tracer: Tracer, *, progress: bool) -> Iterator[FillTrail]:
    from itertools import chain

    from adapters.cli.places import check_journal
    from adapters.runtime.journal_start import start_state
    from replay.progress import blocks_with_progress
    from replay.read import read_blocks
    from replay.tracer import trails

    check_journal(fs, journal)
    start = start_state(fs, journal)
    blocks = blocks_with_progress(
        read_blocks(fs, journal, from_seq=start.seq + 1), enabled=progress
    )
    yield from trails(chain.from_iterable(blocks), start, tracer)


def _made_notes(found: Found, made: Made | None) -> list[str]:
    from replay.backtest.made import MODE, backtest_on

    is_real = found.tracer.state.mode != MODE
    return [] if is_real else [f"{backtest_on(made)}: every fill is an estimate"]


def _notes(found: Found, csv: Path | None) -> list[str]:
    notes = []
    shown, matched = len(found.fills), found.totals.fills
    if shown < matched:
        notes.append(f"the newest {shown:,} of {matched:,} fills are shown (--limit)")
    if csv is not None:
        notes.append(f"{matched:,} fills written to {csv}")
    foreign = found.tracer.strangers.total()
    if foreign:
        notes.append(f"{foreign:,} deals of the account were not this engine's, and are left out")
    return notes


def _print_json(found: Found, journal: Path, made: Made | None) -> None:
    import msgspec

    from adapters.cli.fills_csv import total_row
    from replay.fill_rows import fill_row

    tracer = found.tracer
    result: dict[str, Any] = {
        "journal": str(journal),
        "backtest": None if made is None else msgspec.to_builtins(made),
        "seq": tracer.state.seq,
        "matched": found.totals.fills,
        "shown": len(found.fills),
        "foreign": tracer.strangers,
        "parameter_sets": tracer.parameters,
        "totals": [total_row(total) for total in found.totals.rows()],
        "fills": [fill_row(trail) for trail in found.fills],
    }
    click.echo(msgspec.json.encode(result))
