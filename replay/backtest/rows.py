"""Read recorded market data in blocks, as whole ticks and lots.

The format is that of `adapters/paper/flow/rows.py`, whose reader this one is compared with in the
tests. It is read here a megabyte at a time, since a backtest lives through hours in seconds. Files
of one market are played one after the other, the next one moved to where the last one ended.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import zstandard

from adapters.paper.flow.rows import BboRow, DeltaRow, Row, SnapshotRow, TradeRow, to_steps
from adapters.ports import Fs
from engine.errors import ConfigError
from replay.backtest.moves import DEPTH, TOUCH, TRADE, Move

_BLOCK_BYTES = 1 << 20
_LINE_MAX = 8 << 20
"""As the other reader: a full snapshot of a deep book is some 200 kB."""
_MEMO_MAX = 1 << 16
"""The same few thousand prices and sizes come again and again."""
RETAIL_ONE_IN = 5
"""One trade in this many, by its id, is of a retail taker, so that RPI orders fill too: as in the
venue's recorded flow."""
JOIN_NS = 100_000_000
"""Between the last row of a file and the first snapshot of the next."""
_DECODER: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Row)


class Steps(dict[str, int]):
    """Decimal text -> whole steps, remembered."""

    def __init__(self, decimals: int, name: str) -> None:
        super().__init__()
        self._decimals = decimals
        self._name = name

    def __missing__(self, text: str) -> int:
        steps = to_steps(text, self._decimals, self._name)
        if len(self) >= _MEMO_MAX:
            self.clear()
        self[text] = steps
        return steps


def read_moves(
    fs: Fs, paths: Sequence[Path], market: int, price_decimals: int, qty_decimals: int
) -> Iterator[Move]:
    """Yield what the files of one market say, from their first snapshot on.

    Args:
        fs: Where the files are.
        paths: One after the other.
        market: Number that every move carries.
        price_decimals: Of the market.
        qty_decimals: Of the market.

    Raises:
        ConfigError: a file cannot be used, with its name and line.
    """
    last_ns = sum2 = 0
    for path in paths:
        player = _File(str(path), market, price_decimals, qty_decimals, last_ns, sum2)
        yield from player.moves(read_blocks(fs, path))
        last_ns, sum2 = player.last_ns, player.sum2


def read_blocks(fs: Fs, path: Path) -> Iterator[list[Row]]:
    """Yield the rows of a file in blocks.

    Raises:
        ConfigError: it cannot be read, with its name and line.
    """
    name = str(path)
    try:
        data = fs.read(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{name}: expected a recording, found: {reason}; check --data") from error
    done, rest = 0, b""
    try:
        stream = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data))
        while block := stream.read(_BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield _decoded(block[:end], name, done)
                done += block.count(b"\n", 0, end)
            elif len(rest) > _LINE_MAX:
                raise ConfigError(f"{name}:{done + 1}: expected lines of at most 8 MiB")
    except zstandard.ZstdError as error:
        raise ConfigError(
            f"{name}:{done + 1}: expected zstandard-compressed lines, found {error}; compress the"
            " recording with `zstd`"
        ) from error
    if rest:
        raise ConfigError(
            f"{name}:{done + 1}: expected a whole line, found a cut one; the file is truncated,"
            " copy it again"
        )


def _decoded(block: bytes, name: str, before: int) -> list[Row]:
    try:
        return _DECODER.decode_lines(block)
    except msgspec.DecodeError:
        # Once more line by line, to name the one.
        for number, line in enumerate(block.splitlines(), start=before + 1):
            try:
                _DECODER.decode(line)
            except msgspec.DecodeError as error:
                raise ConfigError(
                    f"{name}:{number}: {error}; each line must be a snapshot, delta, bbo or trade"
                    " object"
                ) from error
        raise


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
        self._price_decimals = price_decimals
        self._prices = Steps(price_decimals, name)
        self._lots = Steps(qty_decimals, name)
        self._shift_ns = self._offset = 0
        self._chained = 0
        self._early: list[DeltaRow] = []
        self._begun = False
        # When the last move was, and its best bid plus best ask, or those of the file before.
        self.last_ns = last_ns
        self.sum2 = sum2

    def moves(self, blocks: Iterator[list[Row]]) -> Iterator[Move]:
        """Yield them in order, checked."""
        latest_ns = 0
        for rows in blocks:
            # Plain names, since this loop runs for every row.
            market, prices, lots = self._market, self._prices, self._lots
            for row in rows:
                t = row.t
                if t < latest_ns:
                    raise ConfigError(
                        f"{self._name}: expected t >= {latest_ns}, was {t}; sort the rows by t"
                    )
                latest_ns = t
                kind = type(row)
                if not self._begun:
                    yield from self._begin(row)
                elif kind is BboRow:
                    bid, bid_lots = row.bid  # type: ignore[union-attr]
                    ask, ask_lots = row.ask  # type: ignore[union-attr]
                    offset = self._offset
                    yield (
                        t + self._shift_ns,
                        market,
                        TOUCH,
                        0,
                        row.seq,  # type: ignore[union-attr]
                        prices[bid] + offset,
                        lots[bid_lots],
                        prices[ask] + offset,
                        lots[ask_lots],
                    )
                elif kind is TradeRow:
                    yield self._trade(row)  # type: ignore[arg-type]
                elif kind is SnapshotRow:
                    self._chained = row.seq  # type: ignore[union-attr]
                    yield self._depth(row, is_snapshot=True)  # type: ignore[arg-type]
                elif self._chains(row):  # type: ignore[arg-type]
                    yield self._depth(row, is_snapshot=False)  # type: ignore[arg-type]
            self._remember(rows)
        if not self._begun:
            raise ConfigError(f"{self._name}: expected a snapshot of the book, found none")

    def _remember(self, rows: list[Row]) -> None:
        if rows:
            self.last_ns = rows[-1].t + self._shift_ns
        for row in reversed(rows):
            if isinstance(row, BboRow):
                bid, ask = self._prices[row.bid[0]], self._prices[row.ask[0]]
                self.sum2 = bid + ask + 2 * self._offset
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
        bid = max([self._prices[price] for price, _ in row.bids])
        ask = min([self._prices[price] for price, _ in row.asks])
        if self.last_ns:
            self._shift_ns = self.last_ns + JOIN_NS - row.t
            self._offset = (self.sum2 - bid - ask) // 2
        self.sum2 = bid + ask + 2 * self._offset
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
        prices, lots, offset = self._prices, self._lots, self._offset
        return (
            row.t + self._shift_ns,
            self._market,
            DEPTH,
            0,
            row.seq,
            is_snapshot,
            [(prices[price] + offset, lots[qty]) for price, qty in row.bids],
            [(prices[price] + offset, lots[qty]) for price, qty in row.asks],
        )

    def _trade(self, row: TradeRow) -> Move:
        ticks = self._prices[row.p] + self._offset
        return (
            row.t + self._shift_ns,
            self._market,
            TRADE,
            0,
            row.id,
            row.side == "buy",
            ticks,
            self._lots[row.q],
            not row.id % RETAIL_ONE_IN,
        )
