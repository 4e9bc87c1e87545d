"""Exact conversion of wire numbers: decimal strings to ticks and lots, times, amounts.

Everything here raises ValueError, in words, for a number that does not fit exactly.
"""

from __future__ import annotations

from decimal import Decimal

from engine import money

UNITS_MAX = 1 << 62
"""Units must stay below this, so that every journal encoding holds them as 64-bit integers."""

_MEMO_MAX = 1 << 14
"""Strings remembered a table: more than the prices of a busy hour; about 2 MiB when full."""

_TEXT_MAX = 40
"""Characters of a number: 20 digits either side of the point are more than any market has."""

_SECONDS_MAX = 1e11
"""A time above this is not in seconds (it may be milliseconds)."""

UNIX_S_MAX = 1 << 33
"""A time in seconds stays below this, the year 2242; its nanoseconds still fit 64 bits."""

_POWERS: tuple[int, ...] = tuple([10**exponent for exponent in range(19)])

_DIGITS_MAX = 40
"""Digits of an amount, those behind the point too."""

_WHOLE_MAX = 18
"""Digits before the point: with 40 behind it, money.EXACT still holds sums of amounts."""


class Units(dict[str, int]):
    """Convert a wire decimal string to integer units of 10^-decimals, remembering each string.

    `table["62925.80"]` is exact: it works on the digits and never goes through a float. The same
    few prices and sizes come again and again, so that nearly every look-up is one dictionary hit
    in C (about 40 ns); a float conversion is slower and could not tell `1.005` from a number with
    two decimals plus noise without looking at the string again.
    """

    __slots__ = ("_decimals", "_minimum")

    def __init__(self, decimals: int, minimum: int = 0) -> None:
        """Convert at `decimals` decimals, 0..18; refuse less than `minimum` units."""
        super().__init__()
        self._decimals = decimals
        self._minimum = minimum

    def __missing__(self, text: str) -> int:
        units = parse_units(text, self._decimals)
        if units < self._minimum:
            raise ValueError(f"expected a number of at least {self._minimum} units, found {text}")
        if len(self) >= _MEMO_MAX:
            self.clear()
        self[text] = units
        return units


def parse_units(text: str, decimals: int) -> int:
    """Return text * 10^decimals; raises ValueError unless it is plain, unsigned and fits."""
    whole, point, part = text.partition(".")
    digits, missing = whole + part, decimals - len(part)
    # isdigit() alone accepts other scripts' digits, which int() would read too.
    if not (digits.isdigit() and digits.isascii()) or len(text) > _TEXT_MAX:
        raise ValueError(f"expected a plain decimal number, found {clip(text, 48)!r}")
    if point and not (whole and part):
        raise ValueError(f"expected digits on both sides of the point, found {text!r}")
    if missing < 0:
        digits = whole + part.rstrip("0")
        missing = decimals - (len(digits) - len(whole))
        if missing < 0:
            raise ValueError(f"expected at most {decimals} decimals, found {text}")
    units: int = int(digits) * _POWERS[missing]
    if units >= UNITS_MAX:
        raise ValueError(f"expected fewer than 2^62 units, found {text}")
    return units


def micros(seconds: float) -> int:
    """Return a venue time in microseconds; a float of today's seconds is exact to 0.24 µs."""
    if not 0.0 <= seconds < _SECONDS_MAX:
        raise ValueError(f"expected a time in seconds, found {seconds}")
    return int(seconds * 1e6 + 0.5)


def amount(value: Decimal, whole_max: int = _WHOLE_MAX) -> Decimal:
    """Return a decoded amount in canonical form; raises ValueError unless finite and of use.

    Args:
        value: As decoded.
        whole_max: Most digits before the point.
    """
    if not value.is_finite():
        raise ValueError(f"expected a finite amount, found {value}")
    _, digits, exponent = value.as_tuple()
    whole = len(digits) + int(exponent) if value else 0
    if max(len(digits), -int(exponent)) > _DIGITS_MAX or whole > whole_max:
        raise ValueError(
            f"expected an amount of at most {_DIGITS_MAX} digits, {whole_max} before the point"
        )
    return money.canonical(value)


def ratio(percent: Decimal) -> Decimal:
    """Return a fee rate as a ratio: the wire's `0.1` (percent) is 0.001 (contract section 3)."""
    return money.canonical(amount(percent).scaleb(-2, context=money.EXACT))


def clip(text: str, size: int = 200) -> str:
    """Shorten a foreign text, so that a reason in the journal stays bounded."""
    return text if len(text) <= size else text[: size - 1] + "…"
