"""Numbers and times as people read them; money never passes through a float."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from engine.money import format_units

NS_PER_S = 1_000_000_000

# Only for the screen: wide enough that every exact amount of the engine fits before rounding.
_SHOWN = Context(prec=80, rounding=ROUND_HALF_EVEN)


def fixed_units(units: int, decimals: int) -> str:
    """Write units * 10^-decimals with all its decimals, so that columns line up."""
    if decimals == 0:
        return str(units)
    scale: int = 10**decimals
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), scale)
    return f"{sign}{whole}.{part:0{decimals}d}"


def signed_units(units: int, decimals: int) -> str:
    """Write units * 10^-decimals, shortest, with its sign unless it is 0."""
    return f"+{format_units(units, decimals)}" if units > 0 else format_units(units, decimals)


def rounded(value: Decimal, places: int = 4) -> str:
    """Round an amount for the screen, half to even; the summary and the journal keep it exact."""
    return f"{value.quantize(Decimal(1).scaleb(-places), context=_SHOWN):f}"


def time_of_day(time_ns: int) -> str:
    """Write a time as `hh:mm:ss`, UTC."""
    seconds = time_ns // NS_PER_S % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
