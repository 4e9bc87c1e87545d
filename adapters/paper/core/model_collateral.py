"""Value types of the collateral account: balances, positions, funding (contract 6.5, 6.6)."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum

import msgspec


class PositionSide(StrEnum):
    """Which position an order belongs to: BOTH one-way, else one of hedge mode's two (10.9)."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class Stage(StrEnum):
    """How far the liquidation of a position has gone (6.5, 11.5)."""

    MARGIN_CALL = "margin_call"
    LIQUIDATION = "liquidation"


class CollateralBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Collateral of one asset in units (6.6).

    `available` = balance + P&L - borrowing fees not yet paid - margin, at least 0; `borrow` is what
    positions on margin pairs have been lent, `with_borrow` what a new one could be worth [C].
    """

    asset: str
    balance: int
    unrealized_pnl: int
    margin: int
    available: int
    unrealized_funding: int = 0
    borrow: int = 0
    with_borrow: int = 0


class Borrow(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has been lent of one asset (`borrowsMargin` in 11.5), in units.

    The fee is in the money of the positions; `liquidation_ticks` are None where several positions
    borrow, or nothing liquidates.
    """

    asset: str
    market: str
    amount: int
    opened_us: int
    modified_us: int
    unrealized_funding: int
    liquidation_ticks: int | None


class CollateralSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a collateral account in units (6.6)."""

    equity: int
    margin: int
    free_margin: int
    unrealized_pnl: int
    unrealized_funding: int
    leverage: int


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """An open position (6.5); `lots` signed, money in units, P&L at the mark price.

    `cost` is signed like `lots`; the average entry price is `base_price`, cut to 18 decimals
    (only for display: P&L uses `cost`).
    """

    position_id: int
    market: str
    side: PositionSide
    lots: int
    cost: int
    base_price: Decimal
    realized_pnl: int
    unrealized_pnl: int
    margin: int
    free_margin: int
    opened_us: int
    modified_us: int
    # Borrowing fees of a margin pair, paid and accrued; 0 on a perpetual (6.5).
    funding: int
    unrealized_funding: int
    liquidation_ticks: int | None
    stage: Stage | None
    # Order id and ticks of what closes the position when triggered (10.7).
    take_profit: tuple[int, int] | None = None
    stop_loss: tuple[int, int] | None = None


class PositionEventType(IntEnum):
    """Event ids of `positionsAccountMargin_update` (11.5)."""

    MARGIN_CALL = 1
    LIQUIDATION = 2


class PositionEvent(msgspec.Struct, frozen=True):
    """A position came into danger (`positionsAccountMargin_update`, 11.5)."""

    event: PositionEventType
    account: str
    position: PositionView
    # What was lent for it, on a margin pair.
    borrow: Borrow | None = None


class FundingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One settled funding of a perpetual (10.11); `rate` in 10^-8, longs pay when positive."""

    market: str
    time_us: int
    rate: int
    settlement_ticks: int
    calculated_us: int


class FundingPayment(msgspec.Struct, frozen=True):
    """What one position of `lots` received, or paid when negative, in units (6.5)."""

    event: FundingEvent
    amount: int
    lots: int


class PerpetualView(msgspec.Struct, frozen=True, kw_only=True):
    """Public state of a perpetual (4.2, `premiumIndex` in 11.5); `rate` is the predicted one.

    Mark and index are in ticks, None before anything gave them a price.
    """

    market: str
    mark_ticks: int | None
    index_ticks: int | None
    rate: int
    next_funding_us: int
    open_interest_lots: int


class PositionChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one order did to a position (positions/history, 6.5); money in units.

    `lots` and `cost` are what was left after it, `realized_pnl` has `fee` taken off;
    `funding_fee` is the borrowing fee that was paid with it.
    """

    position_id: int
    market: str
    side: PositionSide
    opened_us: int
    modified_us: int
    lots: int
    cost: int
    funding_paid: int
    stage: Stage | None
    order_id: int
    trade_lots: int
    trade_money: int
    fee: int
    funding_fee: int
    realized_pnl: int


class ClosedPosition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The whole life of a position (positions/closed-pnl, 6.5); `gross_pnl` is without fees."""

    position_id: int
    market: str
    side: PositionSide
    opened_us: int
    closed_us: int
    gross_pnl: int
    fees: int
    funding_paid: int
    entry_lots: int
    entry_money: int
    exit_lots: int
    exit_money: int


class AdlQuantile(msgspec.Struct, frozen=True):
    """Place in the queue of deleveraging by side (6.5): 0 safest to 4, None without a position."""

    market: str
    long: int | None
    short: int | None
