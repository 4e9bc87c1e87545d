"""Public REST, routes and limits over a running venue (contract 3.1, 4, 13)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.paper.config import VenueConfig
from adapters.paper.core.model import BTC_PERP, BTC_USDT, ExchangeConfig
from adapters.paper.data.cache import age_ns
from adapters.paper.flow.source import flow_maker, recordings_of
from adapters.ports import SystemFs
from engine.errors import ConfigError
from tests.paper.venue_client import START_NS, bench

NOW_S = START_NS // 1_000_000_000


@pytest.mark.parametrize(
    ("method", "path", "status", "answer"),
    [
        ("GET", "/api/v4/public/ping", 200, ["pong"]),
        ("GET", "/api/v4/public/time", 200, {"time": NOW_S}),
        ("GET", "/api/v4/public/platform/status", 200, {"status": "system operational"}),
        ("GET", "/api/v4/public/orderbook/NOPE", 422, {"market": ["Market is not available."]}),
        ("GET", "/api/v4/public/trades/NOPE", 422, {"market": ["Market is not available."]}),
        (
            "GET",
            "/api/v4/public/orderbook/BTC_USDT?limit=abc",
            422,
            {"limit": ["The limit must be an integer."]},
        ),
        (
            "GET",
            "/api/v4/public/orderbook/BTC_USDT?level=x",
            422,
            {"level": ["The level must be an integer."]},
        ),
        (
            "GET",
            "/api/v4/public/trades/BTC_USDT?type=hold",
            422,
            {"type": ["Type should be 'sell' or 'buy'."]},
        ),
        (
            "GET",
            "/api/v4/public/orderbook/depth/NOPE",
            422,
            {"market": ["Market is not available."]},
        ),
        ("GET", "/api/v4/public/funding-history/", 422, {"market": "market is required"}),
        (
            "GET",
            "/api/v4/public/funding-history/BTC_USDT",
            422,
            {"market": ["Market is not available."]},
        ),
        (
            "GET",
            "/api/v4/public/funding-history/BTC_PERP?limit=101",
            422,
            {"limit": "limit must be less than or equal to 100"},
        ),
        (
            "GET",
            "/api/v4/public/funding-history/BTC_PERP?limit=0",
            422,
            {"limit": "limit must be greater than or equal to 1"},
        ),
        (
            "GET",
            "/api/v4/public/funding-history/BTC_PERP?offset=1000001",
            422,
            {"offset": "offset must be less than or equal to 1000000"},
        ),
        (
            "GET",
            "/api/v4/public/funding-history/BTC_PERP?startDate=x",
            422,
            {"startDate": "startDate must be an integer"},
        ),
        (
            "GET",
            "/api/v4/public/funding-history/BTC_PERP?startDate=20&endDate=20",
            422,
            {"endDate": "endDate must be greater than to startDate"},
        ),
        (
            "GET",
            "/api/v4/public/collateral/markets",
            200,
            {"success": True, "message": None, "result": ["BTC_USDT", "BTC_PERP"]},
        ),
        ("GET", "/", 404, b""),
        ("GET", "/ws", 404, b""),
        ("POST", "/api/v4/withdraw", 404, b""),
        ("GET", "/api/v4/public/orderbook/", 422, {"market": ["Market is not available."]}),
        ("GET", "/api/v4/public/orderbook/a/b", 404, b""),
        ("GET", "/api/v4/orders", 405, b""),
        ("POST", "/api/v4/public/ping", 405, b""),
        ("HEAD", "/api/v4/public/ping", 405, b""),
    ],
)
async def test_answers(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    method: str,
    path: str,
    status: int,
    answer: Any,
) -> None:
    run = await bench(nursery)
    assert await run.alice.http(method, path, {}, b"") == (status, answer)


async def test_public_trades_name_their_volumes_the_wrong_way_round(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("sell", "60000", "0.02")
    await run.bob.limit("buy", "60000", "0.01")
    _, [trade] = await run.alice.get("trades/BTC_USDT?type=buy")
    assert (trade["quote_volume"], trade["base_volume"]) == ("0.01", "600")
    assert (trade["type"], trade["trade_timestamp"], trade["rpi"]) == ("buy", NOW_S, False)
    assert await run.alice.get("trades/BTC_USDT?type=sell") == (200, [])
    _, tickers = await run.alice.get("ticker")
    assert tickers["BTC_USDT"]["last_price"] == "60000"
    assert (tickers["BTC_USDT"]["base_volume"], tickers["BTC_USDT"]["quote_volume"]) == (
        "0.01",
        "600",
    )


async def test_the_orderbook_is_cut_and_merged(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for price in ("60000.01", "60000.07", "59999.99"):
        await run.alice.limit("buy", price)
    _, book = await run.alice.get("orderbook/BTC_USDT?limit=2")
    assert book["bids"] == [["60000.07", "0.01"], ["60000.01", "0.01"]]
    assert (book["ticker_id"], book["timestamp"], book["asks"]) == ("BTC_USDT", NOW_S, [])
    _, merged = await run.alice.get("orderbook/BTC_USDT?level=1&limit=0")
    assert merged["bids"] == [["60000", "0.02"], ["59999.9", "0.01"]]
    _, clamped = await run.alice.get("orderbook/BTC_USDT?level=-3&limit=1000")
    assert len(clamped["bids"]) == 3


async def test_depth_shows_two_percent_around_the_last_price(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for side, price in (("buy", "49000"), ("buy", "48999.99"), ("sell", "51000")):
        await run.alice.limit(side, price)
    await run.alice.limit("sell", "51000.01")
    _, before = await run.alice.get("orderbook/depth/BTC_USDT")
    assert (before["ticker_id"], before["asks"], before["bids"]) == ("BTC_USDT", [], [])
    await run.alice.limit("sell", "50000")
    await run.bob.limit("buy", "50000")
    _, book = await run.alice.get("orderbook/depth/BTC_USDT")
    assert (book["asks"], book["bids"]) == ([["51000", "0.01"]], [["49000", "0.01"]])


async def test_futures_tell_the_last_day_and_the_open_interest(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for price in ("50000", "50500"):
        order = {"market": "BTC_PERP", "amount": "0.01", "price": price}
        await run.alice.ok("order/collateral/limit", side="sell", **order)
        await run.bob.ok("order/collateral/limit", side="buy", **order)
    _, answer = await run.alice.get("futures")
    [future] = answer["result"]
    told = {
        "ticker_id": "BTC_PERP",
        "stock_currency": "BTC",
        "money_currency": "USDT",
        "last_price": "50500",
        "stock_volume": "0.02",
        "money_volume": "1005",
        "bid": "0",
        "ask": "0",
        "high": "50500",
        "low": "50000",
        "product_type": "Perpetual",
        "open_interest": "0.02",
        "max_leverage": 100,
    }
    assert told.items() <= future.items()
    next_ms = int(future["next_funding_rate_timestamp"])
    assert NOW_S * 1000 < next_ms <= NOW_S * 1000 + future["funding_interval_minutes"] * 60_000


async def test_settled_funding_is_listed_newest_first(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    perpetual = msgspec.structs.replace(BTC_PERP, funding_interval_minutes=1)
    exchange = ExchangeConfig(markets=(BTC_USDT, perpetual))
    run = await bench(nursery, VenueConfig(exchange=exchange))
    await run.alice.limit("sell", "60000")
    await run.bob.limit("buy", "60000")
    await trio.sleep(181)
    _, found = await run.alice.get("funding-history/BTC_PERP")
    first_s = NOW_S - NOW_S % 60 + 60
    times = [first_s + 120, first_s + 60, first_s]
    assert [record["fundingTime"] for record in found] == [str(time_s) for time_s in times]
    assert found[0] == {
        "fundingTime": str(first_s + 120),
        "fundingRate": found[0]["fundingRate"],
        "market": "BTC_PERP",
        "settlementPrice": "60000",
        "rateCalculatedTime": str(first_s + 60),
    }
    query = f"startDate={first_s}&endDate={first_s + 61}"
    _, dated = await run.alice.get(f"funding-history/BTC_PERP?{query}")
    assert dated == found[1:]
    _, paged = await run.alice.get("funding-history/BTC_PERP?limit=1&offset=1")
    assert paged == found[1:2]


@pytest.mark.parametrize("path", ["collateral/markets", "futures"])
async def test_where_margin_is_forbidden(
    nursery: trio.Nursery, autojump_clock: MockClock, path: str
) -> None:
    run = await bench(nursery, VenueConfig(collateral_available=False))
    text = "Margin trading is not available in your country."
    refused = {"success": False, "message": text, "errors": []}
    assert await run.alice.get(path) == (451, refused)


async def test_the_ticker_shows_the_move_of_the_day(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for price in ("50000", "51000"):
        await run.alice.limit("sell", price)
        await run.bob.limit("buy", price)
    _, tickers = await run.alice.get("ticker")
    assert tickers["BTC_USDT"] == {
        "base_id": 1,
        "quote_id": 825,
        "last_price": "51000",
        "quote_volume": "1010",
        "base_volume": "0.02",
        "isFrozen": False,
        "change": "2",
    }


async def test_answers_may_be_as_old_as_documented(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, VenueConfig(public_cache=True))
    assert (await run.alice.get("orderbook/BTC_USDT"))[1]["bids"] == []
    assert await run.alice.get("time") == (200, {"time": NOW_S})
    await run.alice.limit("buy", "60000")
    assert (await run.bob.get("orderbook/BTC_USDT"))[1]["bids"] == []
    # Another query is another answer.
    assert (await run.bob.get("orderbook/BTC_USDT?limit=1"))[1]["bids"] == [["60000", "0.01"]]
    await trio.sleep(0.11)
    assert (await run.bob.get("orderbook/BTC_USDT"))[1]["bids"] == [["60000", "0.01"]]
    await trio.sleep(1)
    assert await run.alice.get("time") == (200, {"time": NOW_S + 1})


@pytest.mark.parametrize(
    ("path", "milliseconds"),
    [
        ("ping", 0),
        ("time", 0),
        ("platform/status", 0),
        ("funding-history/BTC_PERP", 0),
        ("markets", 10_000),
        ("ticker", 1_000),
        ("orderbook/BTC_USDT", 100),
        ("orderbook/depth/BTC_USDT", 1_000),
        ("trades/BTC_USDT", 1_000),
        ("fee", 60_000),
        ("assets", 60_000),
        ("collateral/markets", 10_000),
        ("futures", 1_000),
    ],
)
def test_the_documented_ages(path: str, milliseconds: int) -> None:
    assert age_ns(f"/api/v4/public/{path}") == milliseconds * 1_000_000


async def test_over_the_limit_the_body_is_no_json(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    path = "/api/v4/public/ping"
    run = await bench(nursery, VenueConfig(rest_limits={path: 2}))
    statuses = [(await run.alice.get("ping"))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert isinstance((await run.alice.get("ping"))[1], bytes)
    await trio.sleep(10.1)
    assert (await run.alice.get("ping"))[0] == 200


async def test_the_synthetic_flow_moves_the_market(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    make_flow = flow_maker(VenueConfig(), "synthetic", seed=1, speed="1", fs=SystemFs())
    run = await bench(nursery, make_flow=make_flow)
    _, before = await run.alice.get("orderbook/BTC_USDT")
    assert before["asks"]
    assert before["bids"]
    ws = await run.alice.open_ws()
    await ws.call("bookTicker_subscribe", "BTC_USDT")
    await ws.push("bookTicker_update")
    assert (await ws.push("bookTicker_update"))[0][2] == "BTC_USDT"
    await trio.sleep(3)
    _, trades = await run.alice.get("trades/BTC_PERP")
    assert trades


async def test_without_a_flow_the_market_stays_empty(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    make_flow = flow_maker(VenueConfig(), "none", seed=1, speed="1", fs=SystemFs())
    run = await bench(nursery, make_flow=make_flow)
    await trio.sleep(60)
    _, book = await run.alice.get("orderbook/BTC_USDT")
    assert (book["asks"], book["bids"]) == ([], [])
    assert await run.alice.get("trades/BTC_USDT") == (200, [])


async def test_the_flow_may_have_a_past(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    config = VenueConfig(history_s=300)
    make_flow = flow_maker(config, "synthetic", seed=1, speed="1", fs=SystemFs())
    run = await bench(nursery, config, make_flow=make_flow)
    ws = await run.alice.open_ws()
    candles = await ws.call("candles_request", "BTC_USDT", 0, NOW_S, 60)
    assert candles[0][0] == (NOW_S - 300) // 60 * 60
    assert len(candles) == 6
    assert all(candle[5] != "0" for candle in candles)
    _, trades = await run.alice.get("trades/BTC_USDT")
    assert NOW_S - 5 <= trades[0]["trade_timestamp"] <= NOW_S
    run.handle.venue.exchange.check()


def test_recordings_find_their_markets() -> None:
    markets = ("BTC_USDT", "BTC_PERP")
    found = recordings_of("a/btc_spot.zst,a/btc_USDM.zst", markets)
    assert {name: [str(path) for path in paths] for name, paths in found.items()} == {
        "BTC_USDT": ["a/btc_spot.zst"],
        "BTC_PERP": ["a/btc_USDM.zst"],
    }
    assert [str(path) for path in recordings_of("b,BTC_USDT=a", markets)["BTC_USDT"]] == ["b", "a"]
    assert list(recordings_of("BTC_PERP=x", markets)) == ["BTC_PERP"]


@pytest.mark.parametrize(
    ("flow", "part"),
    [("NOPE=a", "does not exist"), ("BTC_PERP=", "empty"), ("a,", "empty")],
)
def test_bad_recording_lists_are_refused(flow: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        recordings_of(flow, ("BTC_USDT", "BTC_PERP"))
