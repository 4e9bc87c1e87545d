"""Hostile and clumsy clients: every answer is an answer, and others are served on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from random import Random
from typing import Any

import msgspec
import pytest
import trio

from adapters.paper.admin.server import ROUTES
from adapters.paper.admin.server import respond as admin_respond
from adapters.paper.config import VenueConfig
from adapters.paper.http import Request
from adapters.paper.rest.routes import PRIVATE, respond
from adapters.paper.server import VenueHandle
from adapters.paper.venue import Venue
from adapters.paper.ws.session import Session
from adapters.paper.ws.socket import METHODS, receive
from tests.paper.venue_client import HOST, START_NS, CountingIds, bench

FIELDS = [
    "market", "side", "amount", "price", "clientOrderId", "postOnly", "ioc", "rpi", "retail",
    "bboRole", "stp", "reduceOnly", "orders", "stopOnFail", "orderId", "activationPrice", "total",
    "type", "types", "timeout", "limit", "offset", "startDate", "endDate", "ticker",
    "positionSide", "stopLoss", "takeProfit",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, 10**40, 0.1, 1e300, "", "0", "1", "-0", "1e5", "1e99999",
    "NaN", "Infinity", "٣", "9" * 200, "buy", "sell", "BTC_USDT", "BTC_PERP", "60000", "0.01",
    "cn", "USDT", [], {}, [[]], [{}], [1, "spot"], ["spot"], ["spot", "spot"], {"a": [1]},
    [{"market": "BTC_USDT", "side": "buy", "amount": "0.01", "price": "1e5"}], "\u0000", "é",
]  # fmt: skip
SANE = {"market": "BTC_USDT", "side": "buy", "amount": "0.01", "price": "60000"}


class FixedClock:
    def now_ns(self) -> int:
        return START_NS


def venue() -> Venue:
    config = VenueConfig(ws_requests_per_minute=1_000_000)
    return Venue(config, clock=FixedClock(), ids=CountingIds())


def signed(target: Venue, path: str, body: dict[str, Any]) -> Request:
    raw = msgspec.json.encode({**body, "request": path})
    key = target.accounts[0]
    payload = base64.b64encode(raw).decode()
    signature = hmac.new(key.secret.encode(), payload.encode(), hashlib.sha512).hexdigest()
    headers = {
        "x-txc-apikey": key.key,
        "x-txc-payload": payload,
        "x-txc-signature": signature,
    }
    return Request("POST", path, "", headers, raw)


@pytest.mark.parametrize("path", PRIVATE)
def test_any_values_in_any_field_get_an_answer(path: str) -> None:
    random, target = Random(path), venue()
    statuses = set()
    for nonce in range(250):
        body = dict(SANE) if random.random() < 0.5 else {}
        for name in random.sample(FIELDS, random.randint(0, 6)):
            body[name] = random.choice(VALUES)
        answer = respond(target, "test", signed(target, path, {**body, "nonce": nonce}))
        statuses.add(answer.status)
        if answer.status != 429:
            json.loads(answer.body)
    assert statuses <= {200, 400, 422, 429}
    assert 200 in statuses or 422 in statuses


@pytest.mark.parametrize("method", METHODS)
def test_any_params_of_any_method_get_an_answer(method: str) -> None:
    random, target = Random(method), venue()
    session = Session(1_000_000)
    session.account = target.accounts[0].account
    for number in range(150):
        params = [random.choice(VALUES) for _ in range(random.randint(0, 4))]
        message = msgspec.json.encode({"id": number, "method": method, "params": params})
        assert receive(target, session, message)
    assert not session.outbox.closed


async def test_noise_on_the_socket_hurts_nobody_else(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    random = Random(7)
    ws = await run.alice.open_ws()
    for size in (1, 10, 1000, 100_000):
        stream = await trio.open_tcp_stream(HOST, run.handle.port)
        async with stream:
            await stream.send_all(random.randbytes(size) + b"\r\n\r\n")
            answered = bytes(await stream.receive_some(1000))
            assert answered.startswith(b"HTTP/1.1 4")
    half = await trio.open_tcp_stream(HOST, run.handle.port)
    async with half:
        await half.send_all(b"GET / HTTP/1.1\r\nHost")
        assert await ws.call("ping") == "pong"
        assert (await run.alice.get("ping"))[0] == 200


async def test_noise_on_a_websocket_ends_only_that_one(nursery: trio.Nursery) -> None:
    run = await bench(nursery, real=True)
    ws = await run.alice.open_ws()
    key = b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    head = b"GET /ws HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + key
    for noise in (b"", b"\xff" * 100, b"\x81\x05hello", b"\x81\xff" + b"\x7f" * 20):
        stream = await trio.open_tcp_stream(HOST, run.handle.port)
        async with stream:
            await stream.send_all(head + noise)
            answered = bytes(await stream.receive_some(4000))
            assert answered.startswith(b"HTTP/1.1 101 ")
    assert await ws.call("ping") == "pong"
    with trio.fail_after(5):
        # The server notices a dropped client on its own, without a sign to wait for here.
        while len(run.handle.venue.feeds.sessions) > 1:  # noqa: ASYNC110
            await trio.sleep(0.001)


SANE_COMMANDS: dict[str, dict[str, Any]] = {
    "/accounts": {"name": "x", "spot": {"USDT": "5"}, "main": "demo-1", "leverage": 20},
    "/accounts/settings": {"name": "demo-1", "fees": {}, "leverage": 20, "hedge_mode": True},
    "/deposit": {"account": "demo-1", "asset": "USDT", "amount": "5", "wallet": "spot"},
    "/withdraw": {"account": "demo-1", "asset": "USDT", "amount": "5", "wallet": "collateral"},
    "/keys": {"account": "demo-1", "key": "k", "ips": [], "permissions": ["read"]},
    "/keys/settings": {"key": f"{1:032x}", "enabled": True, "denied": [], "ips": ["::1"]},
    "/clock": {"step_ms": 5},
    "/faults": {"kind": "answer", "path": "/api/v4/orders", "status": 503, "nth": 1},
}


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] != "GET"])
def test_any_values_in_any_command_get_an_answer(method: str, path: str) -> None:
    random = Random(path)
    handle = VenueHandle(venue(), 0)
    sane = SANE_COMMANDS.get(path, {})
    statuses = set()
    for _ in range(150):
        body: Any = dict(sane)
        for name in random.sample(list(sane), min(len(sane), random.randint(0, 2))):
            body[name] = random.choice(VALUES)
        if random.random() < 0.1:
            body = random.choice(VALUES)
        raw = msgspec.json.encode(body)
        raw = random.choice([raw, raw, raw, raw[:-1], b"\xff" + raw])
        headers = {"authorization": "Bearer t"}
        answer = admin_respond(handle, "t", Request(method, path, "", headers, raw))
        statuses.add(answer.status)
        json.loads(answer.body)
    assert 200 in statuses
    assert statuses <= {200, 400}
    handle.exchange.check()
