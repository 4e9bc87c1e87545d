"""Where in the queue of a price level our order stands: an estimate from public data alone.

The public feed tells how much rests at a price and what trades there, not who: when a level shrinks
without a trade, somebody left from before us or from behind us. The models differ in whom they
think it was.

    risk_averse   behind us, always: only trades bring us forward
    power, log    before us with probability 1 - p, p = f(behind) / (f(behind) + f(before))
    power2, log2  the same with p = f(behind) / f(behind + before)
    power3        the same with p = 1 - f(before / (before + behind))

where f(x) is x^n, or ln(1 + x) with x in units of the base asset. The rules, operation by
operation, are those of hftbacktest 2.4.4 (`backtest/models/queue.rs`), so that fill times agree
with its exchange without partial fills; docs/what-if.md spells them out, and the tests compare.
`risk_averse` counts whole lots, exactly. The others are statistics in floats.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isinf, isnan, log, nan
from typing import Protocol

import msgspec

from engine.errors import ConfigError


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Our place in the queue of one level."""

    ahead: float
    """What rests before us, in lots (`risk_averse`) or units of the base asset; below zero when
    trades have eaten into us."""
    traded: float = 0.0
    """What has traded since the level's size was told last; it will be missing there, too."""


class QueueModel(Protocol):
    """How a place changes. Pure; sizes are lots of everybody else."""

    def joined(self, level: int) -> Place:
        """Return the place of an order that arrives at a level of this size."""
        ...

    def traded(self, place: Place, qty: int) -> Place:
        """Return the place after a trade at our price against our side."""
        ...

    def resized(self, place: Place, before: int, after: int) -> Place:
        """Return the place after the level's size was told anew, trades included."""
        ...

    def reached(self, place: Place) -> int:
        """Return the lots by which trades have eaten into our order; 0 while we wait."""
        ...

    def ahead(self, place: Place) -> int:
        """Return what rests before us in whole lots, at least 0."""
        ...


class RiskAverse:
    """Who leaves was behind us."""

    def joined(self, level: int) -> Place:
        return Place(level)

    def traded(self, place: Place, qty: int) -> Place:
        return Place(place.ahead - qty)

    def resized(self, place: Place, before: int, after: int) -> Place:
        return Place(min(place.ahead, after))

    def reached(self, place: Place) -> int:
        return max(0, int(-place.ahead))

    def ahead(self, place: Place) -> int:
        return max(0, int(place.ahead))


Probability = Callable[[float, float], float]
"""Probability that who leaves was behind us, from what rests before and behind us."""


class Probable:
    """Who leaves was behind us with a probability, of which the expectation is taken."""

    def __init__(self, probability: Probability, qty_decimals: int) -> None:
        """Build a model.

        Args:
            probability: Of units of the base asset before and behind us; may be `nan` or infinite
                where nothing rests at all.
            qty_decimals: Of the market: one lot is 10^-qty_decimals.
        """
        self._probability = probability
        self._scale: int = 10**qty_decimals

    def joined(self, level: int) -> Place:
        return Place(level / self._scale)

    def traded(self, place: Place, qty: int) -> Place:
        size = qty / self._scale
        return Place(place.ahead - size, place.traded + size)

    def resized(self, place: Place, before: int, after: int) -> Place:
        size, left = before / self._scale, after / self._scale
        gone = size - left - place.traded
        if gone < 0.0:
            return Place(_least(place.ahead, left))
        behind = size - place.ahead
        p = self._probability(place.ahead, behind)
        if isinf(p):
            p = 1.0
        ahead = place.ahead - (1.0 - p) * gone + _least(behind - p * gone, 0.0)
        return Place(_least(ahead, left))

    def reached(self, place: Place) -> int:
        return max(0, _rounded(_ratio(-place.ahead, 1 / self._scale)))

    def ahead(self, place: Place) -> int:
        return max(0, _rounded(place.ahead * self._scale))


def queue_model(name: str, qty_decimals: int) -> QueueModel:
    """Return a model by its name: one of `NAMES`; a power's exponent follows a colon (`power:3`).

    Args:
        name: `risk_averse`, `log`, `log2`, or `power`, `power2`, `power3` with an exponent > 0,
            which is 2 where none is given.
        qty_decimals: Of the market.

    Raises:
        ConfigError: no such model.
    """
    family, _, exponent = name.partition(":")
    if family not in NAMES or (exponent and family not in _POWERS):
        expected = ", ".join(NAMES)
        raise ConfigError(f"queue model: expected one of {expected}, found {name!r}")
    if family == "risk_averse":
        return RiskAverse()
    if family in _LOGS:
        return Probable(_LOGS[family], qty_decimals)
    try:
        n = float(exponent or "2")
    except ValueError:
        n = 0.0
    if not 0.0 < n <= 100.0:
        raise ConfigError(f"queue model: expected an exponent above 0 to 100, found {exponent!r}")
    return Probable(_POWERS[family](n), qty_decimals)


# --- probabilities ----------------------------------------------------------------------------


def _power(n: float) -> Probability:
    def probability(before: float, behind: float) -> float:
        near, far = _pow(behind, n), _pow(before, n)
        return _ratio(near, near + far)

    return probability


def _power2(n: float) -> Probability:
    def probability(before: float, behind: float) -> float:
        return _ratio(_pow(behind, n), _pow(behind + before, n))

    return probability


def _power3(n: float) -> Probability:
    def probability(before: float, behind: float) -> float:
        return 1.0 - _pow(_ratio(before, before + behind), n)

    return probability


def _log(before: float, behind: float) -> float:
    near, far = _ln(behind), _ln(before)
    return _ratio(near, near + far)


def _log2(before: float, behind: float) -> float:
    return _ratio(_ln(behind), _ln(behind + before))


_POWERS: dict[str, Callable[[float], Probability]] = {
    "power": _power,
    "power2": _power2,
    "power3": _power3,
}
_LOGS: dict[str, Probability] = {"log": _log, "log2": _log2}
NAMES = ("risk_averse", *_POWERS, *_LOGS)


# --- floats as IEEE 754 has them, where Python raises or rounds otherwise -----------------------


def _pow(x: float, n: float) -> float:
    if x < 0.0 and n != int(n):
        return nan
    # A negative base with a whole exponent stays real.
    result: float = x**n
    return result


def _ln(x: float) -> float:
    if x <= -1.0:
        return -inf if x == -1.0 else nan
    return log(1.0 + x)


def _ratio(x: float, y: float) -> float:
    if y != 0.0:
        return x / y
    return nan if x == 0.0 or isnan(x) else (inf if x > 0.0 else -inf)


def _least(x: float, y: float) -> float:
    # What is no number loses.
    if isnan(x):
        return y
    return x if isnan(y) or x < y else y


def _rounded(x: float) -> int:
    # Halves away from zero.
    whole = int(x)
    part = x - whole
    if part >= 0.5:
        return whole + 1
    return whole - 1 if part <= -0.5 else whole
