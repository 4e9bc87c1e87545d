"""Candles of one market, built from its trades and nothing else (contract 11.4, 11.5). Pure.

Trades are kept merged per second, minute, hour and day; every documented interval is a whole
number of one of those, so a candle of any interval is exact as long as its parts are kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, timedelta

import msgspec

SECOND_S, MINUTE_S, HOUR_S, DAY_S = 1, 60, 3600, 86_400
WEEK_S, MONTH_S = 604_800, 2_592_000
LONG_INTERVALS = (DAY_S, 2 * DAY_S, 3 * DAY_S, WEEK_S, MONTH_S)
# Parts kept with trades in them, finest first: seconds for an hour, minutes for a month, hours for
# three years [C]. One part is about 300 bytes, so a market needs at most 24 MB, most of them after
# weeks, and its first hour fills 1.
KEPT = ((SECOND_S, HOUR_S), (MINUTE_S, 43_200), (HOUR_S, 26_280), (DAY_S, 3_650))
# As many as the older kline path gives at most; the WebSocket method states no limit [C].
CANDLES_MAX = 1440
_EPOCH = date(1970, 1, 1)
# 1970-01-01 was a Thursday.
_FIRST_MONDAY_S = 4 * DAY_S


class Candle(msgspec.Struct, gc=False):
    """What traded from `start_s` on: prices in ticks, `money` in ticks x lots."""

    start_s: int
    open_ticks: int
    close_ticks: int
    high_ticks: int
    low_ticks: int
    lots: int
    money: int

    def merge(self, later: Candle) -> None:
        """Add what traded after this candle."""
        self.close_ticks = later.close_ticks
        self.high_ticks = max(self.high_ticks, later.high_ticks)
        self.low_ticks = min(self.low_ticks, later.low_ticks)
        self.lots += later.lots
        self.money += later.money


def flat(start_s: int, ticks: int) -> Candle:
    """Return a candle in which nothing traded; `ticks` is the price before it."""
    return Candle(start_s, ticks, ticks, ticks, ticks, 0, 0)


def is_interval(seconds: int) -> bool:
    """Say whether an interval is one of the documented ones (11.4)."""
    if seconds < MINUTE_S:
        return seconds > 0 and MINUTE_S % seconds == 0
    if seconds < HOUR_S:
        return seconds % MINUTE_S == 0 and HOUR_S % seconds == 0
    if seconds < DAY_S:
        return seconds % HOUR_S == 0 and DAY_S % seconds == 0
    return seconds in LONG_INTERVALS


def start_of(second: int, interval_s: int) -> int:
    """Return the start of the candle that holds a second.

    Weeks start on Monday, 2592000 is the calendar month, all in UTC; the rest are multiples of
    the interval since the epoch [C].
    """
    if interval_s == WEEK_S:
        return second - (second - _FIRST_MONDAY_S) % WEEK_S
    if interval_s == MONTH_S:
        return _seconds(_day(second).replace(day=1))
    return second - second % interval_s


def next_start(start_s: int, interval_s: int) -> int:
    """Return the start of the candle after the one that starts at `start_s`."""
    if interval_s == MONTH_S:
        # 31 days on is always in the next month.
        return start_of(start_s + 31 * DAY_S, MONTH_S)
    return start_s + interval_s


def _day(second: int) -> date:
    return _EPOCH + timedelta(days=second // DAY_S)


def _seconds(day: date) -> int:
    return (day - _EPOCH).days * DAY_S


class _Tier:
    """Candles of one step in order of time, without the empty ones."""

    def __init__(self, step_s: int, kept: int) -> None:
        self.step_s = step_s
        self._kept = kept
        self.starts: list[int] = []
        self._candles: list[Candle] = []

    def add(self, second: int, ticks: int, lots: int) -> None:
        start = second - second % self.step_s
        if self.starts and self.starts[-1] == start:
            last = self._candles[-1]
            last.close_ticks = ticks
            last.high_ticks = max(last.high_ticks, ticks)
            last.low_ticks = min(last.low_ticks, ticks)
            last.lots += lots
            last.money += lots * ticks
            return
        self.starts.append(start)
        self._candles.append(Candle(start, ticks, ticks, ticks, ticks, lots, lots * ticks))
        # The oldest are dropped many at a time, since each time moves the rest.
        if len(self.starts) > self._kept + self._kept // 8:
            excess = len(self.starts) - self._kept
            del self.starts[:excess], self._candles[:excess]

    def between(self, start_s: int, end_s: int) -> list[Candle]:
        low, high = bisect_left(self.starts, start_s), bisect_left(self.starts, end_s)
        return self._candles[low:high]

    def close_before(self, start_s: int) -> int | None:
        index = bisect_left(self.starts, start_s)
        return self._candles[index - 1].close_ticks if index else None


class Klines:
    """The trades of one market as candles."""

    def __init__(self) -> None:
        self._tiers = tuple(_Tier(step_s, kept) for step_s, kept in KEPT)

    def add(self, second: int, ticks: int, lots: int) -> None:
        """Count one trade; `second` (Unix) must not be before that of the last one."""
        for tier in self._tiers:
            tier.add(second, ticks, lots)

    @property
    def last_s(self) -> int | None:
        """Return the second of the last trade, None before the first."""
        starts = self._tiers[0].starts
        return starts[-1] if starts else None

    def span(self, start_s: int, end_s: int) -> Candle | None:
        """Return what traded in [start_s, end_s), None for nothing.

        Exact for the last hour, and for any whole minutes, hours or days that are still kept; of
        a longer time the part of a minute at its beginning is left out [C].
        """
        merged: Candle | None = None
        for part in self._parts(start_s, end_s, len(self._tiers) - 1):
            if merged is None:
                merged = msgspec.structs.replace(part, start_s=start_s)
            else:
                merged.merge(part)
        return merged

    def _parts(self, start_s: int, end_s: int, coarsest: int) -> Iterator[Candle]:
        tier = self._tiers[coarsest]
        low = -(-start_s // tier.step_s) * tier.step_s
        high = end_s - end_s % tier.step_s
        if low >= high:
            if coarsest:
                yield from self._parts(start_s, end_s, coarsest - 1)
            return
        if start_s < low:
            yield from self._parts(start_s, low, coarsest - 1)
        yield from tier.between(low, high)
        if high < end_s:
            yield from self._parts(high, end_s, coarsest - 1)

    def candles(
        self, start_s: int, end_s: int, interval_s: int, limit: int, *, newest: bool
    ) -> list[Candle]:
        """Return the candles that start in the interval of `start_s` or later, up to `end_s`.

        Intervals in which nothing traded are there too, flat at the price before them [C]; there
        is nothing before the first trade.

        Args:
            start_s: Unix seconds, >= 0.
            end_s: Unix seconds, inclusive, not in the future.
            interval_s: one of the documented intervals.
            limit: most candles to return.
            newest: which of too many to return, the last ones or the first.
        """
        tier = next(t for t in reversed(self._tiers) if t.step_s <= interval_s)
        if not tier.starts or start_s > end_s:
            return []
        start_s = start_of(max(start_s, tier.starts[0]), interval_s)
        if newest and interval_s != MONTH_S:
            # There are few months, and they differ in length.
            back = (limit - 1) * interval_s
            start_s = max(start_s, start_of(max(end_s - back, 0), interval_s))
        found: list[Candle] = []
        close = tier.close_before(start_s)
        while start_s <= end_s and (newest or len(found) < limit):
            following = next_start(start_s, interval_s)
            candle = self.span(start_s, following)
            if candle is None and close is not None:
                candle = flat(start_s, close)
            if candle is not None:
                close = candle.close_ticks
                found.append(candle)
            start_s = following
        return found[-limit:]
