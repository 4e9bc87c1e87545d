"""Places in a journal as people name them: a seq, a time, `end`; and opening it for a look."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.cli.durations import NS_PER_S, parse_duration
from engine.errors import ConfigError

if TYPE_CHECKING:
    from adapters.ports import Fs
    from replay.machine import Journal

SEQ_MAX = 10**15
"""Larger numbers are times, in nanoseconds."""
_DAY_NS = 86_400 * NS_PER_S
_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z?")
_DATED = re.compile(r"(\d{4}-\d\d-\d\d)[T ](.+)")
EXPECTED = (
    "expected a seq such as 1204, a time such as 02:15:30.250, 2026-11-22T02:15:30Z or +90s after"
    " the first record (all UTC), or end"
)

journal_argument = click.argument("journal", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def check_journal(fs: Fs, path: Path) -> None:
    """Refuse what is no journal, before it is read.

    Raises:
        ConfigError: there is no directory, or nothing in it.
    """
    if not fs.list_dir(path):
        raise ConfigError(f"{path}: expected a journal directory, found none or an empty one")


def open_journal(path: Path, *, as_json: bool) -> Journal:
    """Open a journal to look into.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    from engine.errors import JournalError
    from replay.machine import Journal

    try:
        return Journal(path, progress=not as_json)
    except JournalError as error:
        raise ConfigError(str(error)) from error


def seq_of(journal: Journal, text: str) -> int:
    """Return the record that a place names: for a time the last one taken in by then.

    Raises:
        ConfigError: it names none of this journal.
    """
    from engine.errors import JournalError

    text = text.strip()
    if text == "end":
        return journal.last_seq
    if text.isascii() and text.isdigit() and int(text) < SEQ_MAX:
        return _checked(journal, int(text))
    try:
        return journal.seq_at(_time_ns(journal, text))
    except JournalError as error:
        raise ConfigError(str(error)) from error


def _checked(journal: Journal, seq: int) -> int:
    if journal.problem is None and not journal.first_seq <= seq <= journal.last_seq:
        raise ConfigError(
            f"{journal.path}: expected a seq from {journal.first_seq} to {journal.last_seq},"
            f" found {seq}"
        )
    return seq


def _time_ns(journal: Journal, text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    first_ns = journal.record(journal.first_seq).recv_ns
    if text.startswith("+"):
        return first_ns + parse_duration(text[1:])
    if dated := _DATED.fullmatch(text):
        return _date_ns(dated[1], text) + _of_day_ns(dated[2], text)
    of_day_ns = _of_day_ns(text, text)
    day_ns = first_ns - first_ns % _DAY_NS
    # The first such moment of the run, which may have begun the evening before.
    return day_ns + of_day_ns + (0 if day_ns + of_day_ns >= first_ns - NS_PER_S else _DAY_NS)


def _date_ns(date: str, text: str) -> int:
    from datetime import date as day

    try:
        return (day.fromisoformat(date) - day(1970, 1, 1)).days * _DAY_NS
    except ValueError as error:
        raise ConfigError(f"{EXPECTED}, found {text!r}") from error


def _of_day_ns(of_day: str, text: str) -> int:
    match = _OF_DAY.fullmatch(of_day)
    if match is None:
        raise ConfigError(f"{EXPECTED}, found {text!r}")
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ConfigError(f"{EXPECTED}, found {text!r}")
    part_ns = int((match[4] or "").ljust(9, "0"))
    return ((hours * 60 + minutes) * 60 + seconds) * NS_PER_S + part_ns


def print_json(value: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.encode(value))


def problem_of(journal: Journal) -> str | None:
    """Say what is damaged behind the last record that can be read; None where nothing is."""
    return None if journal.problem is None else str(journal.problem)


def tell_notes(journal: Journal) -> None:
    """Say on stderr what the reader of a place should know of the journal."""
    for note in journal.notes:
        click.echo(f"note: {note}", err=True)
    if journal.problem is not None:
        click.echo(f"note: damaged behind seq {journal.last_seq}: {journal.problem}", err=True)
    if journal.left_seq:
        click.echo(
            f"note: this code does not come to the fingerprint at seq {journal.left_seq}: from"
            " there on the states are what it makes of the records (it has other fields of a"
            " state than the recording, or folds otherwise)",
            err=True,
        )
