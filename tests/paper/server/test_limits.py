"""Request limits: every endpoint's own window (contract 11.1, 13)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.paper import limits
from adapters.paper.config import VenueConfig
from adapters.paper.http import Request, Response
from adapters.paper.limits import RestLimiter, SlidingWindow, limit_of
from adapters.paper.rest.routes import PRIVATE, PUBLIC, PUBLIC_MARKET, respond
from adapters.paper.server import serve_venue
from adapters.paper.venue import Venue
from engine.errors import ConfigError
from tests.paper.server.test_garbage import FixedClock, signed
from tests.paper.venue_client import CountingIds, MemoryNet, bench

NS = 1_000_000_000
# Section 13, row by row.
DOCUMENTED: list[tuple[str, int, int]] = [
    (
        "order/new order/market order/stock_market order/stop_limit order/stop_market order/bulk "
        "order/modify order/cancel order/cancel/bulk order/cancel/all order/kill-switch "
        "order/kill-switch/status",
        10_000,
        10,
    ),
    (
        "order/collateral/limit order/collateral/market order/collateral/stop-limit "
        "order/collateral/trigger-market order/collateral/oco order/collateral/bulk "
        "order/conditional-cancel order/oco-cancel order/oto-cancel "
        "collateral-account/position/close",
        10_000,
        10,
    ),
    (
        "orders oco-orders conditional-orders trade-account/balance trade-account/order "
        "trade-account/order/history trade-account/executed-history collateral-account/balance "
        "collateral-account/balance-summary collateral-account/summary "
        "collateral-account/positions/open collateral-account/positions/history "
        "collateral-account/positions/closed-pnl collateral-account/funding-history "
        "collateral-account/hedge-mode collateral-account/adl-quantile",
        12_000,
        10,
    ),
    ("trade-account/order/history/query", 10_000, 10),
    ("collateral-account/leverage collateral-account/hedge-mode/update", 1_000, 10),
    ("market/fee", 10_000, 10),
    ("profile/websocket_token", 10, 60),
    (
        "public/ping public/time public/markets public/ticker public/trades/ "
        "public/orderbook/depth/",
        2_000,
        10,
    ),
    ("public/orderbook/", 600, 10),
]


@pytest.mark.parametrize(("names", "count", "span_s"), DOCUMENTED)
def test_the_documented_limits(names: str, count: int, span_s: int) -> None:
    for name in names.split():
        assert limit_of(f"/api/v4/{name}") == (count, span_s), name


def test_every_private_endpoint_has_a_documented_limit() -> None:
    known = {f"/api/v4/{name}" for names, _, _ in DOCUMENTED for name in names.split()}
    assert set(PRIVATE) <= known


def venue(**config: Any) -> Venue:
    return Venue(VenueConfig(**config), clock=FixedClock(), ids=CountingIds())


def gateway(answer: Response) -> bool:
    """Whether this is the gateway's refusal, which is no JSON (G-3)."""
    assert answer.content_type == "text/html"
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(answer.body)
    return answer.status == 429


@pytest.mark.parametrize("path", PRIVATE)
def test_private_requests_past_the_limit_meet_the_gateway(path: str) -> None:
    target = venue(rest_limits={path: 2})
    answers = [
        respond(target, "here", signed(target, path, {"nonce": nonce})) for nonce in range(4)
    ]
    assert [answer.status == 429 for answer in answers] == [False, False, True, True]
    assert gateway(answers[-1])
    # Another address has a window of its own.
    assert respond(target, "there", signed(target, path, {"nonce": 4})).status != 429


@pytest.mark.parametrize("path", [*PUBLIC, *PUBLIC_MARKET])
def test_public_requests_past_the_limit_meet_the_gateway(path: str) -> None:
    target = venue(rest_limits={path: 1})
    market = "BTC_PERP" if "funding" in path else "BTC_USDT"
    target_path = path + market if path in PUBLIC_MARKET else path
    request = Request("GET", target_path, "", {}, b"")
    assert respond(target, "here", request).status != 429
    assert gateway(respond(target, "here", request))
    assert respond(target, "there", request).status != 429


def test_what_is_refused_before_takes_no_place() -> None:
    target = venue(rest_limits={"/api/v4/orders": 1})
    assert respond(target, "here", Request("POST", "/api/v4/orders", "", {}, b"")).status == 401
    assert respond(target, "here", signed(target, "/api/v4/orders", {"nonce": 1})).status == 200


def test_the_window_slides() -> None:
    window = SlidingWindow(2, 10)
    at = [window.allow(second * NS) for second in (0, 6, 9, 10, 15, 16)]
    assert at == [True, True, False, True, False, True]


def test_limits_are_per_address_and_endpoint() -> None:
    limiter = RestLimiter({"/api/v4/orders": 1})
    assert limiter.allow("a", "/api/v4/orders", 0)
    assert not limiter.allow("a", "/api/v4/orders", 1)
    assert limiter.allow("b", "/api/v4/orders", 1)
    assert limiter.allow("a", "/api/v4/order/new", 1)
    tokens = [limiter.allow("a", "/api/v4/profile/websocket_token", n) for n in range(11)]
    assert tokens == [True] * 10 + [False]


def test_windows_of_addresses_that_left_are_forgotten() -> None:
    limiter = RestLimiter({"/ws": 1})
    for address in range(limits.WINDOWS_MAX):
        assert limiter.allow(str(address), "/ws", 0)
    assert limiter.allow("new", "/ws", 59 * NS)
    assert not limiter.allow("0", "/ws", 59 * NS)
    assert limiter.allow("newer", "/ws", 61 * NS)
    assert not limiter.allow("new", "/ws", 61 * NS)
    assert len(limiter._windows) == 2


async def test_new_websockets_are_limited_per_minute(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery, VenueConfig(rest_limits={"/ws": 2}))
    for _ in range(2):
        ws = await run.alice.open_ws()
    handshake = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw==",
    }
    status, body = await run.alice.http("GET", "/ws", handshake, b"")
    assert (status, b"429" in body) == (429, True)
    assert await ws.call("ping") == "pong"
    await trio.sleep(60)
    await run.alice.open_ws()


async def test_a_limit_of_no_endpoint_is_refused(nursery: trio.Nursery) -> None:
    config = VenueConfig(rest_limits={"/api/v4/order/nw": 1})
    with pytest.raises(ConfigError, match="no endpoint has the limit of '/api/v4/order/nw'"):
        await serve_venue(config, clock=FixedClock(), ids=CountingIds(), net=MemoryNet(nursery))
