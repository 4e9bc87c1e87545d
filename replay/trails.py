"""The whole trail of one fill of ours: why we were there, how long it took, what it was worth.

Made by `replay/tracer.py` in one pass over a journal, and read by everything that talks of fills.
Prices are ticks and quantities lots of `spec`; whatever has a `2` in its name counts halves, so
that a mid is exact. Amounts of money are exact `Decimal`s of the quote asset.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.money import ZERO, add, from_units, multiply
from engine.top import Top
from engine.types import BUY, Market, Role, Side, Stp, VenueFill

MS = 1_000_000
HORIZONS_NS = (100 * MS, 1_000 * MS, 5_000 * MS, 30_000 * MS, 60_000 * MS)
"""After each fill the market is looked at again when these have passed."""

LATE_NS = HORIZONS_NS[0]
"""A deal of the history that is older than this by the venue's clock is late."""

BPS = 10_000


class ParameterSet(msgspec.Struct, frozen=True):
    """What a market was quoted by for a while."""

    index: int
    """Counts the sets of a journal from 1, in the order of their first appearance."""
    digest: str
    """Of strategy and parameters, 12 hexadecimal digits: equal sets of two journals are equal."""
    market: str
    strategy: str
    """Name under which it is registered."""
    parameters: str
    """As a JSON object."""
    since_seq: int
    """First decision under it."""


class Cause(msgspec.Struct, frozen=True, gc=False):
    """A record that something followed from."""

    seq: int
    at_ns: int
    kind: str
    """Class of its event."""
    venue_us: int = 0
    """When the venue sent it; 0 where it does not say."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What was known of a market when a record came."""

    seq: int
    at_ns: int
    """When the record was taken in."""
    mid2: int
    """Twice the mid, ticks, merged from depth and ticker, as P&L counts it; 0 without one."""
    top: Top
    """Best prices and quantities of everybody else: merged, net of ours."""


class Leg(msgspec.Struct, frozen=True):
    """One stay of an order at one price: from its place, or from a modify, until that ends."""

    client_order_id: str
    number: int
    """0 of a place, 1 of its first modify; -1 where the journal does not hold its beginning."""
    side: Side
    price: int
    qty: int
    level: int
    """In the ladder when it was decided on."""
    stp: Stp
    rpi: bool
    post_only: bool
    run_id: str
    """Run that decided on it."""
    parameters: ParameterSet | None
    """In force at the decision; these and all below None where the journal does not tell."""
    frame: Cause | None
    """Newest market frame folded before the decision."""
    trigger: Cause | None
    """Record before the decision: what had the engine decide."""
    decided: Moment | None
    sent: Moment | None
    acknowledged: Moment | None = None
    """First fact from the venue that showed it resting at its price; None if a fill came first."""
    acknowledged_by: str = ""
    """`answer`, `push` or `listing`."""


class QueuePoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change of the estimate."""

    seq: int
    ahead: int
    """Lots of others before us at our price, at the most."""
    total: int
    """Lots the book shows at our price, ours included once it shows them."""


NOT_YET = "not yet"
"""Of a markout whose horizon the journal ends before."""


class Markout(msgspec.Struct, frozen=True, gc=False):
    """The market some time after a fill."""

    horizon_ns: int
    seq: int = 0
    """First record at or after the horizon; 0 if there is none."""
    at_ns: int = 0
    mid2: int = 0
    """After that record; 0 if `missing`."""
    missing: str = ""
    """Why there is no mid: `not yet`, `not trusted`, `learned late`, `not quoted`, `other
    units`."""


class FillTrail(msgspec.Struct, frozen=True):
    """One fill of ours with its history and its aftermath."""

    fill: VenueFill
    spec: Market
    leg: Leg | None
    """None if the journal does not hold the order."""
    level: int | None
    """In the ladder when it was filled; None where that is not known."""
    filled: Moment
    """Before the record that counted it was folded."""
    told_by: str
    """`push`, or `history` where no push came: `filled` is when it was told."""
    is_late: bool
    """History told of it so long after it happened that `filled` says nothing of the market at
    its time: no markouts, and its edge is only what the inventory's fold counted."""
    spread2: int
    """Half ticks x lots earned against the mid, as `engine.inventory` counts it."""
    position_before: int
    """Lots against the target."""
    position_after: int
    queue: tuple[QueuePoint, ...]
    """Path of the estimate until the fill, thinned where it is long; the last point is the
    estimate at the fill. Empty for RPI orders and for what was never shown to rest."""
    markouts: tuple[Markout, ...]
    """As many as `HORIZONS_NS`."""

    @property
    def seq(self) -> int:
        return self.filled.seq

    @property
    def notional(self) -> Decimal:
        """Price x quantity, quote asset."""
        return from_units(self.fill.price * self.fill.qty, self.spec.notional_decimals)

    @property
    def edge(self) -> Decimal | None:
        """Earned against the mid at the fill, quote asset; None without a mid."""
        return self._amount(self.spread2) if self.filled.mid2 else None

    @property
    def fee_value(self) -> Decimal | None:
        """The fee in the quote asset, one in the base asset at the fill's price; None in others."""
        fill = self.fill
        if fill.fee_asset == self.spec.quote_asset or not fill.fee:
            return fill.fee
        if fill.fee_asset == self.spec.base_asset:
            return multiply(fill.fee, from_units(fill.price, self.spec.price_decimals))
        return None

    @property
    def edge_bps(self) -> float | None:
        """The edge in basis points of the fill's price; for statistics."""
        return self._bps(self.spread2) if self.filled.mid2 else None

    def markout2(self, index: int) -> int | None:
        """Half ticks x lots gained against the mid of a horizon; None if that is missing."""
        mid2 = self.markouts[index].mid2
        return gained2(self.fill, mid2) if mid2 else None

    def markout(self, index: int) -> Decimal | None:
        """As `markout2`, in the quote asset."""
        gained = self.markout2(index)
        return None if gained is None else self._amount(gained)

    def markout_bps(self, index: int) -> float | None:
        """As `markout2`, in basis points of the fill's price; for statistics."""
        gained = self.markout2(index)
        return None if gained is None else self._bps(gained)

    @property
    def queue_ahead(self) -> int | None:
        """Lots of others before us at the fill, at the most; None if that cannot be told."""
        return self.queue[-1].ahead if self.queue else None

    @property
    def age_ns(self) -> int | None:
        """How long the quote had been shown; since it was sent if nothing had shown it."""
        leg = self.leg
        since = None if leg is None else leg.acknowledged or leg.sent
        return None if since is None else self.filled.at_ns - since.at_ns

    @property
    def frame_to_decision_ns(self) -> int | None:
        leg = self.leg
        if leg is None or leg.frame is None or leg.decided is None:
            return None
        return leg.decided.at_ns - leg.frame.at_ns

    @property
    def decision_to_sent_ns(self) -> int | None:
        leg = self.leg
        if leg is None or leg.decided is None or leg.sent is None:
            return None
        return leg.sent.at_ns - leg.decided.at_ns

    @property
    def sent_to_acknowledged_ns(self) -> int | None:
        leg = self.leg
        if leg is None or leg.sent is None or leg.acknowledged is None:
            return None
        return leg.acknowledged.at_ns - leg.sent.at_ns

    def _amount(self, half_units: int) -> Decimal:
        # Half of 10^-d is 5 x 10^-(d+1), exactly.
        return from_units(5 * half_units, self.spec.notional_decimals + 1)

    def _bps(self, half_units: int) -> float:
        return half_units * BPS / (2 * self.fill.price * self.fill.qty)


def gained2(fill: VenueFill, mid2: int) -> int:
    """Half ticks x lots that a fill has gained at a mid, > 0."""
    return fill.side.sign * (mid2 - 2 * fill.price) * fill.qty


class Sums(msgspec.Struct):
    """Exact totals of fills of one market, part by part those of `engine.inventory.Inventory`."""

    maker_fills: int = 0
    taker_fills: int = 0
    bought_qty: int = 0
    sold_qty: int = 0
    cash: int = 0
    """Ticks x lots received minus paid."""
    spread2: int = 0
    """Half ticks x lots earned against the mid at each fill."""
    fees: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """Paid, by asset; negative is a rebate."""

    @property
    def fills(self) -> int:
        return self.maker_fills + self.taker_fills

    def add(self, fill: VenueFill, spread2: int) -> None:
        """Count one fill."""
        if fill.role is Role.MAKER:
            self.maker_fills += 1
        else:
            self.taker_fills += 1
        if fill.side is BUY:
            self.bought_qty += fill.qty
        else:
            self.sold_qty += fill.qty
        self.cash -= fill.side.sign * fill.price * fill.qty
        self.spread2 += spread2
        if fill.fee:
            self.fees[fill.fee_asset] = add(self.fees.get(fill.fee_asset, ZERO), fill.fee)
