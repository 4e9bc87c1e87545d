"""The cause of each difference, and what it comes to in money."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.money import ZERO, subtract
from engine.types import Market
from replay.parity.causes import Cause
from replay.parity.fills import Fill, worth
from replay.parity.looks import Look
from replay.parity.matching import Kind


class Difference(msgspec.Struct, frozen=True):
    """A fill that only one of the two has, or a pair that differs."""

    cause: Cause
    money: Decimal
    """The backtest's worth minus the live one's, at the mark, quote asset."""
    live: Fill | None
    backtest: Fill | None
    look: Look | None
    """At the engine that has no such fill, and of a pair at the backtest's; None where it had no
    state of the market then, or was not asked."""
    kind: Kind | None = None
    """Of a pair."""

    @property
    def at_ns(self) -> int:
        """When it happened first."""
        return min([fill.at_ns for fill in (self.live, self.backtest) if fill is not None])


class Judge:
    """Judges the fills of one market."""

    def __init__(self, spec: Market, mark2: int) -> None:
        """Value everything at twice the mark, ticks."""
        self._spec = spec
        self._mark2 = mark2

    def single(self, fill: Fill, look: Look | None, *, is_live: bool) -> Difference:
        """Judge a fill without a counterpart; `look` is at the other engine."""
        money = worth(fill, self._spec, self._mark2)
        cause = cause_of(fill, look, is_live=is_live)
        if is_live:
            return Difference(cause, subtract(ZERO, money), fill, None, look)
        return Difference(cause, money, None, fill, look)

    def pair(self, kind: Kind, live: Fill, backtest: Fill, look: Look | None) -> Difference | None:
        """Judge two fills that belong together; None where at most their moment differs, by less
        than a second. `look` is at the backtest's engine when the live fill came."""
        spec, mark2 = self._spec, self._mark2
        money = subtract(worth(backtest, spec, mark2), worth(live, spec, mark2))
        if kind is Kind.TAKER:
            cause = _elsewhere(live, look, backtest.price)
        elif kind is Kind.LATER:
            cause = Cause.TIMING
        elif live.qty != backtest.qty:
            cause = Cause.SIZE
        elif money:
            cause = Cause.FEES
        else:
            return None
        return Difference(cause, money, live, backtest, look, kind)


def cause_of(fill: Fill, look: Look | None, *, is_live: bool) -> Cause:
    """Return why the other engine has no such fill.

    Args:
        fill: Without a counterpart.
        look: At the other engine; None where it had no state of the market.
        is_live: It is the live run's.
    """
    if not fill.is_own:
        return Cause.FOREIGN
    if is_live and not fill.is_recorded:
        return Cause.UNRECORDED
    if look is None:
        return Cause.SPAN
    if look.rests:
        return Cause.QUEUE
    if look.restraint is not None:
        return look.restraint.cause
    cause = _elsewhere(fill, look, look.standing or look.want)
    if cause is not Cause.PRICE:
        return cause
    if look.is_coming or look.apart_ns is not None or look.empty_ns is not None:
        return Cause.TIMING
    return Cause.PRICE if look.standing else Cause.UNKNOWN


def _elsewhere(fill: Fill, look: Look | None, stood: int) -> Cause:
    # Why the other one stood, or would have stood, at other ticks; 0 for nowhere.
    if look is None:
        return Cause.UNKNOWN
    if fill.is_changed or look.is_changed:
        return Cause.OPERATOR
    held = fill.bent or look.bent
    if held is not None:
        return held.cause
    return Cause.INVENTORY if _is_of_inventory(fill, look, stood) else Cause.PRICE


def _is_of_inventory(fill: Fill, look: Look, stood: int) -> bool:
    # What the other inventory would have done to the wanted price is at least half of the way.
    if fill.position == look.position or not look.want_so:
        return False
    if not look.want:
        return not stood
    gap = fill.price - stood
    return bool(gap) and 2 * abs(gap - (look.want_so - look.want)) <= abs(gap)
