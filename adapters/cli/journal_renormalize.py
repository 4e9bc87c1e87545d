"""`quotefold journal renormalize`: the events again, from the bytes as received."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.cli.places import json_option, open_journal, print_json

if TYPE_CHECKING:
    from replay.renormalize import Difference, Rebuilt

EXIT_DIFFERS = 1
_SHOWN_BYTES = 400


@click.command("renormalize")
@click.argument("directory", metavar="JOURNAL", type=click.Path(path_type=Path))
@click.option(
    "-o", "target", metavar="NEW", type=click.Path(path_type=Path), help="Write it rebuilt."
)
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N")
@json_option
def renormalize_command(directory: Path, target: Path | None, limit: int, as_json: bool) -> int:
    """Rebuild the events from the bytes as received, and name each that comes out otherwise.

    With -o a new journal gets the rebuilt events, and says so at the start of each run. Its
    fingerprints are worked out anew; a decision that would now ask for something else than was
    sent is kept as it was, and counted: `replay NEW --verify` names it.

    Exit codes: 0 all events come out the same, or NEW is written; 1 some differ, or the journal is
    damaged; 2 could not run.
    """
    from adapters.cli.main import version
    from adapters.ports import SystemFs
    from engine.errors import ConfigError
    from replay.renormalize import rebuild, renormalize

    opened = open_journal(directory, as_json=as_json)
    shown: list[Difference] = []

    def on_difference(difference: Difference) -> None:
        if len(shown) < limit:
            shown.append(difference)
            if not as_json:
                _print(difference)

    fs = SystemFs()
    if target is None:
        found = renormalize(opened, fs, on_difference)
    else:
        if fs.list_dir(target):
            raise ConfigError(f"{target}: expected nothing there, found files; name another")
        words = f"rebuilt from raw bytes by quotefold {version()}"
        try:
            found = rebuild(opened, fs, target, words, on_difference)
        except OSError as error:
            raise ConfigError(f"{target}: cannot write: {error}") from error
    if as_json:
        _print_json(directory, target, found, shown)
    else:
        _print_end(target, found, len(shown))
    return EXIT_DIFFERS if found.differences and target is None else 0


def _raw(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    return text if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]}... ({len(data)} bytes)"


def _print(difference: Difference) -> None:
    from adapters.cli.values import shown

    old, new = type(difference.recorded).__name__, type(difference.rebuilt).__name__
    kinds = old if old == new else f"{old}, now {new}"
    click.echo(f"seq {difference.seq} on {difference.stream}: {kinds}")
    click.echo(f"    raw {_raw(difference.data)}")
    for change in difference.changes:
        values = [shown("", value, None) for value in (change.old, change.new)]
        click.echo(f"    {change.path or 'event'}: {values[0]} -> {values[1]}")


def _print_end(target: Path | None, found: Rebuilt, shown: int) -> None:
    if found.differences > shown:
        click.echo(f"... and {found.differences - shown} more (--limit)")
    click.echo(f"{found.differences} of {found.compared} events that have their bytes differ")
    if target is not None:
        kept = "every decision asks for what was sent"
        if found.decisions:
            kept = (
                f"{found.decisions} decisions would now ask for something else than was sent, the"
                f" first at seq {found.first_decision}"
            )
        click.echo(f"{target}: written up to seq {found.last_seq}; {kept}")


def _print_json(
    directory: Path, target: Path | None, found: Rebuilt, shown: list[Difference]
) -> None:
    import msgspec

    from replay.fields import named

    differences: list[dict[str, Any]] = [
        {
            "seq": one.seq,
            "stream": one.stream,
            "raw": one.data.decode("utf-8", "backslashreplace"),
            "recorded": named(one.recorded),
            "rebuilt": named(one.rebuilt),
            "changes": msgspec.to_builtins(one.changes),
        }
        for one in shown
    ]
    print_json(
        {
            "journal": str(directory),
            "new": None if target is None else str(target),
            "compared": found.compared,
            "differences": found.differences,
            "decisions": found.decisions,
            "first_decision": found.first_decision,
            "shown": differences,
        }
    )
