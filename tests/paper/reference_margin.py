"""A slow, obvious collateral account to judge the fast one by: it adds up every fill."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from adapters.paper.core.model import (
    UNIT_DECIMALS,
    Deal,
    FundingPayment,
    Order,
    PositionSide,
    Side,
    Stage,
)

UNIT = 10**UNIT_DECIMALS


@dataclass
class ReferenceAccount:
    """Cash of all that was bought, sold, charged and paid; lots by position side."""

    cash: Fraction
    lots: dict[PositionSide, int] = field(default_factory=dict)

    def fill(self, deal: Deal, side: PositionSide) -> None:
        sign = 1 if deal.side is Side.BUY else -1
        self.cash -= sign * deal.lots * deal.ticks + Fraction(deal.fee, UNIT)
        self.lots[side] = self.lots.get(side, 0) + sign * deal.lots

    def equity(self, mark: int) -> Fraction:
        """Return what is left when everything is sold at the mark."""
        return self.cash + mark * sum(self.lots.values())

    def stage(self, mark: int, leverage: int) -> Stage | None:
        """Return what section 10.12 says of the account."""
        gross = sum(abs(lots) for lots in self.lots.values())
        rate = min(Fraction(3, 100), Fraction(1, 2) / leverage)
        needed = gross * mark * rate
        if not gross or self.equity(mark) >= needed * Fraction(5, 4):
            return None
        return Stage.MARGIN_CALL if self.equity(mark) >= needed else Stage.LIQUIDATION


@dataclass
class ReferenceSpot:
    """Spot funds of one market without decimals, with its base asset and its quote asset."""

    base: Fraction
    quote: Fraction

    def fill(self, deal: Deal) -> None:
        sign = 1 if deal.side is Side.BUY else -1
        self.base += sign * deal.lots
        self.quote -= sign * deal.lots * deal.ticks
        fee = Fraction(deal.fee, UNIT)
        if deal.side is Side.BUY:
            self.base -= fee
        else:
            self.quote -= fee


def filled(deal: Deal, orders: list[Order]) -> Order:
    """Return the order that was filled."""
    return next(order for order in orders if order.order_id == deal.order_id)


def paid(payment: FundingPayment) -> Fraction:
    """Return the documented product (10.11) for markets without decimals."""
    event = payment.event
    return -Fraction(payment.lots * event.settlement_ticks * event.rate, 10**8)
