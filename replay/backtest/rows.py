"""Rows of recorded market data as moves, in whole ticks and lots.

Numbers come as floats, and each is proved to be a whole number of steps. Files of one market are
played one after the other, the next one moved to where the last one ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from engine.errors import ConfigError
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move
from replay.backtest.recording import (
    BboRow,
    DeltaRow,
    Pair,
    Row,
    SnapshotRow,
    TradeRow,
    read_blocks,
)

RETAIL_ONE_IN = 5
"""One trade in this many, by its id, is of a retail taker, so that RPI orders fill too: as in the
venue's recorded flow."""
JOIN_NS = 100_000_000
"""Between the last row of a file and the first snapshot of the next."""
_STEPS_MAX = 1 << 52
"""Below, a decimal number is read and divided by a power of ten to the same nearest float: so whole
steps that give the number back are exactly what was written."""


def read_moves(
    files: Iterable[tuple[str, bytes]], market: int, price_decimals: int, qty_decimals: int
) -> Iterator[Move]:
    """Return what the files of one market say, from their first snapshot on.

    Args:
        files: One after the other: what messages call it, and its compressed bytes.
        market: Number that every move carries.
        price_decimals: Of the market.
        qty_decimals: Of the market.

    Raises:
        ConfigError: a file cannot be used, with its name and line.
    """
    return chain.from_iterable(_moves(files, market, price_decimals, qty_decimals))


def _moves(
    files: Iterable[tuple[str, bytes]], market: int, price_decimals: int, qty_decimals: int
) -> Iterator[list[Move]]:
    last_ns = sum2 = latest_ns = 0
    for name, data in files:
        player = _File(name, market, price_decimals, qty_decimals, last_ns, sum2)
        for rows in read_blocks(name, data):
            if rows and not player.latest_ns and rows[0].t < latest_ns:
                raise ConfigError(
                    f"{name}: expected a recording that begins after the one before it ended, at t"
                    f" {latest_ns}, found one that begins at {rows[0].t}: what was played twice"
                    " would count twice, so give each time once, and in order"
                )
            yield player.moves(rows)
        player.check_begun()
        last_ns, sum2, latest_ns = player.last_ns, player.sum2, player.latest_ns


class _File:
    """Rows of one file as moves."""

    def __init__(
        self,
        name: str,
        market: int,
        price_decimals: int,
        qty_decimals: int,
        last_ns: int,
        sum2: int,
    ) -> None:
        self._name = name
        self._market = market
        self._price_scale, self._qty_scale = 10.0**price_decimals, 10.0**qty_decimals
        self._shift_ns = self._offset = 0
        self._chained = self.latest_ns = 0
        self._early: list[DeltaRow] = []
        self._begun = False
        # When the last move was, and its best bid plus best ask, or those of the file before.
        self.last_ns = last_ns
        self.sum2 = sum2

    def check_begun(self) -> None:
        """Raise ConfigError if there was no snapshot."""
        if not self._begun:
            raise ConfigError(f"{self._name}: expected a snapshot of the book, found none")

    def moves(self, rows: Sequence[Any]) -> list[Move]:
        """Return the moves of a block, checked."""
        market, shift_ns, latest_ns = self._market, self._shift_ns, self.latest_ns
        found: list[Move] = []
        # Mostly only one of the two sides is another.
        bid: Pair | None = None
        ask: Pair | None = None
        try:
            for row in rows:
                t = row.t
                if t < latest_ns:
                    raise ConfigError(
                        f"{self._name}: expected t >= {latest_ns}, was {t}; sort the rows by t"
                    )
                latest_ns = t
                kind = type(row)
                if not self._begun:
                    found += self._begin(row)
                    shift_ns = self._shift_ns
                elif kind is BboRow:
                    if row.bid != bid:
                        bid = row.bid
                        bid_ticks, bid_lots = self._level(row, bid)
                    if row.ask != ask:
                        ask = row.ask
                        ask_ticks, ask_lots = self._level(row, ask)
                    at_ns, seq = t + shift_ns, row.seq
                    found.append(
                        (at_ns, market, TOUCH, 0, seq, bid_ticks, bid_lots, ask_ticks, ask_lots)
                    )
                elif kind is TradeRow:
                    found.append(self._trade(row))
                elif kind is SnapshotRow:
                    self._chained = row.seq
                    found.append(self._depth(row, is_snapshot=True))
                elif self._chains(row):
                    found.append(self._depth(row, is_snapshot=False))
        except (ValueError, OverflowError) as error:
            # "nan" and "inf" are floats, but no numbers.
            raise self._misfit(row) from error
        self.latest_ns = latest_ns
        self._remember(rows)
        return found

    def _remember(self, rows: Sequence[Row]) -> None:
        if rows:
            self.last_ns = rows[-1].t + self._shift_ns
        for row in reversed(rows):
            if isinstance(row, BboRow):
                mid2 = round((row.bid[0] + row.ask[0]) * self._price_scale)
                self.sum2 = mid2 + 2 * self._offset
                break

    def _begin(self, row: Row) -> Iterator[Move]:
        # Trades and quotes from before the book is known have nothing to act on.
        if isinstance(row, DeltaRow):
            self._early.append(row)
        if not isinstance(row, SnapshotRow):
            return
        self._begun = True
        self._chained = row.seq
        if not row.bids or not row.asks:
            raise ConfigError(f"{self._name}: expected a first snapshot with both sides")
        best = max(price for price, _ in row.bids) + min(price for price, _ in row.asks)
        mid2 = round(best * self._price_scale)
        if self.last_ns:
            self._shift_ns = self.last_ns + JOIN_NS - row.t
            self._offset = (self.sum2 - mid2) // 2
        self.sum2 = mid2 + 2 * self._offset
        yield self._depth(row, is_snapshot=True)
        for early in self._early:
            if self._chains(early):
                early = msgspec.structs.replace(early, t=row.t)
                yield self._depth(early, is_snapshot=False)
        self._early.clear()

    def _chains(self, row: DeltaRow) -> bool:
        # Spot deltas follow each other by `first`, futures by `prev`.
        if row.seq <= self._chained:
            return False
        before = row.prev if row.prev is not None else (row.first or 0) - 1
        if before > self._chained:
            raise ConfigError(
                f"{self._name}: expected a delta that follows update {self._chained}, was one that"
                f" follows {before}; the recording has a gap, cut it there"
            )
        self._chained = row.seq
        return True

    def _depth(self, row: SnapshotRow | DeltaRow, *, is_snapshot: bool) -> Move:
        bids, asks = self._levels(row, row.bids), self._levels(row, row.asks)
        at_ns = row.t + self._shift_ns
        return (at_ns, self._market, DEPTH, 0, row.seq, is_snapshot, bids, asks)

    def _levels(self, row: Row, pairs: list[Pair]) -> list[tuple[int, int]]:
        # As `_level` of each, written out.
        prices, lots, offset = self._price_scale, self._qty_scale, self._offset
        levels: list[tuple[int, int]] = []
        for price, qty in pairs:
            ticks, steps = int(price * prices + 0.5), int(qty * lots + 0.5) if qty else 0
            if ticks / prices != price or steps / lots != qty or ticks + steps > _STEPS_MAX:
                raise self._misfit(row)
            levels.append((ticks + offset, steps))
        return levels

    def _level(self, row: Row, pair: Pair) -> tuple[int, int]:
        price, qty = pair
        ticks, steps = int(price * self._price_scale + 0.5), int(qty * self._qty_scale + 0.5)
        if (
            ticks / self._price_scale != price
            or steps / self._qty_scale != qty
            or ticks + steps > _STEPS_MAX
        ):
            raise self._misfit(row)
        return ticks + self._offset, steps

    def _trade(self, row: TradeRow) -> Move:
        ticks, steps = self._level(row, (row.p, row.q))
        is_buy, is_retail = row.side == "buy", not row.id % RETAIL_ONE_IN
        at_ns = row.t + self._shift_ns
        return (at_ns, self._market, TRADE, 0, row.id, is_buy, ticks, steps, is_retail)

    def _misfit(self, row: Row) -> ConfigError:
        return ConfigError(
            f"{self._name}: at t {row.t}: expected prices and quantities of the market's precision,"
            " found others: this recording is of another market"
        )
