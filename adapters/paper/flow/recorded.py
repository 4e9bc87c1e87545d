"""A market from recorded data: recorded depth is the background, recorded trades are takers.

The background holds the best levels of the recorded book as real resting orders; recorded trades
arrive as aggressive IOC orders and match in real priority against background and user orders
alike; afterwards the recorded depth sets the background's part only. Where recorded depth crosses
a user's order, it trades with it. What is played of the recording is in `flow_view.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from sortedcontainers import SortedList

from adapters.paper.core.background import Background
from adapters.paper.core.exchange import Exchange
from adapters.paper.core.model import MarketSpec, Side
from adapters.paper.flow.base import FlowClock
from adapters.paper.flow.config import check_markets, for_market
from adapters.paper.flow.rows import (
    BboRow,
    DeltaRow,
    Lines,
    Pair,
    Recording,
    SnapshotRow,
    TradeRow,
    read_rows,
    to_steps,
)
from adapters.paper.flow.tape import Tape
from adapters.paper.flow.view import RecordedConfig, View
from engine.errors import ConfigError

_NS_PER_US = 1_000


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


class _Player:
    """Plays the rows of one market into the exchange."""

    def __init__(
        self, background: Background, tape: Tape, view: View, config: RecordedConfig
    ) -> None:
        self.tape = tape
        self._background = background
        self._view = view
        self._config = config
        self._book = {side: _Side(side) for side in Side}
        # What was last asked of the background, by level; fills since are not in it.
        self._shown: dict[Side, dict[int, int]] = {side: {} for side in Side}
        # Levels to set again even if the recorded size did not change.
        self._touched: dict[Side, dict[int, None]] = {side: {} for side in Side}
        self._bbo: BboRow | None = None
        # The newest update seen of either stream: an older quote is no news.
        self._seq = 0
        # Best bid + best ask when both were last there: where the next recording goes on. The
        # first one goes on at the last price of a market that has traded before.
        last_ticks = background.market.last_ticks
        self._last_sum = None if last_ticks is None else 2 * last_ticks

    def play(self, now_us: int) -> None:
        """Perform the head of the tape and move on."""
        head = self.tape.head
        row, where = head.row, head.where
        if isinstance(row, TradeRow):
            self._trade(row, where, now_us)
        elif isinstance(row, BboRow):
            self._quote(row, where, now_us)
        else:
            if head.begins is not None and isinstance(row, SnapshotRow):
                mirrored = head.begins % 2 == 1
                self._view.begin(row, where, self._last_sum, mirrored=mirrored)
            self._depth(row, where, now_us)
        self._remember_touch()
        self.tape.advance()

    def _remember_touch(self) -> None:
        bids, asks = self._book[Side.BUY].keys, self._book[Side.SELL].keys
        if bids and asks:
            self._last_sum = bids[-1] - asks[-1]

    def _trade(self, row: TradeRow, where: str, now_us: int) -> None:
        shown = self._view.trade(row, where)
        if shown is None:
            return
        side, ticks, lots = shown
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
        for recorded, pair in ((Side.BUY, row.bid), (Side.SELL, row.ask)):
            side, ticks, lots, kept = self._view.touch(recorded, pair, where)
            book = self._book[side]
            dropped[side] = book.drop_better(ticks)
            if kept:
                book.set(ticks, lots)
        return dropped

    def _depth(self, row: SnapshotRow | DeltaRow, where: str, now_us: int) -> None:
        """Apply a snapshot or delta, then make the background equal to its best levels."""
        if isinstance(row, SnapshotRow):
            self._book = {side: _Side(side) for side in Side}
            self._bbo = None
            self._seq = 0
        self._seq = max(self._seq, row.seq)
        for recorded, pairs in ((Side.BUY, row.bids), (Side.SELL, row.asks)):
            for pair in pairs:
                level = self._view.level(recorded, pair, where)
                if level is not None:
                    side, ticks, lots = level
                    self._book[side].set(ticks, lots)
                    self._touched[side][ticks] = None
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
        recordings: Mapping[str, Sequence[Recording]],
        clock: FlowClock,
        config: RecordedConfig | None = None,
        *,
        seed: int = 1,
    ) -> None:
        """Check the start of every recording and build the players.

        Args:
            exchange: whose flow accounts act.
            recordings: market -> its recordings, played one after the other.
            clock: places flow time 0, the first snapshot of every market.
            config: choices; None for the defaults.
            seed: of what is thinned out.

        Raises:
            ConfigError: if a recording cannot be used, with its file and line.
        """
        settings = config or RecordedConfig()
        check_markets(settings, exchange.markets, "recorded")
        self._clock = clock
        self._players = []
        for market, files in recordings.items():
            own = for_market(settings, market, "recorded")
            spec = exchange.markets[market].spec
            for name, lines in files:
                check_start(spec, lines, name, own)
            view = View(spec, own, seed)
            tape = Tape(files, own)
            self._players.append(_Player(Background(exchange, market), tape, view, own))

    def next_us(self) -> int:
        """Return when the next action is due, in the venue's microseconds."""
        return self._clock.venue_us(min(p.tape.head.due_ns for p in self._players) // _NS_PER_US)

    def run_until(self, now_us: int) -> None:
        """Perform every action due at or before `now_us`, in time order.

        Raises:
            ConfigError: at the first row that cannot be used, with its file and line.
        """
        while True:
            player = min(self._players, key=_due_ns)
            due_us = self._clock.venue_us(player.tape.head.due_ns // _NS_PER_US)
            if due_us > now_us:
                return
            player.play(due_us)


def _due_ns(player: _Player) -> int:
    return player.tape.head.due_ns


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
