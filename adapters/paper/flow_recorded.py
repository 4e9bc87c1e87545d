"""A market from recorded data: recorded depth is the background, recorded trades are takers.

The background holds the best levels of the recorded book as real resting orders; recorded trades
arrive as aggressive IOC orders and match in real priority against background and user orders
alike; afterwards the recorded depth sets the background's part only. Where recorded depth crosses
a user's order, it trades with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec
from sortedcontainers import SortedList

from adapters.paper.background import Background
from adapters.paper.exchange import Exchange
from adapters.paper.flow import FlowClock
from adapters.paper.flow_rows import (
    BboRow,
    DeltaRow,
    Lines,
    Pair,
    Row,
    SnapshotRow,
    TradeRow,
    read_rows,
    to_steps,
)
from adapters.paper.model import MarketSpec, Side
from adapters.paper.specs import Count
from engine.errors import ConfigError

_NS_PER_US = 1_000


class RecordedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Choices of the recorded flow, all [C]."""

    # Best recorded levels a side that rest as background orders: the widest depth channel.
    levels: Count = 100
    # One trade in this many (by its id) counts as a retail taker, so that RPI orders fill too.
    retail_one_in: Count = 5
    # Rows read before anything starts, so that a bad file is refused and not met later.
    checked_rows: Count = 1_000
    # Rows in which a snapshot must come, and deltas kept until it does.
    snapshot_within: Count = 10_000
    # The pause between the last row and the snapshot that starts the next round.
    loop_pause_ns: Count = 100_000_000


class _Side:
    """One side of the recorded book; `keys` are sign x ticks ascending, the best is last."""

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side is Side.BUY else -1
        self.lots: dict[int, int] = {}
        # A recorded book has thousands of levels that come and go in the middle.
        self.keys: SortedList = SortedList()

    def set(self, ticks: int, lots: int) -> None:
        """Set a level's size; removing one that is not there is normal."""
        if lots:
            if ticks not in self.lots:
                self.keys.add(ticks * self.sign)
            self.lots[ticks] = lots
        elif self.lots.pop(ticks, 0):
            self.keys.remove(ticks * self.sign)

    def drop_better(self, ticks: int) -> list[int]:
        """Remove and return the levels better than `ticks`."""
        dropped = []
        while self.keys and self.keys[-1] > ticks * self.sign:
            dropped.append(self.keys.pop() * self.sign)
            del self.lots[dropped[-1]]
        return dropped

    def window(self, levels: int) -> dict[int, int]:
        """Return the best levels as {ticks: lots}, best first."""
        prices = [key * self.sign for key in islice(reversed(self.keys), levels)]
        return {ticks: self.lots[ticks] for ticks in prices}


class Tape:
    """The rows of one recording on flow time, from its snapshot on, round and round."""

    def __init__(self, lines: Lines, name: str, config: RecordedConfig) -> None:
        """Read up to the first snapshot; raises ConfigError if the recording is unusable."""
        self.name = name
        self._lines = lines
        self._config = config
        self._round_ns = 0
        self._rows = self._round()
        self.head = next(self._rows)

    def advance(self) -> None:
        """Move `head` = (flow time in ns, line, row) to the next row."""
        self.head = next(self._rows)

    def _round(self) -> Iterator[tuple[int, int, Row]]:
        while True:
            rows = read_rows(self._lines, self.name)
            number, snapshot, early = self._find_snapshot(rows)
            yield self._round_ns, number, snapshot
            chain = _Chain(self.name, snapshot.seq)
            for number, delta in early:
                if chain.accepts(number, delta):
                    yield self._round_ns, number, delta
            elapsed_ns = 0
            for number, row in rows:
                elapsed_ns = row.t - snapshot.t
                if isinstance(row, SnapshotRow):
                    chain = _Chain(self.name, row.seq)
                elif isinstance(row, DeltaRow) and not chain.accepts(number, row):
                    continue
                yield self._round_ns + elapsed_ns, number, row
            self._round_ns += elapsed_ns + self._config.loop_pause_ns

    def _find_snapshot(
        self, rows: Iterator[tuple[int, Row]]
    ) -> tuple[int, SnapshotRow, list[tuple[int, DeltaRow]]]:
        early: list[tuple[int, DeltaRow]] = []
        for number, row in islice(rows, self._config.snapshot_within):
            if isinstance(row, SnapshotRow):
                return number, row, early
            # Trades and quotes from before the book is known have nothing to act on.
            if isinstance(row, DeltaRow):
                early.append((number, row))
        raise ConfigError(
            f"{self.name}:1: expected a snapshot within {self._config.snapshot_within} rows, "
            "found none; start the recording with one"
        )


class _Chain:
    """Checks that deltas follow each other: spot by `first`, futures by `prev`."""

    def __init__(self, name: str, seq: int) -> None:
        self._name = name
        self._seq = seq

    def accepts(self, number: int, row: DeltaRow) -> bool:
        """Say whether a delta is news; raises ConfigError where one is missing before it."""
        if row.seq <= self._seq:
            return False
        before = row.prev if row.prev is not None else (row.first or 0) - 1
        if before > self._seq:
            raise ConfigError(
                f"{self._name}:{number}: expected a delta that follows update {self._seq}, "
                f"was one that follows {before}; the recording has a gap, cut it there"
            )
        self._seq = row.seq
        return True


class _Player:
    """Plays the rows of one market into the exchange."""

    def __init__(self, background: Background, tape: Tape, config: RecordedConfig) -> None:
        self.tape = tape
        self._background = background
        self._spec: MarketSpec = background.market.spec
        self._config = config
        self._book = {side: _Side(side) for side in Side}
        # What was last asked of the background, by level; fills since are not in it.
        self._shown: dict[Side, dict[int, int]] = {side: {} for side in Side}
        # Levels to set again even if the recorded size did not change.
        self._touched: dict[Side, dict[int, None]] = {side: {} for side in Side}
        self._bbo: BboRow | None = None
        # The newest update seen of either stream: an older quote is no news.
        self._seq = 0

    def play(self, now_us: int) -> None:
        """Perform the head of the tape and move on."""
        _, number, row = self.tape.head
        where = f"{self.tape.name}:{number}"
        if isinstance(row, TradeRow):
            self._trade(row, where, now_us)
        elif isinstance(row, BboRow):
            self._quote(row, where, now_us)
        else:
            self._depth(row, where, now_us)
        self.tape.advance()

    def _level(self, pair: Pair, where: str) -> tuple[int, int]:
        spec = self._spec
        ticks = to_steps(pair[0], spec.money_prec, where)
        return ticks, to_steps(pair[1], spec.stock_prec, where)

    def _trade(self, row: TradeRow, where: str, now_us: int) -> None:
        ticks, lots = self._level((row.p, row.q), where)
        side = Side.BUY if row.side == "buy" else Side.SELL
        retail = row.id % self._config.retail_one_in == 0
        if lots:
            self._background.replay_trade(side, ticks, lots, now_us, retail=retail)
        self._touched[side.opposite][ticks] = None

    def _quote(self, row: BboRow, where: str, now_us: int) -> None:
        """Move the touch between the deltas."""
        if row.seq < self._seq:
            return
        self._seq = row.seq
        self._bbo = row
        changes = []
        for side, levels in self._apply_bbo(row, where).items():
            shown = self._shown[side]
            changes += [(side, ticks, 0) for ticks in levels if shown.pop(ticks, 0)]
        for side in Side:
            ticks, lots = next(iter(self._book[side].window(1).items()), (0, 0))
            if lots:
                self._shown[side][ticks] = lots
                changes.append((side, ticks, lots))
        self._background.set_levels(changes, now_us)

    def _apply_bbo(self, row: BboRow, where: str) -> dict[Side, list[int]]:
        dropped = {}
        for side, pair in ((Side.BUY, row.bid), (Side.SELL, row.ask)):
            ticks, lots = self._level(pair, where)
            book = self._book[side]
            dropped[side] = book.drop_better(ticks)
            book.set(ticks, lots)
        return dropped

    def _depth(self, row: SnapshotRow | DeltaRow, where: str, now_us: int) -> None:
        """Apply a snapshot or delta, then make the background equal to its best levels."""
        if isinstance(row, SnapshotRow):
            self._book = {side: _Side(side) for side in Side}
            self._bbo = None
            self._seq = 0
        self._seq = max(self._seq, row.seq)
        for side, pairs in ((Side.BUY, row.bids), (Side.SELL, row.asks)):
            book, touched = self._book[side], self._touched[side]
            for pair in pairs:
                ticks, lots = self._level(pair, where)
                book.set(ticks, lots)
                touched[ticks] = None
        if self._bbo is not None and self._bbo.seq > row.seq:
            # The best bid and offer are ahead of this delta, so its older touch must not return.
            self._apply_bbo(self._bbo, where)
        self._show(now_us)

    def _show(self, now_us: int) -> None:
        wanted = {side: self._book[side].window(self._config.levels) for side in Side}
        # Levels are left before others are taken, so that the book moves without crossing itself.
        changes = [
            (side, ticks, 0)
            for side in Side
            for ticks in self._shown[side]
            if ticks not in wanted[side]
        ]
        for side in Side:
            shown, touched = self._shown[side], self._touched[side]
            changes += [
                (side, ticks, lots)
                for ticks, lots in wanted[side].items()
                if shown.get(ticks) != lots or ticks in touched
            ]
            touched.clear()
        self._background.set_levels(changes, now_us)
        self._shown = wanted


class RecordedFlow:
    """Recordings of one or more markets, played together."""

    def __init__(
        self,
        exchange: Exchange,
        recordings: Mapping[str, tuple[str, Lines]],
        clock: FlowClock,
        config: RecordedConfig | None = None,
    ) -> None:
        """Check the start of every recording and build the players.

        Args:
            exchange: whose flow accounts act.
            recordings: market -> (file name for messages, its lines).
            clock: places flow time 0, the first snapshot of every recording.
            config: choices; None for the defaults.

        Raises:
            ConfigError: if a recording cannot be used, with its file and line.
        """
        settings = config or RecordedConfig()
        self._clock = clock
        self._players = []
        for market, (name, lines) in recordings.items():
            check_start(exchange.markets[market].spec, lines, name, settings)
            background = Background(exchange, market)
            self._players.append(_Player(background, Tape(lines, name, settings), settings))

    def next_us(self) -> int:
        """Return when the next action is due, in the venue's microseconds."""
        return self._clock.venue_us(min(p.tape.head[0] for p in self._players) // _NS_PER_US)

    def run_until(self, now_us: int) -> None:
        """Perform every action due at or before `now_us`, in time order.

        Raises:
            ConfigError: at the first row that cannot be used, with its file and line.
        """
        while True:
            player = min(self._players, key=_due_ns)
            due_us = self._clock.venue_us(player.tape.head[0] // _NS_PER_US)
            if due_us > now_us:
                return
            player.play(due_us)


def _due_ns(player: _Player) -> int:
    return player.tape.head[0]


def check_start(spec: MarketSpec, lines: Lines, name: str, config: RecordedConfig) -> None:
    """Read the first rows and convert every number, so that a misfit is refused at start."""
    for number, row in islice(read_rows(lines, name), config.checked_rows):
        where = f"{name}:{number}"
        pairs: list[Pair]
        if isinstance(row, TradeRow):
            pairs = [(row.p, row.q)]
        elif isinstance(row, BboRow):
            pairs = [row.bid, row.ask]
        else:
            pairs = [*row.bids, *row.asks]
        for price, qty in pairs:
            if not to_steps(price, spec.money_prec, where):
                raise ConfigError(f"{where}: expected a price above 0, was {price!r}; drop the row")
            to_steps(qty, spec.stock_prec, where)
