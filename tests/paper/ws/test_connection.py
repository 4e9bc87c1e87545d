"""WebSocket envelope, errors, limits and subscription sets (contract 9.1, 11.1-11.4)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed

from adapters.paper.config import VenueConfig
from adapters.paper.ws.outbox import OUTBOX_MAX_BYTES
from tests.paper.venue_client import Ws, bench

REFUSED: list[tuple[str, str, list[Any], int, str]] = [
    ("an unknown method", "positions_subscribe", [], 4, "method not found"),
    ("a method of another name", "server.time", [], 4, "method not found"),
    (
        "a private method before authorize",
        "ordersPending_subscribe",
        [],
        6,
        "require authentication",
    ),
    ("a private query before authorize", "balanceSpot_request", [], 6, "require authentication"),
    ("a token nobody issued", "authorize", ["nope", "public"], 1, "invalid argument"),
    (
        "an unknown market",
        "depth_subscribe",
        ["NOPE_PERP", 20, "0", True],
        9,
        "market NOPE_PERP does not exist",
    ),
    (
        "an unknown market among known ones",
        "trades_subscribe",
        ["BTC_USDT", "X"],
        9,
        "market X does not exist",
    ),
    (
        "a depth limit outside the list",
        "depth_subscribe",
        ["BTC_USDT", 15, "0", True],
        1,
        "invalid argument",
    ),
    (
        "a depth limit of another type",
        "depth_subscribe",
        ["BTC_USDT", True, "0"],
        1,
        "invalid argument",
    ),
    ("an interval outside the list", "depth_request", ["BTC_USDT", 20, "1"], 1, "invalid argument"),
    ("a market that is no text", "bookTicker_subscribe", [7], 1, "invalid argument"),
    ("a page above its limit", "trades_request", ["BTC_USDT", 101, 0], 1, "invalid argument"),
    ("no market where one is needed", "lastprice_subscribe", [], 1, "invalid argument"),
]


@pytest.mark.parametrize(
    ("name", "method", "params", "code", "message"), REFUSED, ids=[case[0] for case in REFUSED]
)
async def test_refused_requests(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    name: str,
    method: str,
    params: list[Any],
    code: int,
    message: str,
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    answer = await ws.ask(method, *params)
    assert answer == {"id": 1, "result": None, "error": {"code": code, "message": message}}


async def _receive_for_ever(ws: Ws) -> None:
    while True:
        await ws.receive()


async def closed(ws: Ws) -> float:
    """Wait until the server drops the connection without a close frame; return when."""
    with pytest.raises(ConnectionClosed) as caught:
        await _receive_for_ever(ws)
    assert caught.value.reason is not None
    assert caught.value.reason.code == 1006
    return trio.current_time()


@pytest.mark.parametrize("garbage", ["", "{", "nonsense", "[" * 5000, '{"id":1,}'])
async def test_invalid_json_ends_the_connection_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock, garbage: str
) -> None:
    run = await bench(nursery)
    ws, other = await run.alice.open_ws(), await run.bob.open_ws()
    started = trio.current_time()
    await ws.connection.send_message(garbage)
    assert await closed(ws) == started
    assert await other.call("ping") == "pong"


@pytest.mark.parametrize("odd", ["[]", "7", '{"id":"1","method":"ping"}', '{"method":"ping"}'])
async def test_json_that_is_no_request_is_an_invalid_argument(
    nursery: trio.Nursery, autojump_clock: MockClock, odd: str
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.connection.send_message(odd)
    assert (await ws.receive())["error"]["code"] == 1
    assert await ws.call("ping") == "pong"


async def test_only_client_messages_keep_a_connection_open(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    await run.alice.limit("buy", "60000")
    ws = await run.alice.open_ws()
    await trio.sleep(50)
    await ws.call("depth_subscribe", "BTC_USDT", 20, "0", True)
    started = trio.current_time()
    assert 60 <= await closed(ws) - started < 60.1


async def test_requests_per_minute_are_limited(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, VenueConfig(ws_requests_per_minute=3))
    ws = await run.alice.open_ws()
    answers = [await ws.ask("ping") for _ in range(4)]
    assert [answer["result"] for answer in answers] == ["pong", "pong", "pong", None]
    assert answers[3]["error"] == {"code": 7, "message": "too many requests"}
    await trio.sleep(61 - 60 * 0.1)
    await ws.ask("ping")
    await trio.sleep(6)
    assert (await ws.ask("ping"))["result"] == "pong"


async def test_a_token_must_be_used_within_a_minute(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    tokens = [(await run.alice.ok("profile/websocket_token"))["websocket_token"] for _ in range(2)]
    ws = await run.alice.open_ws()
    await ws.call("authorize", tokens[0], "public")
    await trio.sleep(59)
    await ws.call("ping")
    await trio.sleep(2)
    late = await run.alice.open_ws()
    assert (await late.ask("authorize", tokens[1], "public"))["error"]["code"] == 1
    assert await late.call("authorize", tokens[0], "public") == {"status": "success"}


async def test_a_token_lives_as_long_as_the_configuration_says(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, VenueConfig(token_lifetime_s=100))
    token = (await run.alice.ok("profile/websocket_token"))["websocket_token"]
    for wait, code in ((50, None), (50, None), (1, 1)):
        await trio.sleep(wait)
        ws = await run.alice.open_ws()
        error = (await ws.ask("authorize", token, "public"))["error"]
        assert (error and error["code"]) == code


async def test_ten_tokens_a_minute_then_a_body_that_is_no_json(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for _ in range(10):
        await run.alice.ok("profile/websocket_token")
    status, body = await run.alice.post("profile/websocket_token")
    assert status == 429
    assert isinstance(body, bytes)
    await trio.sleep(61)
    await run.alice.ok("profile/websocket_token")


async def test_a_second_subscribe_replaces_the_set(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("ordersPending_subscribe", "BTC_USDT")
    await ws.call("ordersPending_subscribe", "BTC_PERP")
    await run.alice.limit("buy", "60000")
    perp = {"market": "BTC_PERP", "side": "buy", "amount": "0.01", "price": "60000"}
    await run.alice.ok("order/collateral/limit", **perp)
    assert (await ws.push("ordersPending_update"))[1]["market"] == "BTC_PERP"
    await ws.call("ordersPending_unsubscribe")
    await run.alice.ok("order/cancel/all")
    await ws.call("ping")
    assert ws.pushes == []


async def test_trades_come_first_as_a_snapshot_newest_first(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    for price in ("60000", "60001"):
        await run.alice.limit("sell", price)
        await run.bob.limit("buy", price)
    ws = await run.alice.open_ws()
    await ws.call("trades_subscribe", "BTC_USDT")
    market, trades = await ws.push("trades_update")
    assert (market, [trade["price"] for trade in trades]) == ("BTC_USDT", ["60001", "60000"])
    await run.alice.limit("sell", "60002")
    await run.bob.limit("buy", "60002")
    _, [trade] = await ws.push("trades_update")
    assert (trade["price"], trade["type"], trade["amount"]) == ("60002", "buy", "0.01")
    assert trade["id"] > trades[0]["id"]
    older = await ws.call("trades_request", "BTC_USDT", 100, trades[1]["id"])
    assert [each["id"] for each in older] == [trade["id"], trades[0]["id"]]


async def test_last_price_comes_each_second_when_it_changed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await ws.call("lastprice_subscribe", "BTC_USDT")
    for price in ("60000", "60001"):
        await run.alice.limit("sell", price)
        await run.bob.limit("buy", price)
    assert await ws.push("lastprice_update") == ["BTC_USDT", "60001"]
    await trio.sleep(3)
    assert await ws.call("lastprice_request", "BTC_USDT") == "60001"
    assert ws.pushes == []


async def test_balances_come_once_a_tick_and_only_what_changed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("balanceSpot_subscribe")
    await run.alice.limit("buy", "60000", "0.01")
    await run.alice.limit("buy", "59000", "0.01")
    [balances] = await ws.push("balanceSpot_update")
    assert balances == {"USDT": {"available": "998810", "freeze": "1190"}}
    await trio.sleep(2.5)
    assert (await ws.call("balanceSpot_request", "USDT")) == balances
    assert ws.pushes == []


async def test_positions_are_shown_while_open_and_once_when_closed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("positionsMargin_subscribe")
    await ws.call("balanceMargin_subscribe", "USDT")
    perp = {"market": "BTC_PERP", "amount": "0.01", "price": "60000"}
    await run.bob.ok("order/collateral/limit", side="sell", **perp)
    await run.alice.ok("order/collateral/limit", side="buy", **perp)
    shown = await ws.push("positionsMargin_update")
    assert (shown["total"], shown["records"][0]["amount"]) == (1, "0.01")
    margin = await ws.push("balanceMargin_update")
    assert sorted(margin[0]) == ["B", "a", "ab", "av", "b"]
    await run.bob.ok("order/collateral/limit", side="buy", **perp)
    await run.alice.ok("order/collateral/limit", side="sell", reduceOnly=True, **perp)
    while shown["total"]:
        shown = await ws.push("positionsMargin_update")
    assert shown == {"total": 0, "records": []}
    await trio.sleep(3)
    await ws.call("ping")
    assert "positionsMargin_update" not in [message["method"] for message in ws.pushes]


async def test_a_reader_that_stops_is_cut_off_and_hurts_nobody(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    slow, brisk = await run.alice.open_ws(), await run.bob.open_ws()
    await slow.call("bookTicker_subscribe", "BTC_USDT")
    await brisk.call("bookTicker_subscribe", "BTC_USDT")
    session = run.handle.venue.feeds.sessions[0]
    session.outbox.push(b"x" * (OUTBOX_MAX_BYTES + 1))
    await run.alice.limit("buy", "60000")
    assert (await brisk.push("bookTicker_update"))[0][4] == "0"
    assert (await brisk.push("bookTicker_update"))[0][4] == "60000"
    await closed(slow)
    assert len(run.handle.venue.feeds.sessions) == 1


async def test_sockets_can_be_cut_and_orders_stay(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    await run.alice.limit("buy", "60000")
    assert run.handle.cut_sockets() == 1
    await closed(ws)
    assert len(await run.alice.ok("orders")) == 1
