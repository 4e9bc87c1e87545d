"""Which fills are asked for, and what they come to by market and side."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from engine.money import ZERO, add, from_units
from engine.types import BUY, SELL, Market, Role, Side
from replay.trails import BPS, HORIZONS_NS, FillTrail


class Wanted(msgspec.Struct, frozen=True):
    """What a fill has to be."""

    market: str = ""
    """Empty for every market."""
    side: Side | None = None
    role: Role | None = None
    since_seq: int = 0
    until_seq: int = 0
    """Inclusive, as all bounds are; 0 for none."""
    since_ns: int = 0
    until_ns: int = 0
    worse_than_bps: float | None = None
    """Lost more than so many basis points at the horizon; a fill without a markout there did not.
    """
    horizon: int = 2
    """Index into `HORIZONS_NS`."""

    def has(self, trail: FillTrail) -> bool:
        """Say whether a fill is asked for."""
        fill, at_ns = trail.fill, trail.filled.at_ns
        if self.worse_than_bps is not None:
            bps = trail.markout_bps(self.horizon)
            if bps is None or bps >= -self.worse_than_bps:
                return False
        return (
            self.market in ("", fill.market)
            and (self.side is None or fill.side is self.side)
            and (self.role is None or fill.role is self.role)
            and self.since_seq <= trail.seq
            and self.since_ns <= at_ns
            and (not self.until_seq or trail.seq <= self.until_seq)
            and (not self.until_ns or at_ns <= self.until_ns)
        )


class MarkoutTotal(msgspec.Struct):
    """Markouts of one horizon, of the fills that have one."""

    fills: int = 0
    negative: int = 0
    gained2: int = 0
    """Half ticks x lots."""
    notional: int = 0
    """Ticks x lots of these fills."""

    @property
    def bps(self) -> float | None:
        """Mean in basis points, weighted by notional; None without a fill."""
        return self.gained2 * BPS / (2 * self.notional) if self.notional else None

    @property
    def negative_share(self) -> float | None:
        """Fills that lost, of those with a markout; None without one."""
        return self.negative / self.fills if self.fills else None


class Total(msgspec.Struct):
    """Fills of one market, of one side or of both; exact."""

    spec: Market
    side: Side | None
    """None for both."""
    fills: int = 0
    maker_fills: int = 0
    qty: int = 0
    notional: int = 0
    """Ticks x lots."""
    spread2: int = 0
    """Half ticks x lots earned against the mid, as the inventory's fold counts it."""
    edge: MarkoutTotal = msgspec.field(default_factory=MarkoutTotal)
    """Against the mid at the fill, of the fills that were not told late."""
    fees: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """Paid, by asset."""
    markouts: tuple[MarkoutTotal, ...] = msgspec.field(
        default_factory=lambda: tuple(MarkoutTotal() for _ in HORIZONS_NS)
    )

    @property
    def spread_amount(self) -> Decimal:
        """`spread2` in the quote asset."""
        return from_units(5 * self.spread2, self.spec.notional_decimals + 1)

    @property
    def notional_amount(self) -> Decimal:
        """`notional` in the quote asset."""
        return from_units(self.notional, self.spec.notional_decimals)

    def add(self, trail: FillTrail) -> None:
        """Count one fill."""
        fill = trail.fill
        notional = fill.price * fill.qty
        self.fills += 1
        self.maker_fills += fill.role is Role.MAKER
        self.qty += fill.qty
        self.notional += notional
        self.spread2 += trail.spread2
        if fill.fee:
            self.fees[fill.fee_asset] = add(self.fees.get(fill.fee_asset, ZERO), fill.fee)
        if trail.filled.mid2 and not trail.is_late:
            _count(self.edge, trail.spread2, notional)
        for index, total in enumerate(self.markouts):
            gained = trail.markout2(index)
            if gained is not None:
                _count(total, gained, notional)


def _count(total: MarkoutTotal, gained2: int, notional: int) -> None:
    total.fills += 1
    total.negative += gained2 < 0
    total.gained2 += gained2
    total.notional += notional


class Totals:
    """Totals of every market, by market and side; a market whose precision changed counts anew."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, int, int], dict[Side | None, Total]] = {}
        self.fills = 0

    def add(self, trail: FillTrail) -> None:
        """Count one fill, for its side and for its market."""
        self.fills += 1
        spec = trail.spec
        key = (spec.name, spec.price_decimals, spec.qty_decimals)
        sides = self._totals.setdefault(key, {})
        for side in (trail.fill.side, None):
            if side not in sides:
                sides[side] = Total(spec, side)
            sides[side].add(trail)

    def rows(self) -> Iterator[Total]:
        """Yield, by market: buys, sells, both."""
        for key in sorted(self._totals):
            sides = self._totals[key]
            yield from (sides[side] for side in (BUY, SELL, None) if side in sides)
