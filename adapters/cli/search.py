"""`quotefold search`: the records of an order, at a price, of a kind, or where something breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

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
    from collections.abc import Iterator

    from engine.events import Record
    from engine.state import State
    from replay.machine import Journal
    from replay.search import Wanted

EXIT_NOTHING = 1


@click.command()
@journal_argument
@click.option("--order", "order", default="", metavar="ID", help="Client order id or the venue's.")
@click.option("--price", "price", metavar="P", help="A price of --market, as the venue writes it.")
@click.option("--market", "market", default="", metavar="M", help="What tells of this market.")
@click.option(
    "--kind", "kinds", multiple=True, metavar="NAME", help="Event or intent, such as Filled."
)
@click.option("--text", "text", default="", metavar="S", help="A text in it, in any field.")
@click.option("--breach", is_flag=True, help="The first record after which an invariant breaks.")
@click.option("--from", "from_place", metavar="SEQ|TIME", help="Default: the beginning.")
@click.option("--until", "--to", "until_place", metavar="SEQ|TIME", help="Included.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N")
@json_option
def search(
    journal: Path,
    order: str,
    price: str | None,
    market: str,
    kinds: tuple[str, ...],
    text: str,
    breach: bool,
    from_place: str | None,
    until_place: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Find records of JOURNAL that have all that is asked for, one a line.

    An order is followed through its modifies, each of which has a new venue id, and to the answers
    of its requests. --breach folds the journal and checks every invariant after every record.

    Exit codes: 0 found, 1 nothing found (with --breach: an invariant breaks), 2 could not run.
    """
    from replay.search import Wanted, check_kinds

    if breach and (order or price or market or kinds or text):
        raise ConfigError("--breach looks at every record: leave the other filters out")
    opened = open_journal(journal, as_json=as_json)
    first = seq_of(opened, from_place) if from_place else opened.first_seq
    last = seq_of(opened, until_place) if until_place else opened.last_seq
    if breach:
        return _breach(opened, first, last, as_json=as_json)
    wanted = Wanted(order, None, market, check_kinds(kinds), text)
    if price is None and wanted == Wanted():
        raise ConfigError(
            "search: expected --order, --price, --market, --kind, --text or --breach, found none"
        )
    parts = [(wanted, first, last)]
    if price is not None:
        parts = _parts(opened, wanted, price, first, last)
    return _found(opened, parts, first, last, limit, as_json=as_json)


def _found(
    journal: Journal,
    parts: list[tuple[Wanted, int, int]],
    first: int,
    last: int,
    limit: int,
    *,
    as_json: bool,
) -> int:
    from itertools import chain

    from adapters.cli.step import record_line
    from replay.fields import named
    from replay.search import search as find

    shown: list[dict[str, Any]] = []
    more = False
    count = 0
    records = chain.from_iterable(find(journal, *part) for part in parts)
    for record, before in _with_markets(journal, records):
        if count == limit:
            more = True
            break
        count += 1
        if as_json:
            head = {"seq": record.seq, "recv_ns": record.recv_ns, "cause_seq": record.cause_seq}
            shown.append({**head, "event": named(record.event)})
        else:
            click.echo(record_line(record, before))
    if as_json:
        found = {"journal": str(journal.path), "records": shown, "more": more}
        print_json({**found, "problem": problem_of(journal)})
    else:
        tell_notes(journal)
        if more:
            click.echo(f"note: the first {limit}; more with --limit", err=True)
        elif not count:
            click.echo(f"nothing found from seq {first} to {last}", err=True)
    return 0 if count else EXIT_NOTHING


def _with_markets(journal: Journal, records: Iterator[Record]) -> Iterator[tuple[Record, State]]:
    # The words of a record need to know the markets, which the runs' first records tell.
    starts = _starts(journal)
    for record in records:
        known = max((seq for seq in starts if seq <= record.seq), default=min(starts, default=0))
        yield record, replace(starts[known], seq=0)


def _starts(journal: Journal) -> dict[int, State]:
    # A state that knows the markets, from each start of the engine on.
    from engine.events import RunStarted
    from engine.reduce import reduce
    from engine.state import State
    from replay.search import Wanted
    from replay.search import search as find

    starts = {journal.start.seq: journal.start}
    wanted = Wanted(kinds=frozenset({"RunStarted"}))
    for record in find(journal, wanted, journal.first_seq, journal.last_seq):
        assert isinstance(record.event, RunStarted)
        starts[record.seq] = reduce(State(seq=record.seq - 1), record)
    return starts


def _parts(
    journal: Journal, wanted: Wanted, text: str, first: int, last: int
) -> list[tuple[Wanted, int, int]]:
    # What to look for from where to where: a price is so many ticks in each run's own units.
    from engine.money import parse, to_units

    if not wanted.market:
        raise ConfigError("--price: expected --market with it, found none")
    parts: list[tuple[Wanted, int, int]] = []
    starts, problem = _starts(journal), ""
    is_quoted = False
    for seq, until in zip(starts, [*list(starts)[1:], last + 1], strict=True):
        found = starts[seq].markets.get(wanted.market)
        if found is None:
            continue
        is_quoted = True
        try:
            ticks = to_units(parse(text), found.quoted.market.price_decimals)
        except ValueError as error:
            problem = str(error)
            continue
        # What is left from before the state that the fold begins with is of its run, too.
        at, end = first if seq == journal.start.seq else max(seq, first), min(until - 1, last)
        if parts and (parts[-1][0].price, parts[-1][2]) == (ticks, at - 1):
            parts[-1] = (parts[-1][0], parts[-1][1], end)
        elif at <= end:
            parts.append((replace(wanted, price=ticks), at, end))
    if not is_quoted:
        raise ConfigError(
            f"--market: expected one that the journal quotes, found {wanted.market!r}"
        )
    if problem and not parts:
        raise ConfigError(f"--price: {problem}")
    return parts


def _breach(journal: Journal, first: int, last: int, *, as_json: bool) -> int:
    from adapters.cli.step import record_line
    from replay.search import first_breach

    first = max(first, journal.start.seq + 1)
    found = first_breach(journal, first, last)
    if as_json:
        breach = None if found is None else {"seq": found.seq, "invariant": found.invariant}
        print_json({"journal": str(journal.path), "breach": breach, "problem": problem_of(journal)})
        return 0 if found is None else EXIT_NOTHING
    tell_notes(journal)
    if found is None:
        click.echo(f"every invariant holds after every record from seq {first} to {last}")
    else:
        click.echo(f"BREACH at seq {found.seq}: {found.invariant}")
        before = journal.at(found.seq - 1) if found.seq > journal.start.seq + 1 else journal.start
        click.echo(record_line(found.record, before))
    return 0 if found is None else EXIT_NOTHING
