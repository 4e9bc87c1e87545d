"""How a recording is shown: joined without jumps, thinned, widened, shifted.

Where a recording ends and the next one starts, all prices of the next are moved by a constant so
that its first mid is the last one's. The second round, and every other one after it, is played as
in a mirror: bids are asks, rises are falls. So a round ends where the one before it began, prices
stay where they were recorded however long it runs, and no jump is made up.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, Literal

import msgspec

from adapters.paper.core.model import MarketSpec, Side
from adapters.paper.core.specs import Count
from adapters.paper.flow.config import Natural, Percent
from adapters.paper.flow.rows import Pair, SnapshotRow, TradeRow, to_steps
from engine.errors import ConfigError

_BPS = 10_000


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
    # The pause between the last row and the snapshot that starts the next file or round.
    loop_pause_ns: Count = 100_000_000
    # What happens to prices at that point; "recorded" jumps to what the file says.
    prices: Literal["continuous", "recorded"] = "continuous"
    # Shares of price levels and of trades that are kept, drawn by the seed.
    keep_levels_percent: Percent = 100
    keep_trades_percent: Percent = 100
    # What is left of every quantity, at least one lot.
    size_percent: Percent = 100
    # Added to the spread, half of it to each side, in basis points of the first mid.
    widen_bps: Natural = 0
    # Added to every price, in quote units; negative moves down.
    price_shift: str = "0"
    # Market -> the members above that differ there.
    markets: dict[str, dict[str, Any]] = {}


class View:
    """Turns recorded numbers of one market into those that are played, in exact steps."""

    def __init__(self, spec: MarketSpec, config: RecordedConfig, seed: int) -> None:
        """Raise ConfigError if `price_shift` is no multiple of the market's tick."""
        self._spec = spec
        self._config = config
        self._seed = seed
        self._shift = _signed_steps(config.price_shift, spec)
        # Played ticks are sign x recorded ticks + offset, and the widening outwards.
        self._sign = 1
        self._offset = 0
        self._widen = -1

    def begin(self, row: SnapshotRow, where: str, last_sum: int | None, *, mirrored: bool) -> None:
        """Place a recording that starts now.

        Args:
            row: its first snapshot.
            where: file and line of it.
            last_sum: best bid + best ask in ticks as played last, None at the very start.
            mirrored: whether this round is played as in a mirror.

        Raises:
            ConfigError: if this leaves no price above 0.
        """
        continuous = self._config.prices == "continuous"
        self._sign = -1 if mirrored and continuous else 1
        self._offset = 0
        first_sum = self._first_sum(row, where)
        if self._widen < 0:
            self._widen = abs(first_sum) * self._config.widen_bps // (4 * _BPS)
        if last_sum is None or not continuous:
            last_sum = first_sum + 2 * self._shift
        self._offset = (last_sum - self._sign * first_sum) // 2
        if last_sum // 2 <= self._widen:
            raise ConfigError(
                f"{where}: price_shift {self._config.price_shift} and widen_bps "
                f"{self._config.widen_bps} leave no price above 0; make them smaller"
            )

    def level(self, side: Side, pair: Pair, where: str) -> tuple[Side, int, int] | None:
        """Side, ticks and lots of a recorded level, None where it is not shown."""
        raw = to_steps(pair[0], self._spec.money_prec, where)
        if not self._keeps(raw, self._config.keep_levels_percent, "level"):
            return None
        return self._place(side, raw, to_steps(pair[1], self._spec.stock_prec, where))

    def touch(self, side: Side, pair: Pair, where: str) -> tuple[Side, int, int, bool]:
        """Side, ticks and lots of a recorded best price, and whether it is shown."""
        raw = to_steps(pair[0], self._spec.money_prec, where)
        lots = to_steps(pair[1], self._spec.stock_prec, where)
        placed = self._place(side, raw, lots)
        kept = self._keeps(raw, self._config.keep_levels_percent, "level")
        return (side, 1, 0, False) if placed is None else (*placed, kept)

    def trade(self, row: TradeRow, where: str) -> tuple[Side, int, int] | None:
        """The taker's side, ticks and lots of a recorded trade, None where it is left out."""
        if not self._keeps(row.id, self._config.keep_trades_percent, "trade"):
            return None
        taken = Side.SELL if row.side == "buy" else Side.BUY
        raw = to_steps(row.p, self._spec.money_prec, where)
        placed = self._place(taken, raw, to_steps(row.q, self._spec.stock_prec, where))
        return None if placed is None else (placed[0].opposite, placed[1], placed[2])

    def _place(self, side: Side, raw: int, lots: int) -> tuple[Side, int, int] | None:
        side = side if self._sign > 0 else side.opposite
        ticks = self._sign * raw + self._offset
        ticks += -self._widen if side is Side.BUY else self._widen
        if lots and self._config.size_percent < 100:
            lots = max(1, lots * self._config.size_percent // 100)
        return None if ticks <= 0 else (side, ticks, lots)

    def _keeps(self, number: int, percent: int, what: str) -> bool:
        return percent == 100 or _draw(self._seed, what, number) < percent

    def _first_sum(self, row: SnapshotRow, where: str) -> int:
        """Best bid + best ask in recorded ticks, of the levels that are shown."""
        best = []
        for pairs, choose in ((row.bids, max), (row.asks, min)):
            prices = [to_steps(price, self._spec.money_prec, where) for price, _ in pairs]
            percent = self._config.keep_levels_percent
            kept = [raw for raw in prices if self._keeps(raw, percent, "level")]
            best += [choose(kept)] if kept else []
        if not best:
            raise ConfigError(
                f"{where}: expected a snapshot with levels, none is left; raise keep_levels_percent"
            )
        return best[0] + best[-1]


# The same levels come again and again.
@lru_cache(maxsize=1 << 16)
def _draw(seed: int, what: str, number: int) -> int:
    return zlib.crc32(f"{seed}/{what}/{number}".encode()) % 100


def _signed_steps(text: str, spec: MarketSpec) -> int:
    steps = to_steps(
        text.removeprefix("-"), spec.money_prec, f"recorded price_shift of {spec.name}"
    )
    return -steps if text.startswith("-") else steps
