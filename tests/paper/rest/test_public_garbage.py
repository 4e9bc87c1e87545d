"""Public REST and channels with values that no client should send: an answer, never a crash."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
import trio
from trio.testing import MockClock

from adapters.paper.rest.routes import PUBLIC_MARKET
from adapters.paper.ws import market as ws_market
from adapters.paper.ws import public as ws_public
from tests.paper.venue_client import Bench, bench

MARKET = "BTC_USDT"
TEXTS = (
    "",
    "0",
    "-1",
    "1.5",
    "1e9",
    "9" * 18,
    "9" * 40,
    "x",
    "\x00",
    "é",
    "%",
    "null",
    "+7",
    "BTC",
)
NAMES = ("limit", "level", "type", "offset", "startDate", "endDate", "start", "end", "interval")
OLD = [f"/api/v1/public/{name}" for name in ("ticker", "kline", "depth/result", "history")]
# All that read a query or have a market in their path.
READERS = [*OLD, *PUBLIC_MARKET]
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 60, 10**18, 10**40, 1.5, "", "x", MARKET, [], [MARKET], {}, {"a": 1}),
)


async def traded(nursery: trio.Nursery) -> Bench:
    run = await bench(nursery)
    await run.alice.limit("sell", "60000", "0.02")
    await run.bob.limit("buy", "60000")
    return run


@pytest.mark.parametrize("path", READERS)
async def test_every_query_has_an_answer(
    nursery: trio.Nursery, autojump_clock: MockClock, path: str
) -> None:
    run = await traded(nursery)
    full = path if path in OLD else path + MARKET
    for name in (*NAMES, "market", "lastId", "unknown"):
        for text in TEXTS:
            query = urlencode({"market": MARKET, "lastId": "0", name: text})
            status, answer = await run.alice.http("GET", f"{full}?{query}", {}, b"")
            assert status in (200, 422), query
            assert not isinstance(answer, bytes)
    for text in TEXTS:
        if path in PUBLIC_MARKET and text:
            status, answer = await run.alice.http("GET", path + quote(text), {}, b"")
            assert status in (200, 422), text


@pytest.mark.parametrize("method", sorted({**ws_public.METHODS, **ws_market.METHODS}))
async def test_every_parameter_has_an_answer(
    nursery: trio.Nursery, autojump_clock: MockClock, method: str
) -> None:
    run = await traded(nursery)
    ws = await run.alice.open_ws()
    session = run.handle.venue.feeds.sessions[0]
    for position in range(5):
        for value in VALUES:
            params: list[Any] = [MARKET, 0, 10**9, 60][:position]
            answer = await ws.ask(method, *params, value)
            assert (answer["error"] is None) or answer["error"]["code"] in (1, 9)
            session.requests = type(session.requests)(200, 60)
    # Whatever was subscribed in the end can be pushed.
    await trio.sleep(2)
    await ws.call("ping")
