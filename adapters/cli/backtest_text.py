"""How a backtest went, in words and as JSON, and how far it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import TextColumn

from adapters.cli.bars import progress_bar
from adapters.cli.summary import summarize, summary_text
from adapters.runtime.run import RunOutcome
from adapters.runtime.sequencer import Counts
from adapters.runtime.snapshots import Recovery
from engine.state import State
from replay.backtest.made import Made
from replay.backtest.played import Played
from replay.backtest.run import Plan, Tell

NS_PER_S = 1_000_000_000


def outcome_of(played: Played) -> RunOutcome:
    """Return a backtest as a run went."""
    return RunOutcome(
        ended=played.ended,
        state=played.state,
        counts=Counts(played.events, played.decisions, played.requests, played.requests),
        fingerprint=played.fingerprint,
        started_ns=played.started_ns,
        ended_ns=played.ended_ns,
        recovery=Recovery(State()),
    )


def summary_of(played: Played, plan: Plan, journal: Path) -> dict[str, Any]:
    """Sum a backtest up: a run's summary, and what it was made from.

    It tells nothing of when or how fast it was made, so equal backtests have equal summaries.
    """
    return {
        **summarize(outcome_of(played), str(journal)),
        "backtest": True,
        "label": plan.label,
        "data": {name: [each.shown for each in files] for name, files in plan.files.items()},
        "journals": [each.shown for each in plan.journals],
        "latency": plan.latency.words,
        "queue": plan.queue,
        "seed": plan.seed,
        "refused": played.refused,
    }


def print_played(played: Played, plan: Plan, journal: Path, took_ns: int, *, as_json: bool) -> None:
    """Print what came of a backtest."""
    summary = summary_of(played, plan, journal)
    took_s = took_ns / NS_PER_S
    if as_json:
        speed = {"moves": played.moves, "took_s": round(took_s, 3)}
        click.echo(json.dumps({**summary, **speed}))
        return
    click.echo(summary_text(summary))
    made = Made(plan.label, plan.latency, plan.queue, plan.seed)
    click.echo(f"\nBACKTEST, {made.words}; {played.refused} refused by the venue")
    if played.moves:
        rate = played.moves / took_s if took_s else 0.0
        click.echo(f"{played.moves:,} market data messages in {took_s:.1f} s, {rate:,.0f} a second")
    else:
        click.echo("it was there already, and was not played again")


@contextmanager
def progress(ends: Callable[[], tuple[int, int]], *, as_json: bool) -> Iterator[Tell | None]:
    """Show on a terminal how far a backtest is.

    Args:
        ends: Finds out when its data begins and ends, in ns; asked on a terminal alone.
        as_json: Show nothing.
    """
    if as_json or not sys.stderr.isatty():
        yield None
        return
    begin_ns, end_ns = ends()
    with progress_bar(TextColumn("{task.fields[moves]:,} messages")) as bar:
        task = bar.add_task("backtest", total=end_ns - begin_ns or None, moves=0)

        def tell(moves: int, at_ns: int) -> None:
            bar.update(task, completed=at_ns - begin_ns, moves=moves)

        yield tell
