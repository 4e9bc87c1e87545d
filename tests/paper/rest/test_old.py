"""Public REST of versions 1 and 2 as clients call it: shapes of captures and old documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.limits import limit_of
from tests.paper.captures import frame, needs_the_captures, shape
from tests.paper.venue_client import START_NS, Bench, bench

NOW_S = START_NS // 1_000_000_000
HOUR_S = NOW_S - NOW_S % 3600
MINUTE_S = NOW_S - NOW_S % 60
ISO = datetime.fromtimestamp(NOW_S, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def traded(nursery: trio.Nursery) -> Bench:
    """Trade 0.01 at 60000 by a buyer and at 61200 by a seller; 61000 is bid and 62000 asked."""
    run = await bench(nursery)
    await run.alice.limit("sell", "60000")
    await run.bob.limit("buy", "60000")
    await run.bob.limit("buy", "61200")
    await run.alice.limit("sell", "61200")
    await run.bob.limit("buy", "61000", "0.02")
    await run.alice.limit("sell", "62000", "0.03")
    return run


async def get(run: Bench, path: str) -> Any:
    status, answer = await run.alice.http("GET", f"/api/{path}", {}, b"")
    assert status == 200, answer
    return answer


async def result(run: Bench, path: str) -> Any:
    answer = await get(run, path)
    assert (answer["success"], answer["message"]) == (True, None)
    return answer["result"]


DAY = {
    "open": "60000",
    "bid": "61000",
    "ask": "62000",
    "low": "60000",
    "high": "61200",
    "last": "61200",
    "volume": "0.02",
    "deal": "1212",
    "change": "2",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("v1/public/symbols", ["BTC_USDT", "BTC_PERP"]),
        ("v1/public/ticker?market=BTC_USDT", DAY),
        (
            "v1/public/kline?market=BTC_USDT",
            [[HOUR_S, "60000", "61200", "61200", "60000", "0.02", "1212"]],
        ),
        (
            "v1/public/kline?market=BTC_USDT&interval=1m&start=1&limit=10",
            [[MINUTE_S, "60000", "61200", "61200", "60000", "0.02", "1212"]],
        ),
        (f"v1/public/kline?market=BTC_USDT&end={NOW_S - 7200}", []),
        ("v1/public/kline?market=BTC_PERP&interval=1M", []),
        (
            "v2/public/ticker",
            [
                {
                    "lastUpdateTimestamp": ISO,
                    "tradingPairs": "BTC_USDT",
                    "lastPrice": "61200",
                    "lowestAsk": "62000",
                    "highestBid": "61000",
                    "baseVolume24h": "0.02",
                    "quoteVolume24h": "1212",
                    "tradesEnabled": True,
                },
                {
                    "lastUpdateTimestamp": ISO,
                    "tradingPairs": "BTC_PERP",
                    "lastPrice": "0",
                    "lowestAsk": "0",
                    "highestBid": "0",
                    "baseVolume24h": "0",
                    "quoteVolume24h": "0",
                    "tradesEnabled": True,
                },
            ],
        ),
        ("v2/public/fee", {"makerFee": "0.1", "takerFee": "0.1"}),
        (
            "v2/public/depth/BTC_USDT",
            {
                "lastUpdateTimestamp": ISO,
                "asks": [["62000", "0.03"]],
                "bids": [["61000", "0.02"]],
            },
        ),
    ],
)
async def test_answers(
    nursery: trio.Nursery, autojump_clock: MockClock, path: str, expected: Any
) -> None:
    run = await traded(nursery)
    assert await result(run, path) == expected


async def test_answers_that_name_trades(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await traded(nursery)
    newest, oldest = await result(run, "v2/public/trades/BTC_USDT")
    assert newest == {
        "tradeId": newest["tradeId"],
        "price": "61200",
        "volume": "0.01",
        "time": ISO,
        "isBuyerMaker": True,
    }
    assert oldest["isBuyerMaker"] is False
    path = f"v1/public/history?market=BTC_USDT&lastId={oldest['tradeId']}"
    assert await result(run, path) == [
        {
            "id": newest["tradeId"],
            "time": NOW_S,
            "price": "61200",
            "amount": "0.01",
            "type": "sell",
        }
    ]
    limited = await result(run, "v1/public/history?market=BTC_USDT&lastId=0&limit=1")
    assert [trade["id"] for trade in limited] == [newest["tradeId"]]


async def test_tickers_and_depth_have_shapes_of_their_own(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await traded(nursery)
    found = await result(run, "v1/public/tickers")
    told = {name: text for name, text in DAY.items() if name not in ("open", "volume")}
    assert found["BTC_USDT"] == {"ticker": {**told, "vol": "0.02"}, "at": NOW_S}
    assert list(found) == ["BTC_USDT", "BTC_PERP"]
    assert await get(run, "v1/public/depth/result?market=BTC_USDT&limit=5") == {
        "asks": [["62000", "0.03"]],
        "bids": [["61000", "0.02"]],
    }
    [spot, _] = await result(run, "v1/public/markets")
    assert "minTotal" not in spot
    assert (spot["name"], spot["makerFee"], spot["minAmount"]) == ("BTC_USDT", "0.1", "0.00001")
    [spot, _] = await result(run, "v2/public/markets")
    assert (spot["minTotal"], spot["tradesEnabled"]) == ("5.05", True)
    assets = await result(run, "v2/public/assets")
    assert list(assets) == ["BTC", "USDT"]
    assert assets["BTC"]["lastUpdateTimestamp"] == ISO


async def test_a_kline_without_a_start_ends_with_the_newest(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await traded(nursery)
    await trio.sleep(180)
    path = "v1/public/kline?market=BTC_USDT&interval=1m&limit=2"
    assert [candle[0] for candle in await result(run, path)] == [MINUTE_S + 120, MINUTE_S + 180]
    found = await result(run, f"{path}&start={NOW_S}")
    assert [candle[0] for candle in found] == [MINUTE_S, MINUTE_S + 60]
    assert found[1][1:] == ["61200", "61200", "61200", "61200", "0", "0"]


@pytest.mark.parametrize(
    ("path", "field", "text"),
    [
        ("v1/public/ticker", "market", "The market field is required."),
        ("v1/public/ticker?market=NOPE", "market", "Market is not available."),
        ("v1/public/kline?market=NOPE", "market", "Market is not available."),
        ("v1/public/kline?market=BTC_USDT&interval=60", "interval", "Invalid interval"),
        (
            "v1/public/kline?market=BTC_USDT&limit=1441",
            "limit",
            "limit must be less than or equal to 1440",
        ),
        (
            "v1/public/kline?market=BTC_USDT&limit=0",
            "limit",
            "limit must be greater than or equal to 1",
        ),
        ("v1/public/kline?market=BTC_USDT&end=x", "end", "The end must be an integer."),
        (
            "v1/public/kline?market=BTC_USDT&start=9&end=8",
            "start",
            "start must be less than or equal to end",
        ),
        (
            "v1/public/depth/result?market=BTC_USDT&limit=101",
            "limit",
            "limit must be less than or equal to 100",
        ),
        ("v1/public/history?market=BTC_USDT", "lastId", "The lastId field is required."),
        ("v2/public/trades/NOPE", "market", "Market is not available."),
        ("v2/public/depth/", "market", "Market is not available."),
    ],
)
async def test_refusals(
    nursery: trio.Nursery, autojump_clock: MockClock, path: str, field: str, text: str
) -> None:
    run = await bench(nursery)
    refused = {"success": False, "message": {field: [text]}, "result": None}
    assert await get(run, path) == refused


@needs_the_captures
@pytest.mark.parametrize(
    ("capture", "path"),
    [
        ("ccxt_static__fetchTicker_v1", "v1/public/ticker?market=BTC_USDT"),
        ("ccxt_static__fetchOHLCV_v1", "v1/public/kline?market=BTC_USDT&interval=1h"),
    ],
)
async def test_shapes_are_those_of_the_captures(
    nursery: trio.Nursery, autojump_clock: MockClock, capture: str, path: str
) -> None:
    run = await traded(nursery)
    assert shape(await get(run, path)) == shape(frame(capture))


def test_old_paths_have_a_limit_of_their_own() -> None:
    assert limit_of("/api/v1/public/kline") == (1000, 10)
    assert limit_of("/api/v2/public/trades/") == (1000, 10)
