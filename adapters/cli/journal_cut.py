"""`quotefold journal cut`: a part of a journal as one of its own."""

from __future__ import annotations

from pathlib import Path

import click

from adapters.cli.places import json_option, open_journal, print_json, seq_of, tell_notes


@click.command("cut")
@click.argument("directory", metavar="JOURNAL", type=click.Path(path_type=Path))
@click.argument("target", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--from", "from_place", required=True, metavar="SEQ|TIME", help="NEW begins behind.")
@click.option("--to", "to_place", default="end", metavar="SEQ|TIME", help="Its last record.")
@click.option("--raw", is_flag=True, help="Take the bytes as received along.")
@click.option("--anyway", is_flag=True, help="Though this code left the recording before.")
@json_option
def cut_command(
    directory: Path,
    target: Path,
    from_place: str,
    to_place: str,
    raw: bool,
    anyway: bool,
    as_json: bool,
) -> None:
    """Cut a part out of a journal: NEW begins with the state after --from, and holds what follows.

    NEW replays and verifies as any journal, and is small enough to be kept as a test. The places
    are given as for `inspect --at`; 0 is the beginning.

    Exit codes: 0 done, 1 the journal is damaged there or this code leaves it before, 2 could not
    run.
    """
    import msgspec

    from adapters.ports import SystemFs
    from engine.errors import ConfigError
    from replay.cut import cut

    opened = open_journal(directory, as_json=as_json)
    fs = SystemFs()
    if fs.list_dir(target):
        raise ConfigError(f"{target}: expected nothing there, found files; name another")
    first = 0 if from_place == "0" else seq_of(opened, from_place)
    try:
        last = seq_of(opened, to_place)
        done = cut(opened, fs, target, first, last, raw=raw, anyway=anyway)
    except OSError as error:
        raise ConfigError(f"{target}: cannot write: {error}") from error
    if as_json:
        print_json({"journal": str(directory), **msgspec.to_builtins(done)})
        return
    tell_notes(opened)
    came = f", {done.raw} raw records" if done.raw else ""
    click.echo(
        f"{done.directory}: seq {done.first_seq} to {done.last_seq}{came}, {done.stored} bytes and"
        f" the state before; prove it with `quotefold replay {done.directory} --verify`"
    )
