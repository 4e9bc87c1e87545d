"""One market: its rules as integers, its visible and hidden book, its last trades."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from adapters.paper.core.book import BookSide
from adapters.paper.core.lending import Pool
from adapters.paper.core.model import (
    EXACT,
    RATE_DECIMALS,
    UNIT_DECIMALS,
    BboChanged,
    BookChanged,
    MarketSpec,
    Notice,
    Order,
    PublicTrade,
    Side,
)
from adapters.paper.core.triggers import Triggers
from engine.errors import ConfigError

if TYPE_CHECKING:
    from adapters.paper.core.marks import Mark

# The highest leverage of margin on a spot market (10.9).
_MARGIN_LEVERAGE_MAX = 10
Levels = tuple[tuple[int, int], ...]


def _steps(text: str, decimals: int, what: str) -> int:
    scaled = EXACT.scaleb(Decimal(text), decimals)
    if scaled != scaled.to_integral_value():
        raise ConfigError(f"{what} {text} has more than {decimals} decimals; shorten it")
    return int(scaled)


class Market:
    """Read-only for the server; only the matcher changes it."""

    def __init__(self, spec: MarketSpec, trades_max: int, now_us: int) -> None:
        """Build an empty market; raises ConfigError for a spec that cannot be exact."""
        total_prec = spec.money_prec + spec.stock_prec
        if total_prec + RATE_DECIMALS > UNIT_DECIMALS:
            raise ConfigError(
                f"{spec.name}: money_prec + stock_prec is {total_prec}, expected at most "
                f"{UNIT_DECIMALS - RATE_DECIMALS}, so that fees are exact; lower one of them"
            )
        if spec.is_margin and spec.is_perpetual:
            raise ConfigError(f"{spec.name}: is_margin is for spot markets; leave it out")
        self.spec = spec
        # Units of one tick x lot, of one lot of base, and of those times a rate of 10^-8.
        self.notional_unit: int = 10 ** (UNIT_DECIMALS - total_prec)
        self.lot_unit: int = 10 ** (UNIT_DECIMALS - spec.stock_prec)
        self.notional_fee_unit: int = self.notional_unit // 10**RATE_DECIMALS
        self.lot_fee_unit: int = self.lot_unit // 10**RATE_DECIMALS
        self.qty_min_lots = _steps(spec.qty_min, spec.stock_prec, f"{spec.name} qty_min")
        self.total_min = _steps(spec.total_min, total_prec, f"{spec.name} total_min")
        self.total_max = _steps(spec.total_max, total_prec, f"{spec.name} total_max")
        self.bids, self.asks = BookSide(Side.BUY), BookSide(Side.SELL)
        self.rpi_bids, self.rpi_asks = BookSide(Side.BUY), BookSide(Side.SELL)
        self.triggers = Triggers()
        self.last_ticks: int | None = None
        # What lends to collateral orders on a spot market, None where they may not trade.
        self.pool = Pool() if spec.is_margin else None
        most = spec.leverage_max
        self.leverage_max = most if spec.is_perpetual else min(most, _MARGIN_LEVERAGE_MAX)
        # Set for perpetuals only, once all markets exist.
        self.mark: Mark | None = None
        self.changed_us = now_us
        self.recent_trades: deque[PublicTrade] = deque(maxlen=trades_max)
        self._brackets_at = sorted(int(leverage) for leverage in spec.brackets)
        limits = [spec.brackets[str(leverage)] for leverage in self._brackets_at]
        self._brackets: list[int] = [limit * int(10**UNIT_DECIMALS) for limit in (*limits, 0)]
        self._told_update_id = 0
        self._told_best = (0, 0, 0, 0)

    @property
    def has_positions(self) -> bool:
        """Say whether collateral orders trade here: on a perpetual or a margin pair."""
        return self.spec.is_perpetual or self.pool is not None

    def product(self, order: Order) -> str:
        """Return the kill-switch and cancel-all type of an order (10.8)."""
        if self.spec.is_perpetual:
            return "futures"
        return "margin" if order.collateral else "spot"

    @property
    def update_id(self) -> int:
        """Return the count of all changes of the full visible book (11.5)."""
        return self.bids.changes + self.asks.changes

    def depth(self, limit: int) -> tuple[Levels, Levels]:
        """Return the visible (bids, asks), best first, as (ticks, lots), RPI excluded."""
        return self.bids.top(limit), self.asks.top(limit)

    def best(self) -> tuple[int, int, int, int]:
        """Return (bid ticks, bid lots, ask ticks, ask lots), visible; an empty side is 0, 0."""
        return (*self.bids.best(), *self.asks.best())

    def mark_ticks(self) -> int | None:
        """Return the mark price of a perpetual, the last price of any other market."""
        return self.last_ticks if self.mark is None else self.mark.ticks()

    def bracket(self, leverage: int) -> int:
        """Return the largest position in units at a leverage, 0 for no limit (4.2)."""
        return self._brackets[bisect_left(self._brackets_at, leverage)]

    def trades(self) -> Sequence[PublicTrade]:
        """Return the last public trades, oldest first, as a view that goes on changing."""
        return self.recent_trades

    def role_ticks(self, side: Side, role: int) -> int:
        """Return the visible best of the own side (`bboRole` 1) or the opposite one (2), or 0."""
        own, other = (self.bids, self.asks) if side is Side.BUY else (self.asks, self.bids)
        return (own if role == 1 else other).best()[0]

    def own_side(self, order: Order) -> BookSide:
        """Return the side on which an order rests."""
        if order.side is Side.BUY:
            return self.rpi_bids if order.rpi else self.bids
        return self.rpi_asks if order.rpi else self.asks

    def opposite(self, side: Side) -> tuple[BookSide, BookSide]:
        """Return the (visible, hidden) sides that a taker of `side` meets."""
        if side is Side.BUY:
            return self.asks, self.rpi_asks
        return self.bids, self.rpi_bids

    def tell_changes(self, outbox: list[Notice], now_us: int) -> None:
        """Append the book notices since the last call, if anything visible changed."""
        bids, asks = self.bids, self.asks
        update_id = bids.changes + asks.changes
        if update_id == self._told_update_id:
            return
        self._told_update_id = update_id
        self.changed_us = now_us
        name = self.spec.name
        outbox.append(BookChanged(name, update_id, now_us))
        best = (*bids.best(), *asks.best())
        if best != self._told_best:
            self._told_best = best
            outbox.append(BboChanged(name, update_id, now_us, *best))

    def check(self) -> None:
        """Assert every invariant of the book, above all that the visible one is not crossed."""
        for side in (self.bids, self.asks, self.rpi_bids, self.rpi_asks):
            side.check()
        self.triggers.check()
        bid, _, ask, _ = self.best()
        assert not bid or not ask or bid < ask, f"{self.spec.name} crossed: {bid} {ask}"
