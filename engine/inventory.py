"""Inventory and P&L of one market: the exact fold of its deals.

Everything is an integer (lots, ticks x lots, half ticks x lots) or an exact `Decimal`, so cash,
inventory, fees, interest, funding and P&L balance to the last digit:

    pnl(mark) = cash + net_qty x mark - quote fees - base fees x mark - interest + funding
              = spread + inventory - fees - interest + funding

where `spread` is what each fill earned against the mid at its time and `inventory` is what the
mid's moves then did to what was held.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from engine.funding import Funding
from engine.legs import Legs
from engine.money import EXACT, ZERO, add, from_units, multiply, subtract
from engine.types import Market, Position, Product, Role, Side, VenueFill

# Deals of one market whose ids are remembered one by one; older ones count as seen when their id
# is not above `deal_floor`. A history page is 100 deals, so this spans several pages.
RECENT_DEALS = 500


class Inventory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Fold of the deals of one market since the journal began, over a reported baseline."""

    baseline: Decimal | None = None
    """Base total (spot) or signed position (else) before the first counted deal; None until
    the first reconciliation reported it."""
    quote_baseline: Decimal | None = None
    """Quote asset total at the same moment (spot only)."""
    net_qty: int = 0
    """Lots bought minus lots sold."""
    cash: int = 0
    """Ticks x lots received minus paid."""
    spread: int = 0
    """Half ticks x lots earned against the mid at each fill."""
    base_fees: Decimal = ZERO
    """Fees paid in the base asset; negative is a rebate."""
    quote_fees: Decimal = ZERO
    """Fees paid in the quote asset; negative is a rebate."""
    other_fees: tuple[tuple[str, Decimal], ...] = ()
    """Fees paid in any further asset, by asset name."""
    bought_qty: int = 0
    sold_qty: int = 0
    maker_fills: int = 0
    taker_fills: int = 0
    deal_floor: int = 0
    """Deals with an id not above this are counted already, or from before the baseline."""
    recent_deals: tuple[int, ...] = ()
    """Ids above `deal_floor` that are counted, ascending."""
    interest: Decimal = ZERO
    """Cost of borrowing since the baseline, quote asset (margin only)."""
    interest_position: int = 0
    """Id of the position whose cost was counted last; 0 for none."""
    interest_seen: Decimal = ZERO
    """How much of that position's cost is counted, or from before the baseline."""
    legs: Legs = Legs()
    """Both positions of a market in hedge mode, baseline included; elsewhere untouched."""
    funding: Funding = Funding()
    """Of a perpetual."""

    @property
    def fills(self) -> int:
        return self.maker_fills + self.taker_fills

    @property
    def last_deal(self) -> int:
        """Highest deal id known of."""
        return self.recent_deals[-1] if self.recent_deals else self.deal_floor

    def knows(self, deal_id: int) -> bool:
        """True when the deal is counted already or lies before the baseline."""
        recent = self.recent_deals
        if recent and self.deal_floor < deal_id <= recent[-1]:
            return recent[bisect_left(recent, deal_id)] == deal_id
        return deal_id <= self.deal_floor

    def check(self) -> None:
        """Assert every invariant."""
        assert self.net_qty == self.bought_qty - self.sold_qty, "net is not bought minus sold"
        assert list(self.recent_deals) == sorted(set(self.recent_deals)), "deal ids out of order"
        assert not self.recent_deals or self.recent_deals[0] > self.deal_floor
        assert len(self.recent_deals) <= RECENT_DEALS
        self.funding.check()


def add_fill(inventory: Inventory, market: Market, fill: VenueFill, mid2: int) -> Inventory:
    """Count a deal that `inventory` does not know yet.

    Args:
        inventory: Fold so far.
        market: The deal's market.
        fill: The deal.
        mid2: Best bid plus best ask at the time, ticks (twice the mid); 0 when there was none.
    """
    sign = fill.side.sign
    notional = fill.price * fill.qty
    spread = sign * (mid2 - 2 * fill.price) * fill.qty if mid2 else 0
    base_fees, quote_fees, other_fees = inventory.base_fees, inventory.quote_fees, None
    if fill.fee_asset == market.quote_asset:
        quote_fees = add(quote_fees, fill.fee)
    elif fill.fee_asset == market.base_asset:
        base_fees = add(base_fees, fill.fee)
    elif fill.fee:
        paid = dict(inventory.other_fees)
        paid[fill.fee_asset] = add(paid.get(fill.fee_asset, ZERO), fill.fee)
        other_fees = tuple(sorted(paid.items()))
    floor, recent = _remember(inventory, fill.deal_id)
    is_buy, is_maker = fill.side is Side.BUY, fill.role is Role.MAKER
    return replace(
        inventory,
        net_qty=inventory.net_qty + sign * fill.qty,
        cash=inventory.cash - sign * notional,
        spread=inventory.spread + spread,
        base_fees=base_fees,
        quote_fees=quote_fees,
        other_fees=inventory.other_fees if other_fees is None else other_fees,
        bought_qty=inventory.bought_qty + (fill.qty if is_buy else 0),
        sold_qty=inventory.sold_qty + (0 if is_buy else fill.qty),
        maker_fills=inventory.maker_fills + (1 if is_maker else 0),
        taker_fills=inventory.taker_fills + (0 if is_maker else 1),
        deal_floor=floor,
        recent_deals=recent,
    )


def _remember(inventory: Inventory, deal_id: int) -> tuple[int, tuple[int, ...]]:
    recent = [*inventory.recent_deals]
    insort(recent, deal_id)
    if len(recent) <= RECENT_DEALS:
        return inventory.deal_floor, tuple(recent)
    return recent[0], tuple(recent[1:])


def add_interest(inventory: Inventory, position: Position) -> Inventory:
    """Count what a position has cost since it was counted last; before a baseline, nothing.

    What accrues between the last report of a position and its end is never told, and not counted:
    at most that of a minute, since it is charged by the minute.
    """
    same = position.position_id == inventory.interest_position
    seen = inventory.interest_seen if same else ZERO
    if inventory.baseline is None or (same and position.interest == seen):
        return inventory
    return replace(
        inventory,
        interest=add(inventory.interest, subtract(position.interest, seen)),
        interest_position=position.position_id,
        interest_seen=position.interest,
    )


def base_total(inventory: Inventory, market: Market) -> Decimal | None:
    """Base asset held (spot) or signed position (else) by the fold; None before a baseline."""
    if inventory.baseline is None:
        return None
    traded = from_units(inventory.net_qty, market.qty_decimals)
    return subtract(add(inventory.baseline, traded), inventory.base_fees)


def quote_total(inventory: Inventory, market: Market) -> Decimal | None:
    """Quote asset held by the fold (spot); None before a baseline."""
    if inventory.quote_baseline is None:
        return None
    cash = from_units(inventory.cash, market.notional_decimals)
    return subtract(add(inventory.quote_baseline, cash), inventory.quote_fees)


def position_lots(inventory: Inventory, market: Market, target: int) -> int:
    """Inventory against its target, whole lots (a part of a lot is dropped towards zero)."""
    total = base_total(inventory, market)
    if total is None:
        return 0
    lots = int(total.scaleb(market.qty_decimals, context=EXACT))
    return lots - target if market.product is Product.SPOT else lots


class Pnl(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """P&L of the deals counted so far, quote asset, exact.

    total = spread + inventory - fees - interest + funding
    """

    total: Decimal
    spread: Decimal
    inventory: Decimal
    fees: Decimal
    """Fees paid, base fees at the mark; negative is a rebate."""
    interest: Decimal = ZERO
    """Cost of borrowing (margin only)."""
    unknown_fees: tuple[tuple[str, Decimal], ...] = ()
    """Fees in further assets, by name: nobody tells what these are worth, so they are not in
    `total`, which is not the whole truth while there are any."""
    funding: Decimal = ZERO
    """Funding received less paid (perpetuals only)."""
    unknown_funding_s: int = 0
    """The last settlement, Unix seconds, when it or one before it paid what is not told yet, and
    so is not in `total`; 0 when all is known."""


def pnl(inventory: Inventory, market: Market, mid2: int) -> Pnl:
    """Value the deals at a mark.

    Args:
        inventory: The fold.
        market: Its market.
        mid2: Twice the mid price, ticks; 0 when there is no two-sided market, which values what
            is held at nothing.
    """
    half_tick_decimals = market.notional_decimals
    gross2 = 2 * inventory.cash + inventory.net_qty * mid2
    half = Decimal("0.5")
    gross = multiply(from_units(gross2, half_tick_decimals), half)
    spread = multiply(from_units(inventory.spread, half_tick_decimals), half)
    mark = multiply(from_units(mid2, market.price_decimals), half)
    fees = add(inventory.quote_fees, multiply(inventory.base_fees, mark))
    interest, funding = inventory.interest, inventory.funding
    return Pnl(
        total=add(subtract(gross, add(fees, interest)), funding.received),
        spread=spread,
        inventory=subtract(gross, spread),
        fees=fees,
        interest=interest,
        unknown_fees=inventory.other_fees,
        funding=funding.received,
        unknown_funding_s=funding.settled_s if funding.unknown else 0,
    )
