"""The figures that the limits watch over time: P&L of the day, its peak, fills of the last minute.

Folded from fills and timers, so that a decision has only to compare. P&L is in half units: halves
of a tick x lot of the market, as integers. It is marked at the mid, and what is not whole (a fee
may have more decimals than the market) is rounded against us.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from math import lcm

import msgspec
from msgspec.structs import replace

from engine.inventory import Inventory
from engine.money import add, subtract
from engine.types import BUY, Market, Side

NS_PER_DAY = 86_400 * 1_000_000_000
FILLS_SPAN_NS = 60 * 1_000_000_000
"""Fills are counted over the last minute."""


class Watch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Figures of one market over time."""

    day: int = 0
    """UTC day of `day_pnl2`, days since the Unix epoch; 0 before the first mark."""
    pnl2: int = 0
    """P&L at the last mark, half units."""
    day_pnl2: int = 0
    """P&L at which the day began, half units."""
    peak_pnl2: int = 0
    """Highest P&L seen, half units."""
    buy_fills_ns: tuple[int, ...] = ()
    """When our bids were filled in the last minute, oldest first; as many as the limit needs."""
    sell_fills_ns: tuple[int, ...] = ()
    mid2: int = 0
    """Twice the mid of the last mark, ticks; 0 before the first."""

    @property
    def loss2(self) -> int:
        """Lost since the day began, half units; negative when won."""
        return self.day_pnl2 - self.pnl2

    @property
    def drawdown2(self) -> int:
        """Lost since the highest P&L, half units, >= 0."""
        return self.peak_pnl2 - self.pnl2

    def check(self) -> None:
        """Assert every invariant."""
        assert self.pnl2 <= self.peak_pnl2, "P&L above its peak"


def pnl2(inventory: Inventory, market: Market, mid2: int) -> int:
    """Return the P&L of the deals counted so far, half units, rounded down.

    Fees in a further asset than the market's two are not in it. Funding that is not told yet is, at
    what it is expected to cost.

    Args:
        inventory: The fold of the deals.
        market: Its market.
        mid2: Twice the mid, ticks, > 0.
    """
    funding = inventory.funding
    fixed, each, scale = _costs2(
        inventory.quote_fees,
        inventory.interest,
        funding.received,
        funding.foretold,
        inventory.base_fees,
        market.notional_decimals,
        market.qty_decimals,
    )
    return 2 * inventory.cash + inventory.net_qty * mid2 + -(fixed + each * mid2) // scale


@lru_cache(maxsize=256)
def _costs2(
    quote_fees: Decimal,
    interest: Decimal,
    received: Decimal,
    foretold: Decimal,
    base_fees: Decimal,
    notional_decimals: int,
    qty_decimals: int,
) -> tuple[int, int, int]:
    # Costs in half units are (fixed + each x mid2) / scale. They change with a deal and are marked
    # ten times a second, so integers are kept of what is a decimal.
    costs = subtract(add(add(quote_fees, interest), foretold), received)
    quote, quote_scale = costs.as_integer_ratio()
    base, base_scale = base_fees.as_integer_ratio()
    scale = lcm(quote_scale, base_scale)
    fixed = 2 * 10**notional_decimals * quote * (scale // quote_scale)
    return fixed, 10**qty_decimals * base * (scale // base_scale), scale


def marked(watch: Watch, inventory: Inventory, market: Market, mid2: int, now_ns: int) -> Watch:
    """Return the figures at a new mark; the first of a UTC day is what the day began with.

    Args:
        watch: The figures before.
        inventory: The fold of the deals.
        market: Its market.
        mid2: Twice the mid, ticks; 0 without a two-sided market, which leaves the last P&L.
        now_ns: State time.
    """
    day = now_ns // NS_PER_DAY
    if not mid2:
        turned = 0 < watch.day < day
        return replace(watch, day=day, day_pnl2=watch.pnl2) if turned else watch
    value2 = pnl2(inventory, market, mid2)
    if value2 == watch.pnl2 and mid2 == watch.mid2 and day == watch.day:
        return watch
    return replace(valued(watch, value2, now_ns), mid2=mid2)


def valued(watch: Watch, value2: int, now_ns: int) -> Watch:
    """Return the figures at a new P&L; the first of a UTC day is what the day began with.

    Args:
        watch: The figures before.
        value2: P&L, half units.
        now_ns: State time.
    """
    day = now_ns // NS_PER_DAY
    if not watch.day:
        return replace(watch, day=day, pnl2=value2, day_pnl2=value2, peak_pnl2=value2)
    after = replace(watch, pnl2=value2, peak_pnl2=max(watch.peak_pnl2, value2))
    # A day begins with what the last one ended with.
    return replace(after, day=day, day_pnl2=watch.pnl2) if day > watch.day else after


def filled(watch: Watch, side: Side, fills_max: int, now_ns: int) -> Watch:
    """Count a fill.

    Args:
        watch: The figures before.
        side: Of our order.
        fills_max: The limit: one more than this are remembered.
        now_ns: State time.
    """
    before = watch.buy_fills_ns if side is BUY else watch.sell_fills_ns
    oldest_ns = now_ns - FILLS_SPAN_NS
    gone = 0
    while gone < len(before) and before[gone] <= oldest_ns:
        gone += 1
    fills_ns = (*before[gone:], now_ns)[-fills_max - 1 :]
    if side is BUY:
        return replace(watch, buy_fills_ns=fills_ns)
    return replace(watch, sell_fills_ns=fills_ns)


def carried(watch: Watch, now_ns: int) -> Watch:
    """Return what a run begins with of the figures that an earlier one left.

    What lies ahead was stamped by a clock that was ahead: it counts as of now, or the day would not
    turn, and the minute not end, for as long.
    """
    day = min(watch.day, now_ns // NS_PER_DAY)
    buys = tuple([min(at_ns, now_ns) for at_ns in watch.buy_fills_ns])
    sells = tuple([min(at_ns, now_ns) for at_ns in watch.sell_fills_ns])
    return replace(watch, day=day, buy_fills_ns=buys, sell_fills_ns=sells)


def forgiven(watch: Watch) -> Watch:
    """Begin anew, as after a human re-enabled: losses and fills count from now on."""
    return replace(
        watch,
        day_pnl2=watch.pnl2,
        peak_pnl2=watch.pnl2,
        buy_fills_ns=(),
        sell_fills_ns=(),
    )
