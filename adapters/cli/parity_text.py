"""What `quotefold parity` says: totals, causes with their money, and the differences themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from adapters.cli.backtest_text import summary_of
from adapters.cli.durations import format_clock
from adapters.cli.figures import fixed_units, signed_units
from adapters.cli.moments import format_moment
from adapters.cli.parity_words import CAUSES, NS_PER_MS, reason
from engine.money import format_units, from_units, subtract
from engine.types import Market
from replay.money import PARTS, Parts
from replay.parity.compare import MarketParity, Share, Total
from replay.parity.fills import Fill
from replay.parity.judge import Difference
from replay.parity.run import Parity

QUANTILES = (0.05, 0.5, 0.95)
_GAP = "  "
Row = list[str]


def print_parity(journal: Path, found: Parity, out: Path | None, *, limit: int) -> None:
    """Say it in lines; `limit` differences of each market are listed, 0 for all."""
    started, plan = found.started, found.plan
    clock = format_clock(found.ended_ns - found.began_ns)
    click.echo(
        f"{journal}: run {started.run_id} ({started.mode}), {clock} from"
        f" {format_moment(found.began_ns)}"
    )
    summary = summary_of(found.played, plan, out or journal)
    click.echo(
        f"BACKTEST, {plan.label}: latency {summary['latency']}, queue {plan.queue}, seed"
        f" {plan.seed}; {found.played.refused} refused by the venue"
    )
    for market in found.markets:
        click.echo("")
        _print_totals(market)
        click.echo("")
        _print_causes(market)
        if market.differences:
            click.echo("")
            _print_differences(market, limit)
    notes = notes_of(found, out)
    if notes:
        click.echo("")
    for note in notes:
        click.echo(f"note: {note}")


def notes_of(found: Parity, out: Path | None) -> list[str]:
    """Return what the two do not have in common from the outset."""
    notes = []
    if found.runs > 1:
        notes.append(
            f"the journal holds {found.runs} runs; the backtest is one, by the first one's"
            " configuration"
        )
    if found.changed:
        notes.append(
            f"the configuration changed {found.changed} times while the journal was written; the"
            " backtest keeps the first one"
        )
    if not found.played.ended.clean:
        notes.append(f"the backtest did not end clean: {found.played.ended.reason}")
    for name, assets in found.unvalued.items():
        notes.append(f"{name}: fees in {', '.join(assets)} are in no P&L: their worth is not known")
    for name in found.untold:
        notes.append(f"{name}: the last funding is not in the P&L: the venue had not told it yet")
    if out is not None:
        notes.append(f"the backtest's journal is {out}")
    return notes


def _print_totals(market: MarketParity) -> None:
    spec, live, backtest = market.spec, market.live, market.backtest
    rows: list[Row] = [[spec.name, "live", "backtest", "difference"]]
    more = backtest.fills - live.fills
    rows.append(
        ["  fills", f"{live.fills:,}", f"{backtest.fills:,}", f"{more:+,}" if more else "0"]
    )
    for label in ("bought", "sold", "position"):
        one, other = getattr(live, label), getattr(backtest, label)
        cells = [format_units(lots, spec.qty_decimals) for lots in (one, other)]
        cells.append(signed_units(other - one, spec.qty_decimals))
        rows.append([f"  {label}", *[f"{cell} {spec.base_asset}" for cell in cells]])
    rows.append(["  volume", *_money(spec, live.notional, backtest.notional)])
    rows.append(["  P&L", *_money(spec, live.parts.total, backtest.parts.total)])
    for part in PARTS:
        one, other = getattr(live.parts, part), getattr(backtest.parts, part)
        if one or other or part in ("spread", "inventory", "fees"):
            rows.append([f"    {part}", *_money(spec, one, other)])
    _print_rows(rows, left=1)
    told = f"  {market.matched:,} fills are the same, a second apart at most"
    if market.shifts_ns:
        told += ": " + _GAP.join(
            f"p{100 * share:g} {_quantile(market.shifts_ns, share) / NS_PER_MS:+,.1f} ms"
            for share in QUANTILES
        )
    click.echo(told)
    if market.apart_mean is not None:
        mean = f"{market.apart_mean * 10.0**-spec.qty_decimals:.{spec.qty_decimals}f}"
        click.echo(
            f"  inventories {format_units(market.apart_most, spec.qty_decimals)} {spec.base_asset}"
            f" apart at the most, {mean} on average"
        )
    click.echo(f"  P&L of both at {_mark(market)} {spec.quote_asset}, the live run's last mid")


def _print_causes(market: MarketParity) -> None:
    asset = market.spec.quote_asset
    rows: list[Row] = [["  cause", "the other one", "live only", "backtest only", "pairs", asset]]
    for cause, share in market.causes.items():
        counts = [f"{count:,}" for count in (share.live, share.backtest, share.pairs)]
        rows.append([f"  {cause.value}", CAUSES[cause], *counts, _signed(share.money)])
    carried = market.carried
    for part, money in (("funding", carried.funding), ("interest", carried.interest)):
        if money:
            rows.append([f"  {part}", "of no fill", "", "", "", _signed(money)])
    rows.append(["  all", "difference of the P&L", "", "", "", _signed(market.pnl)])
    _print_rows(rows, left=2)


def _print_differences(market: MarketParity, limit: int) -> None:
    spec, found = market.spec, market.differences
    dearest = sorted(range(len(found)), key=lambda number: -abs(found[number].money))
    shown = [found[number] for number in sorted(dearest[: limit or len(found)])]
    rows: list[Row] = [["  time", "of", "side", "price", "qty", spec.quote_asset, "cause"]]
    for each in shown:
        fill = each.live or each.backtest
        assert fill is not None, "a difference without a fill"
        rows.append(
            [
                f"  {_time(each.at_ns)}",
                "both" if each.kind else "live" if each.live else "backtest",
                fill.side.name.lower(),
                fixed_units(fill.price, spec.price_decimals),
                format_units(fill.qty, spec.qty_decimals),
                _signed(each.money),
                f"{each.cause.value}: {reason(spec, each)}",
            ]
        )
    _print_rows(rows, left=3, ragged=True)
    gone = len(found) - len(shown)
    if gone:
        click.echo(f"  ({gone:,} smaller ones are not shown: --all)")


def _print_rows(rows: list[Row], *, left: int, ragged: bool = False) -> None:
    # The first columns are words, and so is the last one where it is ragged.
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if at < left or (ragged and at == len(row) - 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo(_GAP.join(cells).rstrip())


def _money(spec: Market, live: Decimal, backtest: Decimal) -> Row:
    asset = spec.quote_asset
    more = _signed(subtract(backtest, live))
    return [f"{live:f} {asset}", f"{backtest:f} {asset}", f"{more} {asset}"]


def _signed(money: Decimal) -> str:
    return f"{money:+f}" if money else "0"


def _time(at_ns: int) -> str:
    return f"{format_moment(at_ns)[11:23]}"


def _mark(market: MarketParity) -> str:
    # Half a tick is five of the next decimal.
    return f"{from_units(5 * market.mark2, market.spec.price_decimals + 1):f}"


def _quantile(ranked: Sequence[int], share: float) -> int:
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


# --- JSON -------------------------------------------------------------------------------------


def print_parity_json(journal: Path, found: Parity, out: Path | None) -> None:
    """Say all of it as one JSON object; money as exact decimal strings."""
    summary = summary_of(found.played, found.plan, out or journal)
    told = ("label", "latency", "queue", "seed", "refused", "clean")
    result: dict[str, Any] = {
        "journal": str(journal),
        "run_id": found.started.run_id,
        "mode": found.started.mode,
        "from_ns": found.began_ns,
        "until_ns": found.ended_ns,
        "runs": found.runs,
        "configuration_changes": found.changed,
        "backtest": {
            "journal": None if out is None else str(out),
            **{key: summary[key] for key in told},
        },
        "markets": {market.spec.name: _market(market) for market in found.markets},
        "notes": notes_of(found, out),
    }
    click.echo(json.dumps(result))


def _market(market: MarketParity) -> dict[str, Any]:
    spec = market.spec
    decimals = spec.qty_decimals
    return {
        "base_asset": spec.base_asset,
        "quote_asset": spec.quote_asset,
        "mark": _mark(market),
        "live": _total(spec, market.live),
        "backtest": _total(spec, market.backtest),
        "matched": market.matched,
        "shift_ns": {
            f"p{100 * share:g}": _quantile(market.shifts_ns, share) if market.shifts_ns else None
            for share in QUANTILES
        },
        "inventory_apart": {
            "most": format_units(market.apart_most, decimals),
            "mean_lots": market.apart_mean,
            "end": format_units(market.backtest.position - market.live.position, decimals),
        },
        "difference": f"{market.pnl:f}",
        "causes": {cause.value: _share(share) for cause, share in market.causes.items()},
        "funding": f"{market.carried.funding:f}",
        "interest": f"{market.carried.interest:f}",
        "differences": [_difference(spec, each) for each in market.differences],
    }


def _total(spec: Market, total: Total) -> dict[str, Any]:
    parts: Parts = total.parts
    return {
        "fills": total.fills,
        "bought": format_units(total.bought, spec.qty_decimals),
        "sold": format_units(total.sold, spec.qty_decimals),
        "volume": f"{total.notional:f}",
        "position": format_units(total.position, spec.qty_decimals),
        "pnl": f"{parts.total:f}",
        **{f"pnl_{part}": f"{getattr(parts, part):f}" for part in PARTS},
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "live_only": share.live,
        "backtest_only": share.backtest,
        "pairs": share.pairs,
        "money": f"{share.money:f}",
    }


def _difference(spec: Market, found: Difference) -> dict[str, Any]:
    return {
        "cause": found.cause.value,
        "money": f"{found.money:f}",
        "words": reason(spec, found),
        "live": _fill(spec, found.live),
        "backtest": _fill(spec, found.backtest),
        "pair": None if found.kind is None else found.kind.value,
    }


def _fill(spec: Market, fill: Fill | None) -> dict[str, Any] | None:
    if fill is None:
        return None
    return {
        "at_ns": fill.at_ns,
        "seq": fill.seq,
        "deal_id": fill.deal_id,
        "side": fill.side.name.lower(),
        "price": format_units(fill.price, spec.price_decimals),
        "qty": format_units(fill.qty, spec.qty_decimals),
        "position": format_units(fill.position, spec.qty_decimals),
    }
