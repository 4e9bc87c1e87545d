"""How a collateral account stands: balances, equity, maintenance, positions (10.9, 10.12)."""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal

from adapters.paper.core.conditionals import position_trigger
from adapters.paper.core.ledger import Account, Seat
from adapters.paper.core.margin import Position, initial_margin
from adapters.paper.core.market import Market
from adapters.paper.core.model import UNIT_DECIMALS, CollateralBalance, PositionView

_RATE_ONE = 10**8
# Maintenance margin: 3 % up to 10x, above it half of what is needed to open [C, 10.12].
_MAINTENANCE_MAX = _RATE_ONE * 3 // 100
# The average entry is for display only and need not be a finite decimal.
_DISPLAY = Context(prec=60, rounding=ROUND_DOWN)
_DISPLAY_STEP = Decimal(1).scaleb(-UNIT_DECIMALS)


def maintenance_rate(leverage: int) -> int:
    """Return the maintenance margin of a notional in 10^-8."""
    return min(_MAINTENANCE_MAX, _RATE_ONE // (2 * leverage))


def maintenance(seat: Seat) -> int:
    """Return the maintenance margin of a seat's positions at the mark price, in units."""
    lots = sum(abs(position.lots) for position in seat.positions)
    mark = seat.market.mark_ticks() if lots else None
    if mark is None:
        return 0
    return lots * mark * maintenance_rate(seat.leverage) * seat.market.notional_fee_unit


def collateral_balance(account: Account, asset: str) -> CollateralBalance:
    """Return the collateral of one asset (6.6)."""
    balance, seats = account.collateral[asset], account.margin_seats(asset)
    pnl = sum(seat.unrealized_pnl() for seat in seats)
    funding = sum(seat.accrued for seat in seats)
    margin = sum(seat.margin() for seat in seats)
    return CollateralBalance(
        asset=asset,
        balance=balance,
        unrealized_pnl=pnl,
        unrealized_funding=funding,
        margin=margin,
        available=max(balance + pnl - funding - margin, 0),
    )


def liquidation_ticks(seat: Seat) -> int | None:
    """Return the mark price that begins the liquidation, all other prices staying; None for none.

    Equity and maintenance are straight lines in the mark, so it is the first tick beyond the point
    where they meet. Both positions of hedge mode have the same one.
    """
    account, market = seat.account, seat.market
    asset = market.spec.quote_asset
    spare = account.collateral[asset] - seat.cost - seat.accrued
    for other in account.margin_seats(asset):
        if other is not seat:
            spare += other.floating() - maintenance(other)
    gross = sum(abs(position.lots) for position in seat.positions)
    slope = gross * maintenance_rate(seat.leverage) - seat.lots * _RATE_ONE
    slope *= market.notional_fee_unit
    if slope > 0:
        return max(spare // slope + 1, 1)
    if slope == 0:
        return None
    # The highest tick below the point; without a positive one there is none.
    return max(-(spare // -slope) - 1, 0) or None


def average_price(market: Market, money: int, lots: int) -> Decimal:
    """Return the average price of `lots` that cost `money` units, cut to 18 decimals."""
    shares = abs(lots) * market.notional_unit
    ticks = _DISPLAY.divide(Decimal(abs(money)), Decimal(shares))
    price = _DISPLAY.scaleb(ticks, -market.spec.money_prec)
    return price.quantize(_DISPLAY_STEP, context=_DISPLAY)


def position_view(seat: Seat, held: Position, free_margin: int) -> PositionView:
    """Return a copy of a position for display; `free_margin` is the account's."""
    return PositionView(
        position_id=held.position_id,
        market=seat.market.spec.name,
        side=held.side,
        lots=held.lots,
        cost=held.cost,
        base_price=average_price(seat.market, held.cost, held.lots),
        realized_pnl=held.realized_pnl,
        unrealized_pnl=held.unrealized_pnl(),
        margin=initial_margin(abs(held.cost), seat.leverage),
        free_margin=free_margin,
        opened_us=held.opened_us,
        modified_us=held.modified_us,
        funding=held.funding_paid if seat.market.pool is not None else 0,
        unrealized_funding=held.accrued,
        liquidation_ticks=liquidation_ticks(seat),
        stage=held.stage,
        take_profit=_trigger(seat, held, above=held.lots > 0),
        stop_loss=_trigger(seat, held, above=held.lots < 0),
    )


def _trigger(seat: Seat, held: Position, *, above: bool) -> tuple[int, int] | None:
    found = position_trigger(seat, held.side, above=above)
    return None if found is None else (found.order_id, found.trigger_ticks)
