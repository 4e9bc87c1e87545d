"""How a run went: one dictionary for programs, the same in words for people."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.cli.describe import hold_words
from adapters.cli.durations import format_clock
from engine.inventory import Pnl, pnl
from engine.money import ZERO, format_units, subtract
from engine.state import MarketState
from engine.top import mark2_of

if TYPE_CHECKING:
    from adapters.runtime.run import RunOutcome

_RATIO_PLACES = 6


def summarize(outcome: RunOutcome, journal: str) -> dict[str, Any]:
    """Sum a run up.

    Amounts are exact decimal strings; durations and ratios are numbers. `events`, `intents`,
    `requests` and the uptimes are of this run. A journal that is continued carries its inventory
    on, so `fills` and the money of each market count from the journal's beginning.

    Args:
        outcome: How the run ended, and its last state.
        journal: Path of the journal.
    """
    state, counts = outcome.state, outcome.counts
    markets = {name: _market(market) for name, market in state.markets.items()}
    return {
        "journal": journal,
        "run_id": state.run_id,
        "mode": state.mode,
        "clean": outcome.ended.clean,
        "reason": outcome.ended.reason,
        "duration_s": (outcome.ended_ns - outcome.started_ns) // 1_000_000 / 1000,
        "records": state.seq,
        "events": counts.events,
        "decisions": counts.decisions,
        "intents": counts.intents,
        "requests": counts.requests,
        "fills": sum(market.inventory.fills for market in state.markets.values()),
        "anomalies": state.anomalies,
        "last_anomaly": state.last_anomaly,
        "halted": state.halted,
        "fingerprint": outcome.fingerprint.hex(),
        "snapshot_seq": outcome.recovery.snapshot_seq,
        "notes": list(outcome.recovery.notes),
        "markets": markets,
    }


def _market(market: MarketState) -> dict[str, Any]:
    spec, inventory, uptime = market.quoted.market, market.inventory, market.uptime
    found: Pnl = pnl(inventory, spec, mark2_of(market))
    return {
        "bid_uptime": _ratio(uptime.bid_ns, uptime.total_ns),
        "ask_uptime": _ratio(uptime.ask_ns, uptime.total_ns),
        "position": format_units(market.position, spec.qty_decimals),
        "pnl": f"{found.total:f}",
        "pnl_spread": f"{found.spread:f}",
        "pnl_inventory": f"{found.inventory:f}",
        "pnl_fees": f"{subtract(ZERO, found.fees):f}",
        "pnl_interest": f"{subtract(ZERO, found.interest):f}",
        "pnl_funding": f"{found.funding:f}",
        "unknown_funding_s": found.unknown_funding_s or None,
        "unknown_fees": {asset: f"{fee:f}" for asset, fee in found.unknown_fees},
        "product": spec.product.value,
        "base_asset": spec.base_asset,
        "quote_asset": spec.quote_asset,
        "mark": _mark(market),
        "fills": inventory.fills,
        "maker_fills": inventory.maker_fills,
        "bought": format_units(inventory.bought_qty, spec.qty_decimals),
        "sold": format_units(inventory.sold_qty, spec.qty_decimals),
        "live_orders": len(market.live),
        "foreign_orders": len(market.foreign_orders),
        "gaps": market.feed.gaps,
        "breaks": market.breaks,
        "halted": market.halted,
        "stage": market.stage.name,
        "holds": [
            {
                "rule": hold.rule,
                "stage": hold.stage.name,
                "reason": hold.reason,
                "human": hold.human,
                "words": hold_words(hold),
            }
            for hold in market.holds
        ],
    }


def _ratio(part_ns: int, whole_ns: int) -> float:
    return round(part_ns / whole_ns, _RATIO_PLACES) if whole_ns else 0.0


def _mark(market: MarketState) -> str:
    # Half of the sum of two prices of d decimals has at most d + 1.
    return format_units(5 * mark2_of(market), market.quoted.market.price_decimals + 1)


def print_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    """Print a summary of `summarize` to standard output, as JSON or in words."""
    click.echo(json.dumps(summary) if as_json else summary_text(summary))


def summary_text(summary: dict[str, Any]) -> str:
    """Write a summary in words, ending with what to try next."""
    clean = "ended clean" if summary["clean"] else "NOT CLEAN"
    duration = format_clock(int(summary["duration_s"] * 1e9))
    lines = [
        "",
        f"Run {summary['run_id']} ({summary['mode']}), {duration}, {clean}: {summary['reason']}",
        "",
        *_table(summary["markets"]),
        "",
        f"{summary['events']:,} events, {summary['decisions']:,} decisions, "
        f"{summary['intents']:,} intents, {summary['requests']:,} requests, "
        f"{summary['fills']:,} fills",
        f"state fingerprint {summary['fingerprint']}",
    ]
    if summary["halted"]:
        lines.append(f"HALTED: {summary['halted']}")
    lines += [
        f"{name} HALTED: {market['halted']}"
        for name, market in summary["markets"].items()
        if market["halted"]
    ]
    lines += [
        f"{name} {hold['words']}"
        for name, market in summary["markets"].items()
        for hold in market["holds"]
    ]
    lines += [
        f"{name}: fees of {fee} {asset} are not in the P&L, since their worth is not known"
        for name, market in summary["markets"].items()
        for asset, fee in market["unknown_fees"].items()
    ]
    lines += [
        f"{name}: the last funding is not in the P&L, since the venue has not told it yet"
        for name, market in summary["markets"].items()
        if market["unknown_funding_s"]
    ]
    lines += [f"note: {note}" for note in summary["notes"]]
    if summary["anomalies"]:
        lines.append(f"{summary['anomalies']:,} anomalies, the last: {summary['last_anomaly']}")
    return "\n".join([*lines, "", *next_commands(summary["journal"])])


def _table(markets: dict[str, dict[str, Any]]) -> list[str]:
    columns = [_column(name, market) for name, market in markets.items()]
    if not columns:
        return []
    products = {market["product"] for market in markets.values()}
    for product, part in (("margin", "interest"), ("perpetual", "funding")):
        if product in products:
            for column, market in zip(columns, markets.values(), strict=True):
                row = (f"  {part}", f"{market[f'pnl_{part}']} {market['quote_asset']}")
                column.insert(-1, row)
    rows = zip(*columns, strict=True)
    widths = [max(len(text) for _, text in column) for column in columns]
    return [
        f"  {row[0][0]:<14}"
        + "".join(f"{text:>{width + 3}}" for (_, text), width in zip(row, widths, strict=True))
        for row in rows
    ]


def _column(name: str, market: dict[str, Any]) -> list[tuple[str, str]]:
    base, quote = market["base_asset"], market["quote_asset"]
    return [
        ("", name),
        ("bid uptime", _percent(market["bid_uptime"])),
        ("ask uptime", _percent(market["ask_uptime"])),
        ("fills", f"{market['fills']:,}"),
        ("  as maker", f"{market['maker_fills']:,}"),
        ("bought", f"{market['bought']} {base}"),
        ("sold", f"{market['sold']} {base}"),
        ("position", f"{market['position']} {base}"),
        ("P&L", f"{market['pnl']} {quote}"),
        ("  spread", f"{market['pnl_spread']} {quote}"),
        ("  inventory", f"{market['pnl_inventory']} {quote}"),
        ("  fees", f"{market['pnl_fees']} {quote}"),
        ("  marked at", f"{market['mark']} {quote}"),
    ]


def _percent(ratio: float) -> str:
    # Rounded down: 100 % is said of nothing less.
    tenths = int(ratio * 1000)
    return f"{tenths // 10}.{tenths % 10} %"


def next_commands(journal: str) -> list[str]:
    """Lines that name what to do with a journal next, each command as it can be pasted."""
    path, program = shlex.quote(journal), _program()
    commands = [
        (f"{program} replay {path} --verify", "prove the run"),
        (f"{program} journal ls {path}", "what it holds"),
        (f"{program} fills {path}", "its fills"),
    ]
    width = max(len(command) for command, _ in commands)
    return ["Next:", *(f"  {command:<{width}}   {what}" for command, what in commands)]


def _program() -> str:
    # As it can be typed here: by name if the shell finds it, else by the path it was started by.
    started = sys.argv[0]
    if Path(started).name != "quotefold" or shutil.which("quotefold"):
        return "quotefold"
    return shlex.quote(started)
