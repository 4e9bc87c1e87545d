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
    """Cash of all that was bought, sold, charged and paid; lots by market and position side."""

    cash: Fraction
    lots: dict[tuple[str, PositionSide], int] = field(default_factory=dict)

    def fill(self, deal: Deal, side: PositionSide) -> None:
        sign = 1 if deal.side is Side.BUY else -1
        self.cash -= sign * deal.lots * deal.ticks + Fraction(deal.fee, UNIT)
        key = deal.market, side
        self.lots[key] = self.lots.get(key, 0) + sign * deal.lots

    def equity(self, marks: dict[str, int]) -> Fraction:
        """Return what is left when everything is sold at the marks."""
        return self.cash + sum(marks[market] * lots for (market, _), lots in self.lots.items())

    def stage(self, marks: dict[str, int], leverages: dict[str, int]) -> Stage | None:
        """Return what section 10.12 says of the account."""
        needed = Fraction(0)
        for (market, _), lots in self.lots.items():
            rate = min(Fraction(3, 100), Fraction(1, 2) / leverages[market])
            needed += abs(lots) * marks[market] * rate
        equity = self.equity(marks)
        if not any(self.lots.values()) or equity >= needed * Fraction(5, 4):
            return None
        return Stage.MARGIN_CALL if equity >= needed else Stage.LIQUIDATION


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
