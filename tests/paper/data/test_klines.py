"""Candles and statistics against the plain list of trades (contract 11.4, 11.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from adapters.paper.core.market import Market
from adapters.paper.core.model import BTC_USDT, PublicTrade, Side
from adapters.paper.data import klines
from adapters.paper.data.klines import (
    CANDLES_MAX,
    DAY_S,
    HOUR_S,
    MONTH_S,
    WEEK_S,
    Candle,
    Klines,
    flat,
    is_interval,
    next_start,
    start_of,
)
from adapters.paper.data.statistics import Statistics, change_hundredths

# A Sunday, 23:59:30 UTC, the last half minute of a month.
START_S = int(datetime(2026, 5, 31, 23, 59, 30, tzinfo=UTC).timestamp())
Trade = tuple[int, int, int]


def trades_at_random(count: int, gap_s: int, seed: int = 1) -> list[Trade]:
    random = Random(seed)
    second, found = START_S, []
    for _ in range(count):
        second += random.randint(0, gap_s)
        found.append((second, random.randint(90, 110), random.randint(1, 9)))
    return found


def merged(trades: list[Trade], start_s: int, end_s: int) -> Candle | None:
    """The obvious way."""
    inside = [trade for trade in trades if start_s <= trade[0] < end_s]
    if not inside:
        return None
    prices = [ticks for _, ticks, _ in inside]
    lots, money = sum(t[2] for t in inside), sum(t[1] * t[2] for t in inside)
    return Candle(start_s, prices[0], prices[-1], max(prices), min(prices), lots, money)


def filled(trades: list[Trade]) -> Klines:
    made = Klines()
    for trade in trades:
        made.add(*trade)
    return made


def test_the_documented_intervals_are_all_there_are() -> None:
    found = [s for s in range(-1, 3_000_000) if is_interval(s)]
    assert found == [
        *(1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30),
        *(60, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800),
        *(3600, 7200, 10800, 14400, 21600, 28800, 43200),
        *(86400, 172800, 259200, 604800, 2592000),
    ]


@pytest.mark.parametrize("interval_s", [1, 5, 30, 60, 900, 3600, 14400, DAY_S, WEEK_S, MONTH_S])
def test_candles_equal_the_merged_trades(interval_s: int) -> None:
    trades = trades_at_random(400, max(interval_s // 3, 2))
    made, end_s = filled(trades), trades[-1][0]
    found = made.candles(0, end_s, interval_s, 10_000, newest=False)
    assert found[0].start_s <= START_S + interval_s
    assert found[-1].start_s <= end_s < next_start(found[-1].start_s, interval_s)
    close = 0
    for candle, following in zip(found, [*found[1:], None], strict=True):
        end = next_start(candle.start_s, interval_s)
        assert following is None or following.start_s == end
        expected = merged(trades, candle.start_s, end) or flat(candle.start_s, close)
        assert candle == expected
        close = candle.close_ticks


def test_any_period_equals_the_merged_trades() -> None:
    trades, random = trades_at_random(3_000, 60), Random(2)
    made = filled(trades)
    for _ in range(300):
        start_s = random.randint(START_S, trades[-1][0])
        end_s = start_s + random.choice((1, 59, 3_700, DAY_S))
        assert made.span(start_s, end_s) == merged(trades, start_s, end_s)


def test_weeks_start_on_monday_and_months_on_their_first_day() -> None:
    monday = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
    assert start_of(START_S, WEEK_S) == monday - WEEK_S
    assert start_of(monday, WEEK_S) == start_of(monday, MONTH_S) == monday
    february = int(datetime(2028, 2, 1, tzinfo=UTC).timestamp())
    assert next_start(february, MONTH_S) - february == 29 * DAY_S


def test_too_many_candles_are_cut_at_the_wanted_end() -> None:
    made = filled([(START_S, 100, 1), (START_S + 10_000, 200, 1)])
    last = made.candles(0, START_S + 10_000, 1, 3, newest=True)
    assert [(c.start_s - START_S, c.close_ticks, c.lots) for c in last] == [
        (9_998, 100, 0),
        (9_999, 100, 0),
        (10_000, 200, 1),
    ]
    first = made.candles(START_S - 50, START_S + 10_000, 1, 2, newest=False)
    assert [(c.start_s - START_S, c.lots) for c in first] == [(0, 1), (1, 0)]
    months = made.candles(0, START_S + 400 * DAY_S, MONTH_S, 2, newest=True)
    assert [c.lots for c in months] == [0, 0]
    assert made.candles(START_S + 1, START_S, 60, CANDLES_MAX, newest=True) == []
    assert Klines().candles(0, START_S, 60, CANDLES_MAX, newest=True) == []


def test_old_seconds_are_dropped_and_days_stay_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(klines, "KEPT", ((1, 80), (60, 80), (HOUR_S, 80), (DAY_S, 80)))
    trades = trades_at_random(5_000, 20)
    made = filled(trades)
    assert all(len(tier.starts) <= 90 for tier in made._tiers)
    assert made.span(START_S, trades[-1][0] + 1) != merged(trades, START_S, trades[-1][0] + 1)
    day = start_of(trades[-1][0], DAY_S)
    assert made.span(day - DAY_S, day + DAY_S) == merged(trades, day - DAY_S, day + DAY_S)
    seconds = made.candles(0, trades[-1][0], 1, 10_000, newest=False)
    assert seconds[0].start_s >= trades[-1][0] - 90 * 20
    assert seconds[-1] == merged(trades, trades[-1][0], trades[-1][0] + 1)


def statistics_of(*trades: Trade) -> tuple[Statistics, Market]:
    made, market = Statistics(["BTC_USDT"]), Market(BTC_USDT, 100, 0)
    for number, (second, ticks, lots) in enumerate(trades):
        market.last_ticks = ticks
        made.count(
            [
                PublicTrade(
                    trade_id=number,
                    time_us=second * 1_000_000 + 999_999,
                    market="BTC_USDT",
                    ticks=ticks,
                    lots=lots,
                    side=Side.BUY,
                    rpi=False,
                )
            ]
        )
    return made, market


def test_a_trade_leaves_the_rolling_hour_to_the_second() -> None:
    made, market = statistics_of((START_S, 100, 1), (START_S + 5, 104, 2), (START_S + 6, 102, 4))
    last_us = (START_S + HOUR_S - 1) * 1_000_000 + 999_999
    assert made.period(market, HOUR_S, last_us).lots == 7
    assert change_hundredths(made.period(market, HOUR_S, last_us)) == 200
    later = made.period(market, HOUR_S, last_us + 1)
    assert (later.lots, later.money, later.open_ticks) == (6, 2 * 104 + 4 * 102, 104)
    assert change_hundredths(later) == -192
    quiet = made.period(market, HOUR_S, last_us + 6_000_001)
    assert (quiet.lots, quiet.open_ticks, quiet.high_ticks, quiet.close_ticks) == (0, 102, 102, 102)


def test_a_trade_leaves_the_rolling_day_with_its_minute() -> None:
    minute_s = START_S + 30
    made, market = statistics_of(
        (minute_s, 100, 1), (minute_s + 59, 104, 2), (minute_s + 60, 102, 4)
    )
    last_us = (minute_s + DAY_S) * 1_000_000 - 1
    assert made.day(market, last_us).lots == 7
    assert made.day(market, last_us + 1).lots == 4
    assert made.day(market, last_us + 60_000_000).lots == 4
    assert made.day(market, last_us + 60_000_001).lots == 0


def test_today_starts_at_midnight() -> None:
    made, market = statistics_of((START_S, 100, 1), (START_S + 30, 90, 2))
    assert made.day(market, (START_S + 31) * 1_000_000).lots == 3
    assert made.today(market, (START_S + 31) * 1_000_000).open_ticks == 90
    # A clock that stepped back does not hide what the engine did already.
    assert made.period(market, 1, START_S * 1_000_000).lots == 2


def test_before_the_first_trade_everything_is_zero() -> None:
    made, market = statistics_of()
    nothing = made.day(market, START_S * 1_000_000)
    assert (nothing.open_ticks, nothing.lots, nothing.money) == (0, 0, 0)
    assert change_hundredths(nothing) == 0
