"""`quotefold step`: the records of a journal one after the other, and what each one changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.cli.places import (
    journal_argument,
    json_option,
    open_journal,
    print_json,
    seq_of,
    tell_notes,
)

if TYPE_CHECKING:
    from engine.events import Record
    from engine.state import State
    from replay.fields import Change

_EVERY_RECORD = ("seq", "now_ns")
"""Fields that every record changes: they stand in its own line."""


@click.command()
@journal_argument
@click.option("--at", "place", required=True, metavar="SEQ|TIME", help="The first record shown.")
@click.option("-n", "count", type=click.IntRange(min=1), default=10, metavar="N", show_default=True)
@json_option
def step(journal: Path, place: str, count: int, as_json: bool) -> None:
    """Show N records of JOURNAL in words, each with what it changed in the state: old -> new.

    SEQ|TIME is given as for `inspect --at`. Prices and quantities are in the market's own
    decimals; with --json they are ticks and lots, as the state has them.

    Exit codes: 0 shown, 1 the journal is damaged there, 2 could not run.
    """
    from adapters.cli.values import change_line

    opened = open_journal(journal, as_json=as_json)
    first = max(seq_of(opened, place), opened.start.seq + 1)
    last = min(first + count - 1, opened.last_seq)
    found = []
    for before, record, after in opened.steps(first, last):
        changed = _changes(before, after)
        if as_json:
            found.append(_object(before, record, changed))
            continue
        click.echo(record_line(record, before))
        for change in changed:
            click.echo(f"    {change_line(change, after)}")
    if as_json:
        print_json({"journal": str(journal), "steps": found})
    else:
        tell_notes(opened)


def record_line(record: Record, before: State) -> str:
    """Write a record on one line: seq, time, cause, and what it says."""
    from adapters.cli.words import clock_time, sentence

    cause = f" (from {record.cause_seq})" if record.cause_seq else ""
    return f"{record.seq} {clock_time(record.recv_ns)} {sentence(record, before)}{cause}"


def _changes(before: State, after: State) -> list[Change]:
    from replay.fields import changes

    return [one for one in changes(before, after) if one.path not in _EVERY_RECORD]


def _object(before: State, record: Record, changed: list[Change]) -> dict[str, Any]:
    import msgspec

    from adapters.cli.words import sentence
    from replay.fields import named

    return {
        "seq": record.seq,
        "recv_ns": record.recv_ns,
        "cause_seq": record.cause_seq,
        "words": sentence(record, before),
        "event": named(record.event),
        "changes": msgspec.to_builtins(changed),
    }
