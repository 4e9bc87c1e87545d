"""`quotefold parity`: a captured run against a backtest of its own market data."""

from __future__ import annotations

from pathlib import Path

import click

EXIT_UNCLEAN = 1
LIMIT = 20
"""Differences listed for each market unless all are asked for, the dearest."""


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option(
    "--queue",
    default="risk_averse",
    show_default=True,
    metavar="MODEL",
    help="Who leaves a level: risk_averse, power:N, power2:N, power3:N, log, log2.",
)
@click.option(
    "--latency",
    metavar="MODEL",
    help="constant:TIME, measured:DIR (medians) or sampled:DIR.  [default: measured:JOURNAL]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is drawn.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the backtest's journal there. Default: it is not kept.",
)
@click.option("--all", "everything", is_flag=True, help="List every difference.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
def parity(
    journal: Path,
    queue: str,
    latency: str | None,
    seed: int,
    out: Path | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Backtest what JOURNAL captured, and say how that differs from what really happened.

    The first run's configuration is played over the journal's own market data, from the run's first
    inventory on. Fills are matched one to one; each that has no counterpart gets a cause, worked
    out from the two journals, and the money of the causes comes to the whole difference of the P&L,
    to the last digit. docs/parity.md explains every cause.

    Exit codes: 0 done, whatever differs; 1 the backtest's engine did not end clean; 2 refused.
    """
    from adapters.cli.backtest_plan import parse_latency
    from adapters.cli.backtest_text import progress
    from adapters.cli.own_code import part_hashes
    from adapters.cli.parity_text import print_parity, print_parity_json
    from adapters.ports import SystemFs
    from adapters.runtime.run import versions
    from engine.errors import ConfigError, JournalError
    from replay.backtest.source import find_journal, journal_ends
    from replay.parity.run import Wanted
    from replay.parity.run import parity as compared
    from replay.queue_models import queue_model

    fs = SystemFs()
    queue_model(queue, 0)
    try:
        legs = parse_latency(latency or f"measured:{journal}")
        wanted = Wanted(legs, queue, seed, versions(), part_hashes(fs))
        source = find_journal(fs, str(journal))
        with progress(lambda: journal_ends(fs, source), as_json=as_json) as tell:
            found = compared(fs, journal, wanted, out, tell)
    except JournalError as error:
        raise ConfigError(str(error)) from error
    if as_json:
        print_parity_json(journal, found, out)
    else:
        print_parity(journal, found, out, limit=0 if everything else LIMIT)
    return 0 if found.played.ended.clean else EXIT_UNCLEAN
