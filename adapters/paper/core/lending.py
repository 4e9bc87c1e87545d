"""Margin on spot pairs: who lends, what, and for how much (6, 10.9, 10.11, G-22).

A collateral order on a spot market trades in the market's one book, so its counterparty may be a
spot order that gives or takes real funds. The market's pool stands between them: it pays for what
a margin buyer bought and keeps the stock, and it hands out the stock that a margin seller sold and
keeps the money. So a pool holds the net stock of its market's positions, less than nothing where
they are short, and is out of pocket by what they cost. Borrowed is the cost of a long, in money,
or the size of a short, in stock [C].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adapters.paper.core.model import (
    RATE_DECIMALS,
    US_PER_S,
    ExchangeConfig,
    PositionSide,
    Side,
    to_rate,
)

if TYPE_CHECKING:
    from adapters.paper.core.ledger import Account
    from adapters.paper.core.market import Market

_RATE_ONE: int = 10**RATE_DECIMALS
_MINUTE_US = 60 * US_PER_S
_MINUTES_A_DAY = 24 * 60


class Pool:
    """The funds of one margin pair between its spot orders and its positions, in units."""

    __slots__ = ("money", "stock")

    def __init__(self) -> None:
        self.stock = self.money = 0

    def trade(self, market: Market, side: Side, ticks: int, lots: int) -> None:
        """Trade in place of a margin order of `side`."""
        signed = lots if side is Side.BUY else -lots
        self.stock += signed * market.lot_unit
        self.money -= signed * ticks * market.notional_unit


class Lender:
    """Charges every position on a margin pair for its minute, by its entry value [C]."""

    def __init__(self, config: ExchangeConfig, accounts: Mapping[str, Account]) -> None:
        self._rate = to_rate(config.borrow_rate)
        self._markets = [spec.name for spec in config.markets if spec.is_margin]
        self._accounts = accounts

    def sample(self, now_us: int) -> bool:
        """Let the fees of a whole minute accrue; True if there were any."""
        if now_us % _MINUTE_US:
            return False
        charged = False
        for account in self._accounts.values():
            for name in self._markets:
                position = account.seats[name].held[PositionSide.BOTH]
                if position.lots:
                    due = abs(position.cost) * self._rate // (_RATE_ONE * _MINUTES_A_DAY)
                    position.accrued += due
                    account.dirty_collateral = charged = True
        return charged
