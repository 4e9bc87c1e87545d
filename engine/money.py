"""Exact decimal arithmetic for balances, fees and P&L.

Prices and quantities are integers (ticks and lots); amounts of an asset are `Decimal`. Every
operation here is exact or raises, never rounded, and every result is in one canonical form, so
that equal amounts are equal bytes in a journal.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache

# 60 digits hold 10^30 units of an asset at 30 decimals; a result that needs more raises.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
ZERO = Decimal(0)


def canonical(value: Decimal) -> Decimal:
    """Strip trailing zeros and any exponent: `0.10` -> `0.1`, `1E+2` -> `100`, `-0` -> `0`."""
    if not value:
        return ZERO
    stripped = value.normalize(EXACT)
    # Only an exponent above zero is written so, and to write it costs a quarter of `as_tuple`.
    if "E+" in str(stripped):
        return stripped.quantize(Decimal(1), context=EXACT)
    return stripped


def parse(text: str) -> Decimal:
    """Read a decimal string from the wire; raises ValueError unless finite and within 60 digits."""
    try:
        value = EXACT.create_decimal(text)
        if value.is_finite():
            return canonical(value)
    except (InvalidOperation, Inexact) as error:
        raise ValueError(f"expected a decimal number, found {text!r}") from error
    raise ValueError(f"expected a finite decimal number, found {text!r}")


def add(a: Decimal, b: Decimal) -> Decimal:
    """Return a + b, exact and canonical."""
    return canonical(EXACT.add(a, b))


def subtract(a: Decimal, b: Decimal) -> Decimal:
    """Return a - b, exact and canonical."""
    return canonical(EXACT.subtract(a, b))


def multiply(a: Decimal, b: Decimal) -> Decimal:
    """Return a * b, exact and canonical."""
    return canonical(EXACT.multiply(a, b))


def from_units(units: int, decimals: int) -> Decimal:
    """Return units * 10^-decimals: ticks, lots or ticks x lots as an amount."""
    return canonical(Decimal(units).scaleb(-decimals, context=EXACT))


def to_units(value: Decimal, decimals: int) -> int:
    """Return value * 10^decimals as an integer; raises ValueError if it does not fit exactly."""
    scaled = value.scaleb(decimals, context=EXACT)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"{value} has more than {decimals} decimals")
    return units


@lru_cache(maxsize=64)
def lots_of(size: str, qty_decimals: int) -> int:
    """Return a size that a strategy is told, such as `0.01`, in lots of a market's precision.

    The same for every quote, so it is kept.

    Raises:
        ValueError: no number, none above zero, or finer than a lot.
    """
    try:
        lots = to_units(parse(size), qty_decimals)
    except ValueError:
        lots = 0
    if lots <= 0:
        expected = f"expected a size above zero with at most {qty_decimals} decimals"
        raise ValueError(f"{expected}, such as 0.01, found {size!r}")
    return lots


def format_units(units: int, decimals: int) -> str:
    """Write units * 10^-decimals as the shortest plain decimal string (contract section 3)."""
    if decimals == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**decimals)
    if part == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:0{decimals}d}".rstrip("0")
