"""Figures of a fill's story in words: prices, spans, what the planner made of an order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import floor, log10

from adapters.cli.figures import NS_PER_S, fixed_units
from engine.money import format_units
from engine.orders import Order, Pending
from engine.strategy import Figure
from engine.types import BUY, Level, Market, Side
from replay.kept_out import KeptOut
from replay.verdicts import Kind, Verdict
from replay.watching import Looks


def price_of(spec: Market, ticks: int) -> str:
    return fixed_units(ticks, spec.price_decimals) if ticks else "none"


def mid_of(spec: Market, mid2: int) -> str:
    """Write half of a price's double, exactly."""
    return format_units(5 * mid2, spec.price_decimals + 1) if mid2 else "none"


def qty_of(spec: Market, lots: int) -> str:
    return format_units(lots, spec.qty_decimals)


def level_of(spec: Market, price: int, qty: int) -> str:
    return f"{price_of(spec, price)} x {qty_of(spec, qty)}" if price else "none"


def want_of(spec: Market, want: Level | None) -> str:
    return "nothing" if want is None else level_of(spec, want.price, want.qty)


def side_of(side: Side) -> str:
    return "buy" if side is BUY else "sell"


def ticks_of(count: int) -> str:
    return f"{count} tick" if count == 1 else f"{count} ticks"


def span_of(span_ns: int) -> str:
    """Write a duration, three decimals below a second and one above, with its sign."""
    if abs(span_ns) < NS_PER_S:
        sign = "-" if span_ns < 0 else ""
        whole, part = divmod(abs(span_ns) // 1000, 1000)
        return f"{sign}{whole}.{part:03d} ms"
    sign = "-" if span_ns < 0 else ""
    tenths = abs(span_ns) // (NS_PER_S // 10)
    return f"{sign}{tenths // 10}.{tenths % 10} s"


def figure_of(spec: Market, figure: Figure) -> str:
    """Write a figure of a strategy's reasoning; ticks as a price with two decimals more."""
    value = figure.value
    if figure.unit == "ticks":
        return f"{value / 10**spec.price_decimals:.{spec.price_decimals + 2}f}"
    if figure.unit == "lots":
        return f"{value / 10**spec.qty_decimals:.{spec.qty_decimals}f}"
    return number_of(value) if figure.unit == "ratio" else f"{number_of(value)} {figure.unit}"


def number_of(value: float) -> str:
    """Write a number with four decimals, or four digits of one that is small, at the most."""
    decimals = 4
    if 0.0 < abs(value) < 0.1:
        decimals = min(12, 3 - floor(log10(abs(value))))
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def exact_of(value: float) -> str:
    """Write a number with every digit that it has, as a parameter is typed."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_of(spec: Market, order: Order | None) -> str:
    """Say what rested."""
    return "nothing" if order is None else level_of(spec, order.price, order.leaves_qty)


def request_of(spec: Market, order: Order | None) -> str:
    """Say which request of an order was in flight."""
    if order is None or order.pending is Pending.NONE:
        return "none"
    unknown = ", UNKNOWN" if order.unknown else ""
    if order.pending is Pending.MODIFY:
        return f"modify to {price_of(spec, order.wanted_price)}{unknown}"
    return f"{order.pending.value}{unknown}"


def verdict_of(verdict: Verdict) -> str:
    """Say what the planner makes of an order, and by which figure."""
    match verdict.kind:
        case Kind.NEW:
            return "place" if verdict.wanted else "nothing to do"
        case Kind.IN_FLIGHT:
            return "wait for the answer"
        case Kind.UNWANTED:
            return "cancel: not wanted"
        case Kind.EAGER:
            return f"move: {ticks_of(verdict.eager)} too near"
        case Kind.LARGE:
            return "move: more than wanted"
        case Kind.SHY:
            move = "move at the timer" if verdict.waits else "move"
            if verdict.eager >= -verdict.reach:
                return f"{move}: too small"
            return f"{move}: {ticks_of(-verdict.eager)} too far"
        case Kind.KEPT:
            return f"keep: {_off(verdict.eager)}"


def _off(eager: int) -> str:
    if not eager:
        return "as wanted"
    return f"{ticks_of(abs(eager))} {'nearer' if eager > 0 else 'further'}"


_MADE = {
    Kind.NEW: "found nothing there",
    Kind.IN_FLIGHT: "left it alone, a request of it being in flight",
    Kind.UNWANTED: "no longer wanted it",
    Kind.EAGER: "found it too near to the market",
    Kind.LARGE: "found more of it left than wanted",
    Kind.SHY: "found it too far from the market, or too small",
    Kind.KEPT: "kept it",
}


def looks_of(looks: Looks) -> str:
    """Say what decisions in a row made of the order."""
    many = "1 decision" if looks.count == 1 else f"{looks.count} decisions"
    where = f"seq {looks.first_seq}"
    if looks.count > 1:
        where += f" to {looks.last_seq}"
    words = f"{many} ({where}) {_MADE[looks.kind]}"
    if looks.kind in (Kind.EAGER, Kind.SHY, Kind.KEPT):
        low, high = looks.eager_least, looks.eager_most
        off = _off(low) if low == high else f"{_off(low)} to {_off(high)}"
        words += f": {off}"
    return words + (", and left it for the timer" if looks.waits else "")


def way_of(spec: Market, way: KeptOut) -> tuple[str, str, str, str]:
    """Say what a parameter would have had to be: name, in force, needed, the quote then."""
    parameter = way.parameter
    now = exact_of(parameter.value)
    if way.is_remembered:
        return parameter.name, now, "acts through the memory: not tried", "-"
    if way.from_value is None:
        low, high = exact_of(parameter.at(parameter.low)), exact_of(parameter.at(parameter.high))
        return parameter.name, now, f"no value in range {low}..{high}", "-"
    needed = exact_of(way.from_value)
    last = parameter.at(parameter.high if way.is_higher else parameter.low)
    if way.until_value is None and way.from_value != last:
        needed += f" or {'more' if way.is_higher else 'less'}"
    elif way.until_value is not None and way.until_value != way.from_value:
        needed += f" to {exact_of(way.until_value)}"
    return parameter.name, now, needed, price_of(spec, way.price)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align columns, the first to the left."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
