"""Positions of one account on one market, and the margin that they and its orders need (10.9).

`lots` and `cost` are signed, negative for a short; money is in units of 10^-18. The rule of the
margin is in `ExchangeConfig`. One-way accounts use the BOTH position, hedge mode the other two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.paper.core.model import PositionSide, Side, Stage

if TYPE_CHECKING:
    from adapters.paper.core.market import Market

# What an order of this side may do to a position of hedge mode: open or add to it.
OPENING = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}


class Position:
    """One position and the orders that may change it.

    `open_buys` and `open_sells` are the notional of resting orders that are not reduce-only.
    `accrued` is the borrowing fee of a margin pair since the last change, `captured` the part of
    `funding_paid` that the last change paid (G-22).
    """

    __slots__ = (
        "accrued",
        "captured",
        "cost",
        "entry_lots",
        "entry_money",
        "exit_lots",
        "exit_money",
        "fees",
        "funding_paid",
        "liquidation_lots",
        "lots",
        "market",
        "modified_us",
        "open_buys",
        "open_sells",
        "opened_us",
        "position_id",
        "realized_pnl",
        "side",
        "stage",
    )

    def __init__(self, market: Market, side: PositionSide) -> None:
        self.market = market
        self.side = side
        self.open_buys = self.open_sells = 0
        self.lots = self.cost = 0
        self.position_id = self.opened_us = self.modified_us = 0
        self.stage: Stage | None = None
        self.liquidation_lots = 0
        self._forget_life()

    def worst_notional(self, buys: int = 0, sells: int = 0) -> int:
        """Return the larger notional that open orders plus `buys` or `sells` can lead to."""
        bought = abs(self.cost + self.open_buys + buys)
        sold = abs(self.cost - self.open_sells - sells)
        return bought if bought > sold else sold

    def unrealized_pnl(self) -> int:
        """Return the P&L of the position at the mark price, in units."""
        if not self.lots:
            return 0
        mark = self.market.mark_ticks()
        if mark is None:
            return 0
        return self.lots * mark * self.market.notional_unit - self.cost

    def reducible_lots(self, side: Side) -> int:
        """Return how much of the position an order of `side` can close."""
        held = self.lots if side is Side.SELL else -self.lots
        return max(held, 0)

    def open(self, position_id: int, now_us: int) -> None:
        """Begin a new life of the position."""
        self.position_id = position_id
        self.opened_us = now_us
        self.stage = None
        self._forget_life()

    def _forget_life(self) -> None:
        self.accrued = self.captured = 0
        self.realized_pnl = self.funding_paid = self.fees = 0
        self.entry_lots = self.entry_money = self.exit_lots = self.exit_money = 0

    def pay_accrued(self) -> int:
        """Count the accrued borrowing fee as paid; return it."""
        paid: int = self.accrued
        self.accrued = 0
        self.funding_paid += paid
        self.captured += paid
        return paid

    def enter(self, opening: int, price: int, fee: int) -> None:
        """Add `opening` signed lots at `price` units per lot, for which `fee` was charged."""
        self.lots += opening
        self.cost += opening * price
        self.fees += fee
        self.entry_lots += abs(opening)
        self.entry_money += abs(opening) * price

    def exit(self, closing: int, price: int, fee: int) -> int:
        """Take off `closing` signed lots at `price` units per lot; return the realized P&L.

        The last part takes all the cost that is left, so nothing is ever lost in rounding.
        """
        released = abs(self.cost) * abs(closing) // abs(self.lots)
        if self.lots < 0:
            released = -released
        pnl = -closing * price - released
        self.lots += closing
        self.cost -= released
        self.realized_pnl += pnl
        self.fees += fee
        self.exit_lots += abs(closing)
        self.exit_money += abs(closing) * price
        return pnl


def initial_margin(notional: int, leverage: int) -> int:
    """Return the margin in units, rounded up."""
    return -(-notional // leverage)
