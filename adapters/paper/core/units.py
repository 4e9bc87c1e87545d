"""Exact amounts: units of 10^-18 of an asset, fee rates in 10^-8, and their texts (contract 3)."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact

UNIT_DECIMALS = 18
RATE_DECIMALS = 8
US_PER_S = 1_000_000

# Wide enough for any total of the exchange; a value that would not fit raises, never rounds.
EXACT = Context(prec=60, traps=[Inexact])


def decimal_text(value: Decimal) -> str:
    """Write a decimal trimmed: no exponent, no trailing zeros, `0` for zero (contract 3)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def scaled_text(value: int, decimals: int) -> str:
    """Write `value` x 10^-`decimals` trimmed (contract 3)."""
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def units_text(units: int) -> str:
    """Write an amount of an asset, given in units of 10^-18, as trimmed decimal text."""
    return scaled_text(units, UNIT_DECIMALS)


def to_units(amount: str | Decimal) -> int:
    """Convert an amount of an asset to units; raises `Inexact` beyond 18 decimals."""
    scaled = EXACT.scaleb(EXACT.create_decimal(amount), UNIT_DECIMALS)
    return int(scaled.to_integral_exact(context=EXACT))


def to_rate(ratio: str | Decimal) -> int:
    """Convert a fee ratio ("0.001" is 0.1 %) to 10^-8 steps; raises `Inexact` beyond those."""
    scaled = EXACT.scaleb(EXACT.create_decimal(ratio), RATE_DECIMALS)
    return int(scaled.to_integral_exact(context=EXACT))
