"""lastprice, candles, market, marketToday and premiumIndex over a running venue (11.3-11.5)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.paper.captures import frame, needs_the_captures, shape
from tests.paper.venue_client import START_NS, Bench, bench

MARKET = "BTC_USDT"
NOW_S = START_NS // 1_000_000_000
MINUTE_S = NOW_S - NOW_S % 60


async def trade(run: Bench, price: str, amount: str = "0.01") -> None:
    await run.alice.limit("sell", price, amount)
    await run.bob.limit("buy", price, amount)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("candles_request", [MARKET, 0, NOW_S, 7], 1),
        ("candles_request", [MARKET, 0, NOW_S], 1),
        ("candles_request", [MARKET, 10, 9, 60], 1),
        ("candles_request", [MARKET, -1, 9, 60], 1),
        ("candles_request", [MARKET, 0, "9", 60], 1),
        ("candles_request", ["NOPE", 0, 9, 60], 9),
        ("candles_subscribe", [MARKET, "60"], 1),
        ("candles_subscribe", [MARKET, 60.0], 1),
        ("candles_subscribe", [MARKET, True], 1),
        ("candles_subscribe", [MARKET, 90_000], 1),
        ("candles_subscribe", [MARKET], 1),
        ("candles_subscribe", ["NOPE", 60], 9),
        ("market_request", [MARKET], 1),
        ("market_request", [MARKET, 0], 1),
        ("market_request", ["NOPE", 60], 9),
        ("market_subscribe", [], 1),
        ("market_subscribe", [MARKET, "NOPE"], 9),
        ("marketToday_subscribe", [], 1),
        ("marketToday_query", [MARKET, "BTC_PERP"], 1),
        ("lastprice_subscribe", [], 1),
        ("premiumIndex_subscribe", [MARKET], 1),
        ("premiumIndex_subscribe", ["NOPE"], 9),
        ("kline_subscribe", [MARKET, 60], 4),
        ("premiumIndex_request", [], 4),
    ],
)
async def test_refusals(
    nursery: trio.Nursery, autojump_clock: MockClock, method: str, params: list[Any], code: int
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    answer = await ws.ask(method, *params)
    assert (answer["result"], answer["error"]["code"]) == (None, code)


async def test_candles_are_asked_for(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    assert await ws.call("candles_request", MARKET, 0, NOW_S, 60) == []
    await trade(run, "60000")
    await trade(run, "59000", "0.02")
    await trade(run, "59500")
    first = [MINUTE_S, "60000", "59500", "60000", "59000", "0.04", "2375", MARKET]
    assert await ws.call("candles_request", MARKET, 0, NOW_S, 60) == [first]
    assert await ws.call("candles_request", MARKET, NOW_S, 10**30, 60) == [first]
    assert await ws.call("candles_request", MARKET, NOW_S + 99, 10**30, 2592000) == []
    for _ in range(3):
        await ws.call("ping")
        await trio.sleep(40)
    quiet = ["59500", "59500", "59500", "59500", "0", "0", MARKET]
    assert await ws.call("candles_request", MARKET, NOW_S, NOW_S + 120, 60) == [
        first,
        [MINUTE_S + 60, *quiet],
        [MINUTE_S + 120, *quiet],
    ]


async def test_the_running_candle_is_pushed_when_it_changes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("candles_subscribe", MARKET, 60)
    await trade(run, "60000")
    assert await ws.push("candles_update") == [
        [MINUTE_S, "60000", "60000", "60000", "60000", "0.01", "600", MARKET]
    ]
    await trade(run, "61000")
    # The end of a candle is told together with the start of the next one.
    await trio.sleep(0.6)
    await ws.call("ping")
    [changed] = ws.pushes
    assert changed["params"][0][1:5] == ["60000", "61000", "61000", "60000"]
    ws.pushes.clear()
    await trio.sleep(60 - NOW_S % 60 - 2.2)
    await ws.call("ping")
    assert ws.pushes == []
    await trade(run, "60500")
    await trio.sleep(2)
    await ws.call("ping")
    told = [candle for message in ws.pushes for candle in message["params"]]
    ended = [MINUTE_S, "60000", "60500", "61000", "60000", "0.03", "1815", MARKET]
    started = [MINUTE_S + 60, *["60500"] * 4, "0", "0", MARKET]
    assert told == [ended, started]


async def test_a_clock_that_steps_back_does_not_stop_candles(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("candles_subscribe", MARKET, 1)
    await trade(run, "60000")
    await ws.push("candles_update")
    run.handle.venue.step_clock(-4_000_000_000)
    await trade(run, "61000")
    started = trio.current_time()
    [candle] = await ws.push("candles_update")
    assert trio.current_time() - started < 1
    assert candle[:3] == [NOW_S, "60000", "61000"]
    assert await ws.call("candles_request", MARKET, 0, NOW_S + 60, 1) == [candle]


async def test_a_new_candle_subscription_replaces_and_an_unsubscribe_ends_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    ws = await run.alice.open_ws()
    await ws.call("candles_subscribe", MARKET, 60)
    await ws.call("candles_subscribe", MARKET, 3600)
    [[start_s, *_]] = await ws.push("candles_update")
    assert start_s == NOW_S - NOW_S % 3600
    assert await ws.call("candles_unsubscribe") == {"status": "success"}
    await trade(run, "60001")
    await trio.sleep(2)
    await ws.call("ping")
    assert ws.pushes == []


async def test_statistics_of_the_day_and_of_today(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    await trade(run, "63000")
    ws = await run.alice.open_ws()
    today = {
        "last": "63000",
        "open": "60000",
        "high": "63000",
        "low": "60000",
        "volume": "0.02",
        "deal": "1230",
    }
    whole = {"period": 86400, "close": "63000", **today}
    assert await ws.call("market_request", MARKET, 86400) == whole
    assert await ws.call("marketToday_query", MARKET) == today
    assert await ws.call("marketToday_request", MARKET) == today
    await ws.call("market_subscribe", "BTC_PERP")
    await ws.call("market_subscribe", MARKET)
    await ws.call("marketToday_subscribe", MARKET, "BTC_PERP")
    assert await ws.push("market_update") == [MARKET, whole]
    assert await ws.push("marketToday_update") == [MARKET, today]
    zero = dict.fromkeys(today, "0")
    assert await ws.push("marketToday_update") == ["BTC_PERP", zero]
    # Each second, whether or not something changed.
    started = trio.current_time()
    for _ in range(3):
        await ws.push("market_update")
    assert trio.current_time() - started == pytest.approx(3)
    await trio.sleep(30)
    assert (await ws.call("market_request", MARKET, 30))["volume"] == "0"
    await ws.call("market_unsubscribe")
    await ws.call("marketToday_unsubscribe")
    ws.pushes.clear()
    await trio.sleep(3)
    await ws.call("ping")
    assert ws.pushes == []


async def test_the_last_price_is_told_once_a_second_when_it_changed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws, other = await run.alice.open_ws(), await run.bob.open_ws()
    for each in (ws, other):
        await each.call("lastprice_subscribe", MARKET, "BTC_PERP")
    for price in ("60000", "60001"):
        await trade(run, price)
    assert await ws.call("lastprice_request", MARKET) == "60001"
    await trio.sleep(3)
    for each in (ws, other):
        await each.call("ping")
        assert [message["params"] for message in each.pushes] == [[MARKET, "60001"]]
    await ws.call("lastprice_unsubscribe")
    await trade(run, "60002")
    await trio.sleep(2)
    await ws.call("ping")
    assert len(ws.pushes) == 1


async def test_premiums_of_all_perpetuals_or_of_named_ones(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    ws, other = await run.alice.open_ws(), await run.bob.open_ws()
    await ws.call("premiumIndex_subscribe")
    await other.call("premiumIndex_subscribe", "BTC_PERP")
    [listed] = await ws.push("premiumIndex_update")
    named = await other.push("premiumIndex_update")
    assert listed == named
    next_ms, told_s = named[4:]
    # The index is the spot price; before any premium was seen the rate is the interest.
    assert named[:4] == ["BTC_PERP", "60000", "60000", "0.0001"]
    assert (next_ms % (8 * 3_600_000), next_ms > NOW_S * 1000) == (0, True)
    assert NOW_S < told_s <= NOW_S + 1
    started = trio.current_time()
    await ws.push("premiumIndex_update")
    assert trio.current_time() - started == pytest.approx(0.5)
    await ws.call("premiumIndex_unsubscribe")
    ws.pushes.clear()
    await trio.sleep(2)
    await ws.call("ping")
    assert ws.pushes == []


@needs_the_captures
@pytest.mark.parametrize(
    ("capture", "channel", "params"),
    [
        ("roq__market_update__update", "market", ["BTC_PERP"]),
        ("roq__market_today_update__update", "marketToday", ["BTC_PERP"]),
        ("ccxt_ws__handle_ohlcv_1", "candles", ["BTC_USDT", 60]),
        ("jkorf__Subscriptions_V4_LastPrice", "lastprice", ["BTC_USDT"]),
        ("roq__book_ticker_update__simple", "bookTicker", ["BTC_USDT"]),
        ("roq__trades_update__update", "trades", ["BTC_USDT"]),
    ],
)
async def test_pushes_look_like_the_captures(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    capture: str,
    channel: str,
    params: list[Any],
) -> None:
    run = await bench(nursery)
    await trade(run, "60000")
    ws = await run.alice.open_ws()
    await ws.call(f"{channel}_subscribe", *params)
    pushed = await ws.push(f"{channel}_update")
    message = {"method": f"{channel}_update", "params": pushed, "id": None}
    assert shape(message) == shape(frame(capture))


@needs_the_captures
async def test_premiums_look_like_the_capture(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("premiumIndex_subscribe")
    [premium] = await ws.push("premiumIndex_update")
    assert shape(premium) == shape(frame("nemanull__premiumIndex_update")["params"][0])
