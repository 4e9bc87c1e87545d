"""Margin calls and liquidation in steps, judged at the mark price once a second (10.12).

Below `margin_call_ratio` x maintenance the account's positions get a margin call, below the
maintenance they are liquidated: each second a part of one position is closed at the market, of the
smallest on a margin pair or else of the perpetual that needs the most, until the equity suffices
again or nothing is left. What a closed account still owes is paid by the insurance fund, which may
itself go below zero, so totals stay conserved.
"""

from __future__ import annotations

from adapters.paper.core import closing
from adapters.paper.core.borrows import borrow_of
from adapters.paper.core.ledger import Account, Ledger, Seat
from adapters.paper.core.margin import Position
from adapters.paper.core.matching import Matcher
from adapters.paper.core.model import (
    ExchangeConfig,
    PositionEvent,
    PositionEventType,
    Stage,
    Status,
    to_rate,
)
from adapters.paper.core.position_views import collateral_balance, maintenance, position_view

_RATE_ONE = 10**8
_EVENTS = {
    Stage.MARGIN_CALL: PositionEventType.MARGIN_CALL,
    Stage.LIQUIDATION: PositionEventType.LIQUIDATION,
}


class Liquidator:
    """Watches the collateral of all accounts but the background's."""

    def __init__(
        self,
        config: ExchangeConfig,
        accounts: dict[str, Account],
        ledger: Ledger,
        matcher: Matcher,
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._matcher = matcher
        self._call_rate = to_rate(config.margin_call_ratio)
        self._step_rate = to_rate(config.liquidation_step)

    def check(self) -> bool:
        """Do what the marks of this second ask for; True while somebody is being liquidated."""
        busy = False
        for account in self._accounts.values():
            if not account.background:
                for asset in account.collateral:
                    busy |= self._check(account, asset)
        return busy

    def _check(self, account: Account, asset: str) -> bool:
        held = [(s, p) for s in account.margin_seats(asset) for p in s.positions if p.lots]
        if not held:
            if account.collateral[asset] < 0:
                self._ledger.cover(account, asset)
            return False
        stage = self._stage(account, asset)
        for seat, position in held:
            self._enter_stage(seat, position, stage)
        if stage is Stage.LIQUIDATION:
            seat = _first([seat for seat, _ in held])
            self._liquidate(seat, max(seat.positions, key=lambda each: abs(each.lots)))
        return stage is Stage.LIQUIDATION

    def _stage(self, account: Account, asset: str) -> Stage | None:
        seats = account.margin_seats(asset)
        equity = account.collateral[asset] + sum(seat.floating() for seat in seats)
        needed = sum(maintenance(seat) for seat in seats)
        if equity < needed:
            return Stage.LIQUIDATION
        if equity * _RATE_ONE < needed * self._call_rate:
            return Stage.MARGIN_CALL
        return None

    def _enter_stage(self, seat: Seat, position: Position, stage: Stage | None) -> None:
        before, position.stage = position.stage, stage
        if stage is Stage.LIQUIDATION and before is not Stage.LIQUIDATION:
            position.liquidation_lots = -(-abs(position.lots) * self._step_rate // _RATE_ONE)
        # A position that recovers from its liquidation is not called again (G-29).
        if stage in (None, before) or before is Stage.LIQUIDATION:
            return
        free = collateral_balance(seat.account, seat.market.spec.quote_asset).available
        view = position_view(seat, position, free)
        event = PositionEvent(_EVENTS[stage], seat.account.spec.name, view, borrow_of(seat))
        self._matcher.outbox.append(event)

    def _liquidate(self, seat: Seat, position: Position) -> None:
        for order in list(seat.orders.values()):
            # Spot orders stay, and a leg may be gone with the other one of its pair.
            if order.collateral and order.order_id in seat.orders:
                self._matcher.cancel(seat, order, Status.AUTO_CANCELED_LIQUIDATION)
        self._matcher.finish(seat.market)
        lots = min(position.liquidation_lots, abs(position.lots))
        order = closing.closing_order(self._matcher, seat, position, lots)
        order.source = "liquidation"
        order.client_order_id = f"liquidation_{order.order_id}_!"
        # Without a book there is nobody to sell to; the next second tries again.
        if seat.market.opposite(order.side)[0].keys:
            closing.submit(self._matcher, seat, order)


def _first(seats: list[Seat]) -> Seat:
    """Return what is liquidated first: margin positions from the smallest on, then futures."""
    lent = [seat for seat in seats if seat.market.pool is not None]
    return min(lent, key=maintenance) if lent else max(seats, key=maintenance)
