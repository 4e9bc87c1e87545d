"""What became of positions: one record per order that changed one, one per closed life (6.5)."""

from __future__ import annotations

from collections import deque

from adapters.paper.core.margin import Position
from adapters.paper.core.model import ClosedPosition, Order, PositionChange


class PositionLog:
    """The histories of one account, bounded; newest last."""

    def __init__(self, changes_max: int) -> None:
        self.changes: deque[PositionChange] = deque(maxlen=changes_max)
        self.closed: deque[ClosedPosition] = deque(maxlen=changes_max)

    def add(
        self, position: Position, order: Order, lots: int, money: int, fee: int, pnl: int
    ) -> None:
        """Note that a fill of `order` moved `lots` of a position for `money`, realizing `pnl`.

        Fills of one order on one position are one record; P&L has its fee taken off, as live.
        """
        last = self.changes[-1] if self.changes else None
        if (
            last is not None
            and last.order_id == order.order_id
            and last.position_id == position.position_id
        ):
            self.changes.pop()
            lots, money = lots + last.trade_lots, money + last.trade_money
            fee, pnl = fee + last.fee, pnl + last.realized_pnl + last.fee
            position.captured += last.funding_fee
        self.changes.append(
            PositionChange(
                position_id=position.position_id,
                market=order.market,
                side=position.side,
                opened_us=position.opened_us,
                modified_us=position.modified_us,
                lots=position.lots,
                cost=position.cost,
                funding_paid=position.funding_paid,
                stage=position.stage,
                order_id=order.order_id,
                trade_lots=lots,
                trade_money=money,
                fee=fee,
                funding_fee=position.captured,
                realized_pnl=pnl - fee,
            )
        )
        position.captured = 0
        if not position.lots:
            self.closed.append(_closed(position, order.market))


def _closed(position: Position, market: str) -> ClosedPosition:
    return ClosedPosition(
        position_id=position.position_id,
        market=market,
        side=position.side,
        opened_us=position.opened_us,
        closed_us=position.modified_us,
        gross_pnl=position.realized_pnl - position.fees,
        fees=position.fees,
        funding_paid=position.funding_paid,
        entry_lots=position.entry_lots,
        entry_money=position.entry_money,
        exit_lots=position.exit_lots,
        exit_money=position.exit_money,
    )
