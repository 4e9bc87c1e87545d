"""`quotefold inspect` and `quotefold diff`: the state of a run at any moment, and what it became.

Heavy imports wait until a command runs, since `--help` has to answer at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.cli.places import (
    journal_argument,
    json_option,
    open_journal,
    print_json,
    problem_of,
    seq_of,
    tell_notes,
)
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.state import State


@click.command()
@journal_argument
@click.option("--at", "place", default="end", metavar="SEQ|TIME", help="Default: the end.")
@click.option("--market", "market", default="", metavar="M", help="Only this market.")
@click.option("--path", "path", metavar="PATH", help="Print one part as JSON, by its names.")
@json_option
def inspect(journal: Path, place: str, market: str, path: str | None, as_json: bool) -> None:
    """Show the state after a record of JOURNAL, in words.

    \b
    SEQ|TIME  1204 · 02:15:30.250 · 2026-11-22T02:15:30Z · +90s after the first record · end
    PATH      markets.BTC_USDT.feed.book, for instance; a name too many says what there is

    The first look at a journal folds it and keeps states beside it, in JOURNAL.cache, which may be
    deleted at any time; from then on any place is there at once.

    Exit codes: 0 shown, 1 the journal is damaged before that place, 2 could not run.
    """
    from adapters.cli.state_text import state_text
    from replay.fields import find, named

    opened = open_journal(journal, as_json=as_json)
    seq = seq_of(opened, place)
    state = opened.at(seq)
    if market and market not in state.markets:
        known = ", ".join(state.markets) or "none"
        raise ConfigError(f"--market: expected one of {known}, found {market!r}")
    if as_json:
        head = {"journal": str(journal), "seq": seq, "time_ns": state.now_ns}
        if path is not None:
            print_json({**head, "path": path, "value": named(find(state, path))})
        else:
            doubts = {
                "left_seq": opened.left_seq,
                "problem": problem_of(opened),
            }
            print_json({**head, **_object(state, market), **doubts})
        return
    tell_notes(opened)
    if path is not None:
        import json

        click.echo(json.dumps(named(find(state, path)), indent=2, ensure_ascii=False))
        return
    for line in state_text(state, market):
        click.echo(line)


def _object(state: State, market: str) -> dict[str, object]:
    from engine.gates import closed_gate
    from engine.state import fingerprint
    from replay.fields import named

    names = [market] if market else list(state.markets)
    shown = named(state)
    if market:
        shown["markets"] = {market: shown["markets"][market]}
    return {
        "fingerprint": fingerprint(state).hex(),
        "not_quoted": {name: closed_gate(state, state.markets[name]) for name in names},
        "state": shown,
    }


@click.command()
@journal_argument
@click.argument("first", metavar="SEQ_A")
@click.argument("second", metavar="SEQ_B")
@click.option("--path", "path", default="", metavar="PATH", help="Only what is below.")
@json_option
def diff(journal: Path, first: str, second: str, path: str, as_json: bool) -> None:
    """Show what differs between the states after two records of JOURNAL, field by field.

    Both places are given as for `inspect --at`. Exit codes: 0 shown, 1 damaged, 2 could not run.
    """
    from adapters.cli.values import change_line
    from replay.fields import changes, find

    opened = open_journal(journal, as_json=as_json)
    places = [seq_of(opened, text) for text in (first, second)]
    old, new = [opened.at(seq) for seq in places]
    found = list(changes(find(old, path), find(new, path), path))
    if as_json:
        import msgspec

        head = {"journal": str(journal), "from_seq": places[0], "to_seq": places[1]}
        print_json({**head, "changes": msgspec.to_builtins(found)})
        return
    tell_notes(opened)
    for change in found:
        click.echo(change_line(change, new))
    click.echo(f"{len(found)} fields differ between seq {places[0]} and {places[1]}")
