"""What margin pairs lend to an account, and could lend (6.6, `borrowsMargin` in 11.5)."""

from __future__ import annotations

import msgspec

from adapters.paper.core.ledger import Account, Seat
from adapters.paper.core.model import Borrow, CollateralBalance, PositionSide
from adapters.paper.core.position_views import collateral_balance, liquidation_ticks


def lent_to(seat: Seat) -> tuple[str, int] | None:
    """Return (asset, units) that a position on a margin pair has borrowed, None for nothing."""
    position, spec = seat.held[PositionSide.BOTH], seat.market.spec
    if seat.market.pool is None or not position.lots:
        return None
    if position.lots > 0:
        return spec.quote_asset, position.cost
    return spec.base_asset, -position.lots * seat.market.lot_unit


def borrow_of(seat: Seat) -> Borrow | None:
    """Return what one position has borrowed."""
    lent = lent_to(seat)
    if lent is None:
        return None
    position = seat.held[PositionSide.BOTH]
    return Borrow(
        asset=lent[0],
        market=seat.market.spec.name,
        amount=lent[1],
        opened_us=position.opened_us,
        modified_us=position.modified_us,
        unrealized_funding=position.accrued,
        liquidation_ticks=liquidation_ticks(seat),
    )


def borrows(account: Account) -> list[Borrow]:
    """Return one record for each borrowed asset, whichever positions borrow it."""
    found: dict[str, Borrow] = {}
    for seat in account.seats.values():
        each = borrow_of(seat)
        if each is not None:
            before = found.get(each.asset)
            found[each.asset] = each if before is None else _together(before, each)
    return list(found.values())


def _together(one: Borrow, other: Borrow) -> Borrow:
    return Borrow(
        asset=one.asset,
        market=one.market,
        amount=one.amount + other.amount,
        opened_us=min(one.opened_us, other.opened_us),
        modified_us=max(one.modified_us, other.modified_us),
        unrealized_funding=one.unrealized_funding + other.unrealized_funding,
        liquidation_ticks=None,
    )


def assets(account: Account) -> list[str]:
    """Return what an account has collateral in or may borrow."""
    lent = [seat.market.spec.base_asset for seat in account.seats.values() if seat.market.pool]
    return list(dict.fromkeys([*account.collateral, *lent]))


def balance(account: Account, asset: str) -> CollateralBalance:
    """Return the collateral in one asset with what is borrowed of it (6.6).

    An asset that no position settles in has a balance of 0.
    """
    if asset in account.collateral:
        held = collateral_balance(account, asset)
    else:
        held = CollateralBalance(asset=asset, balance=0, unrealized_pnl=0, margin=0, available=0)
    lent = [lent_to(seat) for seat in account.seats.values()]
    return msgspec.structs.replace(
        held,
        borrow=sum(each[1] for each in lent if each is not None and each[0] == asset),
        with_borrow=_with_borrow(account, held),
    )


def _with_borrow(account: Account, held: CollateralBalance) -> int:
    """Return how large a position the free collateral allows, in the asset that it borrows [C].

    That is money for a long, and for a short stock in whole lots at the mark price.
    """
    most, stock = held.available, 0
    for seat in account.seats.values():
        market, spec = seat.market, seat.market.spec
        if market.pool is None:
            continue
        if spec.quote_asset == held.asset:
            most = max(most, held.available * seat.leverage)
        elif spec.base_asset == held.asset:
            mark = market.mark_ticks()
            if mark is not None:
                free = collateral_balance(account, spec.quote_asset).available * seat.leverage
                stock += free // (mark * market.notional_unit) * market.lot_unit
    return most + stock
