"""A strategy for tests whose levels may be hidden: prices, sizes and kinds as parameters."""

from __future__ import annotations

import msgspec

from engine.strategy import Strategy, View, register
from engine.types import Level, Stp, TwoSidedQuote

Pairs = tuple[tuple[int, int], ...]


class Mixed(Strategy, frozen=True, forbid_unknown_fields=True):
    """Quotes exactly what its parameters say, `[price, qty]` best first; `rpi` are hidden ones."""

    bids: Pairs = ()
    asks: Pairs = ()
    rpi: tuple[int, ...] = ()
    """Prices at which the order is an RPI one."""

    def quote(self, view: View) -> TwoSidedQuote:
        return TwoSidedQuote(self._levels(self.bids), self._levels(self.asks))

    def _levels(self, pairs: Pairs) -> tuple[Level, ...]:
        return tuple(
            Level(price, qty, Stp.CANCEL_NEW, price in self.rpi, price not in self.rpi)
            for price, qty in pairs
        )


register("mixed", Mixed)


def mixed(bids: Pairs = (), asks: Pairs = (), rpi: tuple[int, ...] = ()) -> str:
    """Parameters of the `mixed` strategy."""
    return msgspec.json.encode(Mixed(bids, asks, rpi)).decode()
