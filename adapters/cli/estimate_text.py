"""What `quotefold replay --fills model` says: an estimate, and how far it is off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from adapters.cli.moments import format_moment
from engine.money import ZERO, format_units, subtract
from replay.changes import Changes
from replay.model.errors import WINDOW_NS, Error
from replay.model.estimate import Estimate, Outcome
from replay.model.survey import ModelFill, Sample
from replay.model.world import DEFAULT_NS

NS_PER_MS = 1_000_000
QUANTILES = (0.05, 0.5, 0.95)


def print_estimate(journal: Path, changes: Changes, found: Estimate, *, listed: bool) -> None:
    """Say it in lines."""
    click.echo(f"{journal}: {found.survey.records:,} records")
    click.echo(
        f"ESTIMATE, not what happened: fills by queue model {found.queue}, seed {found.seed};"
        f" latency {_latencies(found)}"
    )
    if listed:
        for fill in found.changed.fills:
            click.echo(f"ESTIMATE {_fill_line(found, fill)}")
    for name in found.survey.markets:
        click.echo("")
        _print_market(changes, found, name)
    runs = [("unchanged", found.unchanged)]
    if not changes.is_none:
        runs.append((_described(changes), found.changed))
    click.echo("")
    for title, run in runs:
        asked = run.asked
        click.echo(
            f"ESTIMATE {title}: {asked.requests:,} requests ({asked.place:,} orders placed,"
            f" {asked.modify:,} modified, {asked.cancel:,} cancelled), {run.refused:,} refused"
        )


def _print_market(changes: Changes, found: Estimate, name: str) -> None:
    error = found.error(name)
    click.echo(f"{name}: how far the model is off where the truth is known, on the unchanged run")
    click.echo(
        f"  {error.recorded:,} fills recorded, {error.predicted:,} predicted: {error.matched:,}"
        f" matched, {error.missed:,} missed, {error.invented:,} invented"
    )
    ratio = "-" if error.qty_ratio is None else f"{error.qty_ratio:.3f}"
    quote = found.survey.markets[name].quote_asset
    click.echo(
        f"  quantity predicted / recorded {ratio}, time error {_times(error)}, P&L"
        f" {found.pnl_error(name):+f} {quote}"
    )
    columns = [("recorded", _recorded(found, name)), ("ESTIMATE, unchanged", _model(found, name))]
    if not changes.is_none:
        columns.append((f"ESTIMATE, {_described(changes)}", _model(found, name, changed=True)))
    rows = [_cells(found, name, outcome) for _, outcome in columns]
    widths = [
        max(len(title), *[len(cell) for cell in row.values()])
        for (title, _), row in zip(columns, rows, strict=True)
    ]
    titles = [title.rjust(width) for (title, _), width in zip(columns, widths, strict=True)]
    click.echo(f"  {'':<11}  {'  '.join(titles)}")
    for label in rows[0]:
        cells = [row[label].rjust(width) for row, width in zip(rows, widths, strict=True)]
        click.echo(f"  {label:<11}  {'  '.join(cells)}")


def print_estimate_json(journal: Path, changes: Changes, found: Estimate, *, listed: bool) -> None:
    """Say it as one JSON object."""
    legs = found.survey.latencies
    result: dict[str, Any] = {
        "journal": str(journal),
        "estimate": True,
        "queue": found.queue,
        "seed": found.seed,
        "changes": {"strategy": changes.strategy or None, "set": dict(changes.keys)},
        "latency_ns": {
            name: {
                "measured": len(sample.values),
                "p50": sample.quantile(0.5),
                "p95": sample.quantile(0.95),
            }
            for name, sample in (("there", legs.there), ("back", legs.back), ("push", legs.push))
        },
        "markets": {name: _market(found, name) for name in found.survey.markets},
        "requests": {
            "unchanged": found.unchanged.asked.requests,
            "changed": found.changed.asked.requests,
        },
        "refused": {"unchanged": found.unchanged.refused, "changed": found.changed.refused},
    }
    if listed:
        result["fills"] = [_fill(found, fill) for fill in found.changed.fills]
    click.echo(json.dumps(result))


def _market(found: Estimate, name: str) -> dict[str, Any]:
    error = found.error(name)
    return {
        "recorded": _values(found, name, _recorded(found, name)),
        "estimate_unchanged": _values(found, name, _model(found, name)),
        "estimate": _values(found, name, _model(found, name, changed=True)),
        "error": {
            "recorded": error.recorded,
            "predicted": error.predicted,
            "matched": error.matched,
            "missed": error.missed,
            "invented": error.invented,
            "qty_ratio": error.qty_ratio,
            "time_ns": {f"p{100 * s:g}": error.time_quantile_ns(s) for s in QUANTILES},
            "pnl": f"{found.pnl_error(name):f}",
        },
    }


def _recorded(found: Estimate, name: str) -> Outcome:
    return found.outcome(found.survey.state, found.survey.fills, name)


def _model(found: Estimate, name: str, *, changed: bool = False) -> Outcome:
    run = found.changed if changed else found.unchanged
    return found.outcome(run.state, run.fills, name)


def _values(found: Estimate, name: str, outcome: Outcome) -> dict[str, Any]:
    decimals = found.survey.markets[name].qty_decimals
    pnl = outcome.pnl
    return {
        "fills": outcome.fills,
        "bought": format_units(outcome.bought, decimals),
        "sold": format_units(outcome.sold, decimals),
        "position": format_units(outcome.position, decimals),
        "pnl": f"{pnl.total:f}",
        "pnl_spread": f"{pnl.spread:f}",
        "pnl_inventory": f"{pnl.inventory:f}",
        "pnl_fees": f"{subtract(ZERO, pnl.fees):f}",
    }


def _cells(found: Estimate, name: str, outcome: Outcome) -> dict[str, str]:
    market = found.survey.markets[name]
    values = _values(found, name, outcome)
    base, quote = market.base_asset, market.quote_asset
    return {
        "fills": f"{outcome.fills:,}",
        "bought": f"{values['bought']} {base}",
        "sold": f"{values['sold']} {base}",
        "position": f"{values['position']} {base}",
        "P&L": f"{values['pnl']} {quote}",
        "  spread": f"{values['pnl_spread']} {quote}",
        "  inventory": f"{values['pnl_inventory']} {quote}",
        "  fees": f"{values['pnl_fees']} {quote}",
    }


def _fill(found: Estimate, fill: ModelFill) -> dict[str, Any]:
    market = found.survey.markets[fill.market]
    return {
        "at_ns": fill.at_ns,
        "market": fill.market,
        "side": fill.side.name.lower(),
        "price": format_units(fill.price, market.price_decimals),
        "qty": format_units(fill.qty, market.qty_decimals),
    }


def _fill_line(found: Estimate, fill: ModelFill) -> str:
    row = _fill(found, fill)
    moment = format_moment(fill.at_ns)
    return f"{moment} {fill.market} {row['side']} {row['qty']} at {row['price']}"


def _times(error: Error) -> str:
    if not error.times_ns:
        return f"unknown (nothing matched within {WINDOW_NS // NS_PER_MS} ms)"
    return "  ".join(
        f"p{100 * share:g} {(error.time_quantile_ns(share) or 0) / NS_PER_MS:+.1f} ms"
        for share in QUANTILES
    )


def _latencies(found: Estimate) -> str:
    legs = found.survey.latencies
    if not legs.there.values:
        return f"assumed to be {DEFAULT_NS / NS_PER_MS:g} ms each way: the journal measured none"
    return (
        f"drawn from {len(legs.there.values):,} measured requests (p50 {_ms(legs.there)} there,"
        f" {_ms(legs.back)} back)"
    )


def _ms(sample: Sample) -> str:
    return f"{(sample.quantile(0.5) or 0) / NS_PER_MS:.1f} ms"


def _described(changes: Changes) -> str:
    told = [f"{key}={text}" for key, text in changes.keys]
    if changes.strategy:
        told.insert(0, f"strategy {changes.strategy}")
    return ", ".join(told)
