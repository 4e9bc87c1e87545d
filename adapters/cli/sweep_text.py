"""What a sweep came to: tables, heat maps, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.table import Table
from rich.text import Text

from adapters.cli.bars import progress_bar
from adapters.cli.sweep_plan import Made
from adapters.cli.whole_file import write_whole
from adapters.ports import Fs
from engine.money import ZERO, add
from replay.backtest.heat import HeatMap, colour, heat_maps, most_of, places_of, svg
from replay.backtest.split import Fold, totals, walk_forward
from replay.backtest.sweep import Point, Result

ROWS_MAX = 50
"""Points in the table, the best; `--json` has them all."""
WIDTH = 10_000
"""Of a table at most: a key or a figure that is cut off tells nothing, so the terminal may wrap."""
_PARTS = ("pnl", "spread", "inventory", "fees", "funding")


def sums(results: Sequence[Result]) -> dict[Point, dict[str, Any]]:
    """Add up what each point came to, over data, stretches and markets."""
    found: dict[Point, dict[str, Any]] = {}
    for result in results:
        row = found.setdefault(
            result.point, {**dict.fromkeys(_PARTS, ZERO), "fills": 0, "requests": 0, "refused": 0}
        )
        row["requests"] += result.requests
        row["refused"] += result.refused
        row["fills"] += result.fills
        for market in result.markets.values():
            for part in _PARTS:
                row[part] = add(row[part], getattr(market, part))
    return found


def write_maps(fs: Fs, directory: Path, made: Made, results: Sequence[Result]) -> list[HeatMap]:
    """Draw a heat map for every two keys, beside the results."""
    maps = heat_maps(made.grid, totals(results))
    for found in maps:
        name = f"{found.row_key}-{found.column_key}.svg".replace("/", "_")
        drawn = svg(found, made.asset, f"Backtest, {made.label}")
        write_whole(fs, directory / name, drawn.encode(), force=True)
    return maps


def print_results(
    made: Made,
    results: Sequence[Result],
    directory: Path,
    maps: Sequence[HeatMap],
    *,
    as_json: bool,
) -> None:
    """Print all of it."""
    folds = walk_forward(results, made.folds) if made.folds else []
    if as_json:
        click.echo(json.dumps(_as_json(made, results, folds, directory)))
        return
    console = Console()
    console.width = WIDTH
    console.print(f"SWEEP of backtests, {made.label}: {len(results):,} results in {directory}")
    _print_points(console, made, sums(results))
    for found in maps:
        _print_map(console, made, found)
    if folds:
        _print_folds(console, made, folds)
    unclean = len([result for result in results if not result.clean])
    if unclean:
        console.print(f"note: {unclean:,} of them did not end clean; --json tells which")
    partial = len([result for result in results if _is_partial(result)])
    if partial:
        console.print(
            f"note: the P&L of {partial:,} of them lacks the last funding, which the venue had not"
            " told yet, or fees in other assets; --json tells which"
        )


def _is_partial(result: Result) -> bool:
    return any(market.is_partial for market in result.markets.values())


def _print_points(console: Console, made: Made, rows: dict[Point, dict[str, Any]]) -> None:
    title = f"by P&L, {made.asset}, all data and stretches together"
    console.print(title)
    table = Table(box=box.SIMPLE_HEAD)
    for key, _ in made.grid:
        table.add_column(key, justify="right")
    for name in (*_PARTS, "fills", "requests", "refused"):
        table.add_column(name, justify="right")
    ranked = sorted(rows.items(), key=lambda item: item[1]["pnl"], reverse=True)
    places = places_of(row["pnl"] for row in rows.values())
    for point, row in ranked[:ROWS_MAX]:
        amounts = [f"{row[part]:,.{places}f}" for part in _PARTS]
        counts = [f"{row[name]:,}" for name in ("fills", "requests", "refused")]
        table.add_row(*(value for _, value in point), *amounts, *counts)
    console.print(table)
    if len(ranked) > ROWS_MAX:
        console.print(f"and {len(ranked) - ROWS_MAX:,} more: --json has them all")


def _print_map(console: Console, made: Made, found: HeatMap) -> None:
    console.print(found.title(made.asset))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for column in found.columns:
        table.add_column(column, justify="right")
    most, places = most_of(found), places_of(chain.from_iterable(found.cells))
    for name, values in zip(found.rows, found.cells, strict=True):
        cells = [
            Text(
                f"{value:,.{places}f}",
                style=f"black on rgb{str(colour(value, most)).replace(' ', '')}",
            )
            for value in values
        ]
        table.add_row(name, *cells)
    console.print(table)


def _print_folds(console: Console, made: Made, folds: Sequence[Fold]) -> None:
    title = f"walk-forward, {made.asset}: chosen on one stretch, judged on the next"
    console.print(title)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("data")
    for name in ("judged on", "chosen", "P&L where chosen", "P&L where judged", "rank", "best"):
        table.add_column(name, justify="right")
    places = places_of(pnl for f in folds for pnl in (f.chosen_pnl, f.judged_pnl, f.best_pnl))
    for fold in folds:
        point = " ".join(f"{key}={value}" for key, value in fold.chosen)
        table.add_row(
            fold.data,
            f"{fold.number + 1} of {made.folds + 1}",
            point,
            f"{fold.chosen_pnl:,.{places}f}",
            f"{fold.judged_pnl:,.{places}f}",
            f"{fold.rank:,} of {made.points:,}",
            f"{fold.best_pnl:,.{places}f}",
        )
    console.print(table)
    chosen, judged = _added([f.chosen_pnl for f in folds]), _added([f.judged_pnl for f in folds])
    console.print(
        f"together: {chosen:,.{places}f} {made.asset} where chosen, {judged:,.{places}f}"
        f" {made.asset} where judged"
    )


def _added(values: Sequence[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = add(total, value)
    return total


def _as_json(
    made: Made, results: Sequence[Result], folds: Sequence[Fold], directory: Path
) -> dict[str, Any]:
    points = [
        {
            "point": dict(point),
            **{part: f"{row[part]:f}" for part in _PARTS},
            **{name: row[name] for name in ("fills", "requests", "refused")},
        }
        for point, row in sums(results).items()
    ]
    return {
        "sweep": made.name,
        "out": str(directory),
        "label": made.label,
        "quote_asset": made.asset,
        "results": [
            {
                "point": dict(result.point),
                "data": result.data,
                "window": result.window,
                "begin_ns": result.begin_ns or None,
                "end_ns": result.end_ns or None,
                "pnl": f"{result.pnl:f}",
                "fills": result.fills,
                "clean": result.clean,
                "partial": _is_partial(result),
                "fingerprint": result.fingerprint,
            }
            for result in results
        ],
        "points": points,
        "folds": [
            {
                "data": fold.data,
                "judged_on": fold.number,
                "chosen": dict(fold.chosen),
                "chosen_pnl": f"{fold.chosen_pnl:f}",
                "judged_pnl": f"{fold.judged_pnl:f}",
                "rank": fold.rank,
                "best_pnl": f"{fold.best_pnl:f}",
            }
            for fold in folds
        ],
    }


@contextmanager
def progress(*, as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how many backtests are done."""
    if as_json or not sys.stderr.isatty():
        yield lambda done, of: None
        return
    # A thread that draws would be there when workers are forked.
    with progress_bar(MofNCompleteColumn(), auto_refresh=False) as bar:
        task = bar.add_task("sweep", total=None)

        def tell(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, refresh=True)

        yield tell
