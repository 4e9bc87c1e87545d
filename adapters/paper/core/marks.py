"""Index and mark price of a perpetual, as functions of the books and trades alone (10.12).

The index is the last price of the spot market of the same assets, or a price that was set; without
either the perpetual's own last price [C]. The mark is the median of the index adjusted for the
funding still to accrue, the index plus the smoothed basis, and the last price. All are in ticks of
the perpetual, adjusted and smoothed values rounded down.
"""

from __future__ import annotations

from adapters.paper.core.market import Market
from adapters.paper.core.model import RATE_DECIMALS

RATE_ONE: int = 10**RATE_DECIMALS
# Keeps what the smoothing would lose to whole ticks.
_BASIS_SCALE = 1_000_000


class Mark:
    """The mark price of one perpetual; sampled once a second, readable at any time."""

    def __init__(self, market: Market, spot: Market | None, window_s: int) -> None:
        """`spot` is where the index comes from; `window_s` smooths the basis."""
        self._market = market
        self._spot = spot
        self._window = window_s
        # None before the first sample: a market that starts away from its index is not in danger.
        self._basis: int | None = None
        self.accrual = 0
        self.set_ticks: int | None = None

    def index_ticks(self) -> int | None:
        """Return the index price, None while there is nothing to take it from."""
        if self.set_ticks is not None:
            return self.set_ticks
        spot, market = self._spot, self._market
        if spot is None or spot.last_ticks is None:
            return market.last_ticks
        finer = market.spec.money_prec - spot.spec.money_prec
        if finer >= 0:
            return spot.last_ticks * int(10**finer)
        return max(spot.last_ticks // int(10**-finer), 1)

    def ticks(self) -> int | None:
        """Return the mark price, None while neither the perpetual nor its index has one."""
        index, last = self.index_ticks(), self._market.last_ticks
        if index is None or last is None:
            return index
        if self._basis is None:
            return last
        adjusted = index * (RATE_ONE + self.accrual) // RATE_ONE
        based = index + self._basis // _BASIS_SCALE
        return max(sorted((adjusted, based, last))[1], 1)

    def sample(self, accrual: int) -> None:
        """Move the smoothed basis towards the present one.

        Args:
            accrual: funding rate x share of the period that is left, in 10^-8.
        """
        self.accrual = accrual
        index = self.index_ticks()
        if index is None:
            return
        bid, _, ask, _ = self._market.best()
        fair = (bid + ask) // 2 if bid and ask else self._market.last_ticks
        if fair is None:
            return
        basis = (fair - index) * _BASIS_SCALE
        if self._basis is None:
            self._basis = basis
        self._basis += (basis - self._basis) // self._window
