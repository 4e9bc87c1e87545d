"""Market statistics over any period, the last 24 hours above all (contract 4, 11.5), exact."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.paper.core.market import Market
from adapters.paper.core.model import US_PER_S, Notice, PublicTrade
from adapters.paper.data.klines import DAY_S, HOUR_S, MINUTE_S, Candle, Klines, flat, start_of


class Statistics:
    """The trades of all markets since the venue started, merged as `Klines` keeps them."""

    def __init__(self, markets: Iterable[str]) -> None:
        self.klines = {name: Klines() for name in markets}

    def count(self, notices: Iterable[Notice]) -> None:
        """Add the trades among the notices."""
        for notice in notices:
            if isinstance(notice, PublicTrade):
                second = notice.time_us // US_PER_S
                self.klines[notice.market].add(second, notice.ticks, notice.lots)

    def period(self, market: Market, period_s: int, now_us: int) -> Candle:
        """Return what traded in the last `period_s` seconds, the running one included.

        A period above an hour begins with the first whole minute in it, since seconds are kept
        no longer [C].
        `open_ticks` is the first price of the period; where nothing traded, all prices are the
        last one known (0 before the first trade ever) [C].
        """
        start_s = self.now_s(market.spec.name, now_us) - period_s + 1
        if period_s > HOUR_S:
            start_s = -(-start_s // MINUTE_S) * MINUTE_S
        return self._since(market, start_s, now_us)

    def day(self, market: Market, now_us: int) -> Candle:
        """Return what traded in the last 24 hours."""
        return self.period(market, DAY_S, now_us)

    def today(self, market: Market, now_us: int) -> Candle:
        """Return what traded since 00:00 UTC."""
        return self._since(market, start_of(self.now_s(market.spec.name, now_us), DAY_S), now_us)

    def _since(self, market: Market, start_s: int, now_us: int) -> Candle:
        start_s = max(start_s, 0)
        end_s = self.now_s(market.spec.name, now_us) + 1
        traded = self.klines[market.spec.name].span(start_s, end_s)
        return traded or flat(start_s, market.last_ticks or 0)

    def now_s(self, market: str, now_us: int) -> int:
        """Return the second in which a market is: the engine never steps back, a clock may."""
        return max(now_us // US_PER_S, self.klines[market].last_s or 0)


def change_hundredths(candle: Candle) -> int:
    """Return how far the price moved from open to close, in 0.01 %, cut towards zero [C]."""
    if not candle.open_ticks:
        return 0
    moved = candle.close_ticks - candle.open_ticks
    hundredths = abs(moved) * 10_000 // candle.open_ticks
    return -hundredths if moved < 0 else hundredths
