"""Fills as a table: in colour on a terminal, as plain aligned lines anywhere else.

Figures are rounded here and only here; CSV and JSON have them whole. A loss is red and ends with
an exclamation mark, so that it stands out without colours too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.cli.figures import NS_PER_S, fixed_units, time_of_day
from engine.money import format_units
from engine.types import BUY, Role
from replay.fill_rows import HORIZON_NAMES
from replay.fill_totals import MarkoutTotal, Total, Totals
from replay.trails import FillTrail

UNKNOWN = "-"
LOSS = "!"
_GAP = "  "

NS_PER_MS = 1_000_000


class Column(msgspec.Struct, frozen=True):
    """One column of a table."""

    name: str
    keep: int
    """Of a table that is too wide the columns with the highest number go first; 0 never goes."""
    is_left: bool = False


FILL_COLUMNS = (
    Column("time", 1),
    Column("seq", 0),
    Column("deal", 0),
    Column("market", 0, is_left=True),
    Column("side", 0, is_left=True),
    Column("price", 0),
    Column("qty", 0),
    Column("role", 4, is_left=True),
    Column("fee", 3),
    Column("flags", 6, is_left=True),
    Column("level", 7),
    Column("set", 9),
    Column("age", 2),
    Column("ahead", 5),
    Column("decide", 8),
    Column("send", 11),
    Column("ack", 8),
    Column("edge", 1),
    *(Column(name, 10 if name == "0.1s" else 1) for name in HORIZON_NAMES),
)
_KEPT_TOTALS = {"5s": 0, "60s": 1, "1s": 2, "30s": 3, "0.1s": 7}
TOTAL_COLUMNS = (
    Column("market", 0, is_left=True),
    Column("side", 0, is_left=True),
    Column("fills", 0),
    Column("qty", 4),
    Column("notional", 6),
    Column("fees", 5),
    Column("edge", 0),
    *(Column(name, _KEPT_TOTALS[name]) for name in HORIZON_NAMES),
)

Row = list[str]


def print_fills(
    fills: Collection[FillTrail],
    totals: Totals,
    journal: Path,
    notes: Iterable[str],
    console: Console | None = None,
) -> None:
    """Print fills, their totals, and notes.

    Args:
        fills: To be listed, oldest first.
        totals: Of all that were asked for.
        journal: Where they are from.
        notes: Lines below.
        console: Where to; standard output by default.
    """
    console = console or Console()
    if not totals.fills:
        _say(console, f"{journal}: no fills")
    else:
        _say(console, f"{journal}: {totals.fills:,} fills; edge and markouts in basis points")
        _print_table(console, FILL_COLUMNS, [_fill_cells(trail) for trail in fills])
        _say(console, "")
        _say(console, "totals: mean in basis points by notional, and how many of the fills lost")
        _print_table(console, TOTAL_COLUMNS, [_total_cells(total) for total in totals.rows()])
    for note in notes:
        _say(console, f"note: {note}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _fill_cells(trail: FillTrail) -> Row:
    fill, spec, leg = trail.fill, trail.spec, trail.leg
    parameters = None if leg is None else leg.parameters
    ahead = trail.queue_ahead
    unit = NS_PER_S // 1000
    return [
        f"{time_of_day(trail.filled.at_ns)}.{trail.filled.at_ns % NS_PER_S // unit:03d}",
        str(trail.seq),
        str(fill.deal_id),
        fill.market,
        "buy" if fill.side is BUY else "sell",
        fixed_units(fill.price, spec.price_decimals),
        format_units(fill.qty, spec.qty_decimals),
        "maker" if fill.role is Role.MAKER else "TAKER",
        f"{fill.fee:f} {fill.fee_asset}",
        _flags(trail),
        UNKNOWN if trail.level is None else str(trail.level),
        UNKNOWN if parameters is None else str(parameters.index),
        _duration(trail.age_ns),
        UNKNOWN if ahead is None or ahead < 0 else format_units(ahead, spec.qty_decimals),
        _duration(trail.frame_to_decision_ns),
        _duration(trail.decision_to_sent_ns),
        _duration(trail.sent_to_acknowledged_ns),
        _bps(None if trail.is_late else trail.edge_bps),
        *(_bps(trail.markout_bps(index)) for index in range(len(HORIZON_NAMES))),
    ]


def _flags(trail: FillTrail) -> str:
    words = []
    if trail.leg is not None:
        words.append(trail.leg.stp.value)
        words += ["rpi"] if trail.leg.rpi else []
    words += ["late"] if trail.is_late else []
    return " ".join(words) or UNKNOWN


def _duration(duration_ns: int | None) -> str:
    if duration_ns is None:
        return UNKNOWN
    if duration_ns < NS_PER_S:
        return f"{duration_ns / NS_PER_MS:.1f}ms"
    if duration_ns < 100 * NS_PER_S:
        return f"{duration_ns / NS_PER_S:.1f}s"
    minutes, seconds = divmod(duration_ns // NS_PER_S, 60)
    return f"{minutes}m{seconds:02d}s"


def _bps(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.2f}{LOSS}" if value < 0 else f"{value:.2f} "


def _total_cells(total: Total) -> Row:
    spec = total.spec
    fees = " + ".join(f"{fee:f} {asset}" for asset, fee in sorted(total.fees.items()))
    return [
        spec.name,
        "both" if total.side is None else "buy" if total.side is BUY else "sell",
        f"{total.fills:,}",
        f"{format_units(total.qty, spec.qty_decimals)} {spec.base_asset}",
        f"{total.notional_amount:f} {spec.quote_asset}",
        fees or "0",
        _weighed(total.edge),
        *(_weighed(markout) for markout in total.markouts),
    ]


def _weighed(total: MarkoutTotal) -> str:
    share = total.negative_share
    if share is None:
        return UNKNOWN
    return f"{_bps(total.bps)} {share * 100:3.0f}%"


def _print_table(console: Console, columns: tuple[Column, ...], rows: list[Row]) -> None:
    widths = [
        max(len(column.name), *(len(row[index]) for row in rows)) if rows else len(column.name)
        for index, column in enumerate(columns)
    ]
    if not console.is_terminal or console.is_dumb_terminal:
        for row in ([column.name for column in columns], *rows):
            cells = zip(columns, row, widths, strict=True)
            line = _GAP.join(
                text.ljust(width) if column.is_left else text.rjust(width)
                for column, text, width in cells
            )
            _say(console, line.rstrip())
        return
    kept = _fitting(columns, widths, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in kept:
        column = columns[index]
        table.add_column(column.name, justify="left" if column.is_left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(_coloured(row[index]) for index in kept))
    console.print(table, highlight=False)
    gone = [column.name for index, column in enumerate(columns) if index not in kept]
    if gone:
        _say(console, f"(not shown for want of width: {', '.join(gone)})")


def _fitting(columns: tuple[Column, ...], widths: list[int], width: int) -> list[int]:
    # Columns are parted by two blanks in rich's tables too, as padding.
    kept = list(range(len(columns)))
    while sum(widths[index] + 2 for index in kept) > width + 2:
        last = max(kept, key=lambda index: (columns[index].keep, index))
        if not columns[last].keep:
            break
        kept.remove(last)
    return kept


def _coloured(text: str) -> Text:
    if LOSS in text:
        return Text(text, style="bold red")
    return Text(text, style="yellow" if text == "TAKER" else "")
