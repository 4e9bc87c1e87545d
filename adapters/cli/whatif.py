"""`quotefold replay --set`, `--strategy`, `--what-if` and `--fills model`: what would have been."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adapters.ports import Fs
    from engine.state import State
    from replay.changes import Changes

EXIT_STOPPED = 1

_OPTIONS = (
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Decide with this parameter instead, as `ctl set` takes it; MARKET.KEY for one.",
    ),
    click.option("--strategy", default="", metavar="NAME", help="Decide by this strategy instead."),
    click.option("--what-if", is_flag=True, help="Say which decisions the code as it is changes."),
    click.option("--list", "listed", is_flag=True, help="List every difference, not only counts."),
    click.option(
        "--fills",
        type=click.Choice(["model"]),
        help="Estimate what would have been filled, with the error of the estimate.",
    ),
    click.option(
        "--queue",
        metavar="MODEL",
        help="Of --fills: risk_averse (default), power:N, power2:N, power3:N, log or log2.",
    ),
    click.option("--seed", type=int, metavar="N", help="Of the latencies that --fills draws."),
)


def what_if_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a what-if to a command; they come as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def is_asked(asked: dict[str, Any]) -> bool:
    """Say whether any option of a what-if was given."""
    return any(not _is_missing(value) for value in asked.values())


def _is_missing(value: object) -> bool:
    # The number 0 is given, though it equals False.
    return value is None or value is False or value in ("", ())


def run_what_if(
    journals: tuple[Path, ...],
    until: int | None,
    *,
    as_json: bool,
    beside: Mapping[str, object],
    **asked: Any,
) -> int:
    """Decide again along a journal, and say what differs.

    Args:
        journals: Exactly one.
        until: Last record, None for all.
        as_json: Print one JSON object.
        beside: Options of the command that do not go with a what-if, by name; none may be given.
        asked: Values of `what_if_options`.

    Returns:
        The exit code.
    """
    for name, value in beside.items():
        if not _is_missing(value):
            raise click.UsageError(f"{name} is about what was recorded: expected no what-if")
    if len(journals) != 1:
        raise click.UsageError(f"a what-if is of one journal, found {len(journals)}")
    (journal,) = journals
    if asked["fills"]:
        return _estimate(journal, until, as_json=as_json, **asked)
    if asked["queue"] is not None or asked["seed"] is not None:
        raise click.UsageError("--queue and --seed are about a model: expected --fills model")
    from adapters.cli.places import check_journal
    from adapters.cli.proving import check_until
    from adapters.cli.whatif_text import Lister, print_json, print_text
    from adapters.ports import SystemFs
    from adapters.runtime.journal_start import start_state
    from engine.errors import ConfigError, JournalError
    from replay.progress import with_progress
    from replay.read import read_records
    from replay.whatif import what_if

    fs = SystemFs()
    check_journal(fs, journal)
    lister = Lister(as_json=as_json) if asked["listed"] else None
    try:
        start = start_state(fs, journal)
        check_until(until, start)
        changes = _changes(fs, journal, start, asked)
        found = read_records(fs, journal, until, start.seq + 1)
        records = with_progress(found, enabled=not as_json)
        result = what_if(records, changes, start=start, tell=lister)
    except JournalError as error:
        raise ConfigError(str(error)) from error
    if as_json:
        print_json(journal, changes, result, lister)
    else:
        print_text(journal, changes, result)
    return EXIT_STOPPED if result.stopped_seq else 0


def _changes(fs: Fs, journal: Path, start: State, asked: dict[str, Any]) -> Changes:
    # A key may be about a market that only some of the runs quote.
    from replay.changes import parse_changes
    from replay.manifest import read_manifests

    runs = read_manifests(fs, journal)
    names = [*start.markets, *[name for run in runs for name in run.markets]]
    return parse_changes(asked["settings"], asked["strategy"], names)


def _estimate(journal: Path, until: int | None, *, as_json: bool, **asked: Any) -> int:
    from adapters.cli.estimate_text import print_estimate, print_estimate_json
    from adapters.cli.places import check_journal
    from adapters.ports import SystemFs
    from engine.errors import ConfigError, JournalError
    from replay.changes import parse_changes
    from replay.model.estimate import estimate
    from replay.progress import with_progress
    from replay.read import read_records

    fs = SystemFs()
    check_journal(fs, journal)
    changes = parse_changes(asked["settings"], asked["strategy"])
    try:
        found = estimate(
            lambda: with_progress(read_records(fs, journal, until), enabled=not as_json),
            changes,
            asked["queue"] or "risk_averse",
            1 if asked["seed"] is None else asked["seed"],
        )
    except JournalError as error:
        raise ConfigError(str(error)) from error
    tell = print_estimate_json if as_json else print_estimate
    tell(journal, changes, found, listed=asked["listed"])
    return 0
