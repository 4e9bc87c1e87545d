"""A recording as other backtesters can take it: one line of JSON for each of its messages.

Depth and best prices are two streams, one ahead of the other. Here they are one book, merged as
`replay/backtest/crowd.py` merges them, and told by what each message changed of it. So everybody
plays the same market, whatever streams he knows. A line is

    [time in ns, "book", [[1 for a bid or -1 for an ask, ticks, lots]...], [bid, lots, ask, lots]]
    [time in ns, "trade", trade id, taker buys, ticks, lots]

with 0 lots for a level that is gone, which come first, and the best prices after the changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.paper.core.model import Side
from adapters.ports import Fs
from replay.backtest.half import Half, Levels
from replay.backtest.moves import DEPTH, TOUCH, Move
from replay.backtest.rows import read_moves

Change = tuple[int, int, int]


class MergedBook:
    """The book of a recording, whole."""

    def __init__(self) -> None:
        # Nobody asks for more of a window than the best.
        self._halves = Half(Side.BUY, 1), Half(Side.SELL, 1)
        self._seq = 0
        self._touch = (0, 0, 0, 0, 0)

    def touch(self, seq: int, bid: int, bid_lots: int, ask: int, ask_lots: int) -> list[Change]:
        """Move the best prices, unless the news is old; returns what changed."""
        if seq < self._seq:
            return []
        self._seq, self._touch = seq, (seq, bid, bid_lots, ask, ask_lots)
        changes: list[Change] = []
        for half, best in zip(self._halves, ((bid, bid_lots), (ask, ask_lots)), strict=True):
            before = _held(half, [best[0], *_better(half, best[0])])
            half.cut(*best)
            changes += _changes(half, before)
        return changes

    def depth(self, seq: int, is_snapshot: bool, bids: Levels, asks: Levels) -> list[Change]:
        """Change levels; returns what changed."""
        if is_snapshot:
            self._seq, self._touch = 0, (0, 0, 0, 0, 0)
        self._seq = max(self._seq, seq)
        ahead_seq, *best = self._touch
        changes: list[Change] = []
        for half, levels, ticks, lots in zip(
            self._halves, (bids, asks), best[::2], best[1::2], strict=True
        ):
            before = _held(half, [*half.lots] if is_snapshot else [])
            before |= _held(half, [price for price, _ in levels])
            half.replace(levels) if is_snapshot else half.change(levels)
            if ahead_seq > seq:
                # The touch is ahead of this delta, so its older best prices must not return.
                before = _held(half, [ticks, *_better(half, ticks)]) | before
                half.cut(ticks, lots)
            changes += _changes(half, before)
        return changes

    def best(self) -> list[int]:
        """Return the best bid with its lots, and the best ask with its lots."""
        bids, asks = self._halves
        bid, ask = bids.keys[-1], -asks.keys[-1]
        return [bid, bids.lots[bid], ask, asks.lots[ask]]


def _better(half: Half, ticks: int) -> list[int]:
    return half.reaching(ticks * half.sign + 1)


def _held(half: Half, prices: list[int]) -> dict[int, int]:
    return {ticks: half.lots.get(ticks, 0) for ticks in prices}


def _changes(half: Half, before: dict[int, int]) -> list[Change]:
    after = _held(half, [*before])
    return [(half.sign, ticks, after[ticks]) for ticks in before if after[ticks] != before[ticks]]


def write_plain(fs: Fs, recordings: list[Path], path: Path) -> int:
    """Write the recordings of one spot market, one after the other; returns the lines written.

    Raises:
        ConfigError: one is none.
        OSError: one cannot be read.
    """
    files = ((str(each), fs.read(each)) for each in recordings)
    count = 0
    with path.open("wb") as file:
        for line in _lines(read_moves(files, 0, 2, 6)):
            file.write(msgspec.json.encode(line) + b"\n")
            count += 1
    return count


def _lines(moves: Iterator[Move]) -> Iterator[list[object]]:
    book = MergedBook()
    for at_ns, _, kind, _, *told in moves:
        if kind == TOUCH:
            yield [at_ns, "book", _gone_first(book.touch(*told)), book.best()]
        elif kind == DEPTH:
            yield [at_ns, "book", _gone_first(book.depth(*told)), book.best()]
        else:
            trade_id, buys, ticks, lots, _ = told
            yield [at_ns, "trade", trade_id, buys, ticks, lots]


def _gone_first(changes: list[Change]) -> list[Change]:
    # So that a book that follows them never crosses itself on the way.
    return sorted(changes, key=lambda change: change[2] > 0)
