"""What the report says of fills: markouts, the worst ones, latency, fees."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import msgspec

from engine.money import ZERO, add, from_units
from engine.types import Role, Side
from replay.fill_rows import HORIZON_NAMES, fill_row, plain, rounded_bps
from replay.fill_totals import MarkoutTotal
from replay.histogram import Histogram
from replay.report.quoting import spread
from replay.trails import HORIZONS_NS, FillTrail

WORST = 20
WORST_HORIZON = 2
"""Index into `HORIZONS_NS`: the fills that had lost the most by then."""
FILLED_QUOTES = 10_000
"""Quotes whose deals are known to belong together; a quote's come within its own life."""
LEGS = ("frame_to_decision_ns", "decision_to_sent_ns", "sent_to_acknowledged_ns", "age_ns")

Key = tuple[str, str, int | None, bool | None]
"""Market, side, level, RPI (both None where that is not known)."""


class Curve(msgspec.Struct):
    """Edge and markouts of some fills."""

    fills: int = 0
    points: tuple[MarkoutTotal, ...] = msgspec.field(
        default_factory=lambda: tuple(MarkoutTotal() for _ in range(1 + len(HORIZONS_NS)))
    )
    """At the fill, then at each horizon."""

    def add(self, trail: FillTrail) -> None:
        notional = trail.fill.price * trail.fill.qty
        self.fills += 1
        at_fill = trail.spread2 if trail.filled.mid2 and not trail.is_late else None
        later = [trail.markout2(index) for index in range(len(HORIZONS_NS))]
        for point, gained in zip(self.points, (at_fill, *later), strict=True):
            if gained is not None:
                point.fills += 1
                point.negative += gained < 0
                point.gained2 += gained
                point.notional += notional

    def row(self) -> dict[str, Any]:
        names = ("fill", *HORIZON_NAMES)
        bps = {name: rounded_bps(point.bps) for name, point in zip(names, self.points, strict=True)}
        counts = {name: point.fills for name, point in zip(names, self.points, strict=True)}
        return {"fills": self.fills, "bps": bps, "counts": counts}


class Fees(msgspec.Struct):
    """Of one asset."""

    paid: Decimal = ZERO
    rebates: Decimal = ZERO


class Fills:
    """Fills of the window, as their trails come out."""

    def __init__(self) -> None:
        self.count = 0
        self.makers = 0
        self.late = 0
        self.curves: dict[Key, Curve] = {}
        self.sums: dict[str, tuple[int, int, Decimal]] = {}
        """Deals, quotes that had one, quantity, by market."""
        self.notional: dict[str, Decimal] = {}
        """By quote asset."""
        self.fees: dict[str, Fees] = {}
        self.legs = {leg: Histogram() for leg in LEGS}
        self._worst: list[tuple[Decimal, int, FillTrail]] = []
        self._filled: OrderedDict[tuple[str, int, int], None] = OrderedDict()

    def add(self, trail: FillTrail) -> None:
        """Count one fill."""
        fill, spec = trail.fill, trail.spec
        self.count += 1
        self.makers += fill.role is Role.MAKER
        self.late += trail.is_late
        rpi = None if trail.leg is None else trail.leg.rpi
        key = (fill.market, "buy" if fill.side is Side.BUY else "sell", trail.level, rpi)
        if key not in self.curves:
            self.curves[key] = Curve()
        self.curves[key].add(trail)
        asset = spec.quote_asset
        self.notional[asset] = add(self.notional.get(asset, ZERO), trail.notional)
        self._quote(trail)
        if fill.fee:
            fees = self.fees.setdefault(fill.fee_asset, Fees())
            if fill.fee > 0:
                fees.paid = add(fees.paid, fill.fee)
            else:
                fees.rebates = add(fees.rebates, -fill.fee)
        for leg, histogram in self.legs.items():
            took_ns = getattr(trail, leg)
            if took_ns is not None:
                histogram.add(took_ns)
        self._rank(trail)

    def _quote(self, trail: FillTrail) -> None:
        fill = trail.fill
        number = -1 if trail.leg is None else trail.leg.number
        quote = (fill.client_order_id, number, fill.order_id)
        is_new = quote not in self._filled
        self._filled[quote] = None
        self._filled.move_to_end(quote)
        if len(self._filled) > FILLED_QUOTES:
            self._filled.popitem(last=False)
        deals, quotes, qty = self.sums.get(fill.market, (0, 0, ZERO))
        qty = add(qty, from_units(fill.qty, trail.spec.qty_decimals))
        self.sums[fill.market] = (deals + 1, quotes + is_new, qty)

    def _rank(self, trail: FillTrail) -> None:
        # Basis points are the same in every quote asset.
        lost = trail.markout2(WORST_HORIZON)
        if lost is None or lost >= 0:
            return
        bps = -Decimal(lost) / (2 * trail.fill.price * trail.fill.qty)
        heapq.heappush(self._worst, (bps, -trail.seq, trail))
        if len(self._worst) > WORST:
            heapq.heappop(self._worst)

    def worst(self) -> list[dict[str, Any]]:
        """Return the fills that lost the most, in basis points, the worst first."""
        ranked = sorted(self._worst, key=lambda each: each[:2], reverse=True)
        return [fill_row(trail) for _, _, trail in ranked]

    def markouts(self) -> list[dict[str, Any]]:
        """Return edge and markouts by market, side, level and RPI, with their counts."""
        return [
            {
                "market": market,
                "side": side,
                "level": level,
                "rpi": rpi,
                **self.curves[market, side, level, rpi].row(),
            }
            for market, side, level, rpi in sorted(self.curves, key=_key)
        ]

    def grouped(self, key: Any) -> dict[Any, dict[str, Any]]:
        """Return one curve for each group; `key` names the group, None leaves out."""
        found: dict[Any, Curve] = {}
        for each in sorted(self.curves, key=_key):
            group = key(*each)
            if group is not None:
                curve, into = self.curves[each], found.setdefault(group, Curve())
                into.fills += curve.fills
                for point, other in zip(into.points, curve.points, strict=True):
                    point.fills += other.fills
                    point.negative += other.negative
                    point.gained2 += other.gained2
                    point.notional += other.notional
        return {group: curve.row() for group, curve in found.items()}

    def latency(self) -> list[dict[str, Any]]:
        """Return the legs from frame to fill, of the orders that were filled."""
        return [{"leg": leg, **spread(histogram)} for leg, histogram in self.legs.items()]

    def fee_rows(self) -> dict[str, Any]:
        """Return what was paid and got back, by asset."""
        return {
            asset: {"paid": plain(fees.paid), "rebates": plain(fees.rebates)}
            for asset, fees in sorted(self.fees.items())
        }


def _key(key: Key) -> tuple[str, str, int, int]:
    market, side, level, rpi = key
    return market, side, -1 if level is None else level, -1 if rpi is None else int(rpi)
