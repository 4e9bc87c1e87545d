"""Funding of perpetuals: the rate from the book's premium, the payments at the interval (10.11).

Rates are integers in steps of 10^-8, cut towards zero; payments are exact products in units. What
longs pay is what shorts receive, since positions add up to zero, so no asset is created.
"""

from __future__ import annotations

from collections import deque

from adapters.paper.core.book import BookSide
from adapters.paper.core.ledger import Account
from adapters.paper.core.market import Market
from adapters.paper.core.marks import RATE_ONE, Mark
from adapters.paper.core.model import (
    US_PER_S,
    ExchangeConfig,
    FundingEvent,
    FundingPayment,
    to_rate,
    to_units,
)

_SAMPLE_S = 60
_INTEREST_HOURS = 8


def _cut(dividend: int, divisor: int) -> int:
    """Divide towards zero; the divisor is positive."""
    return dividend // divisor if dividend >= 0 else -(-dividend // divisor)


def _impact_rate(side: BookSide, wanted: int, index: int) -> int | None:
    """Return (average price - index) / index for `wanted` ticks x lots of a side, in 10^-8.

    A side with less gives the average of what it has, an empty one None [C].
    """
    money = lots = 0
    for key in reversed(side.keys):
        ticks = key * side.sign
        level = side.levels[ticks].lots
        if money + ticks * level >= wanted:
            level = -(-(wanted - money) // ticks)
        money += ticks * level
        lots += level
        if money >= wanted:
            break
    return _cut((money - index * lots) * RATE_ONE, index * lots) if lots else None


class Funding:
    """Premium samples and settled rates of one perpetual."""

    def __init__(self, config: ExchangeConfig, market: Market, mark: Mark, now_us: int) -> None:
        spec = market.spec
        self._market = market
        self._mark = mark
        self._impact = to_units(config.impact_notional) // market.notional_unit
        self._clamp = to_rate(config.funding_clamp)
        self._interest = _cut(
            to_rate(config.funding_interest) * spec.funding_interval_minutes, 60 * _INTEREST_HOURS
        )
        self._cap, self._floor = to_rate(spec.funding_cap), to_rate(spec.funding_floor)
        self.interval_us = spec.funding_interval_minutes * 60 * US_PER_S
        self.next_us = (now_us // self.interval_us + 1) * self.interval_us
        self.history: deque[FundingEvent] = deque(maxlen=config.funding_max)
        self._samples = self._weighted = 0

    def sample(self, now_us: int) -> None:
        """Take a premium sample at every whole minute, and renew the mark's accrual."""
        if now_us // US_PER_S % _SAMPLE_S == 0:
            self._samples += 1
            self._weighted += self._samples * self._premium()
        left = self.next_us - now_us
        self._mark.sample(_cut(self.rate() * left, self.interval_us))

    def _premium(self) -> int:
        index = self._mark.index_ticks()
        if index is None:
            return 0
        bid = _impact_rate(self._market.bids, self._impact, index)
        ask = _impact_rate(self._market.asks, self._impact, index)
        return max(0, bid or 0) - max(0, -(ask or 0))

    def rate(self) -> int:
        """Return the predicted rate of the running period, in 10^-8."""
        weights = self._samples * (self._samples + 1) // 2
        average = _cut(self._weighted, weights) if weights else 0
        pull = min(max(self._interest - average, -self._clamp), self._clamp)
        return min(max(average + pull, self._floor), self._cap)

    def skip_to(self, now_us: int) -> None:
        """Leave out the periods that ended before `now_us`."""
        if self.next_us < now_us:
            self.next_us = -(-now_us // self.interval_us) * self.interval_us

    def settle(self, accounts: dict[str, Account], now_us: int) -> None:
        """Pay the period that ends now, at the mark price, and begin the next one."""
        started_us, self.next_us = self.next_us - self.interval_us, now_us + self.interval_us
        ticks, rate = self._mark.ticks(), self.rate()
        self._samples = self._weighted = 0
        if ticks is None:
            return
        event = FundingEvent(
            market=self._market.spec.name,
            time_us=now_us,
            rate=rate,
            settlement_ticks=ticks,
            calculated_us=started_us,
        )
        self.history.append(event)
        for account in accounts.values():
            self._pay(account, event)

    def _pay(self, account: Account, event: FundingEvent) -> None:
        market = self._market
        for position in account.seats[market.spec.name].positions:
            if not position.lots:
                continue
            due = position.lots * event.settlement_ticks * event.rate * market.notional_fee_unit
            account.collateral[market.spec.quote_asset] -= due
            position.funding_paid += due
            account.dirty_collateral = True
            if not account.background:
                account.funding.append(FundingPayment(event, -due, position.lots))
