"""RestClient against a scripted HTTP server on an in-memory network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import h11
import httpx
import pytest
import trio
from trio.testing import MockClock

from adapters.simulated import SimNet
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.requests import Request, encode
from adapters.whitebit.rest import RestAnswer, RestClient, RestFailure, RestWithheld
from adapters.whitebit.signing import NonceSource, Secret, Signer
from adapters.whitebit.urls import parse_url
from engine.errors import LocalProtocolError
from engine.intents import QuerySpotBalances, QueryTime
from engine.types import Refusal

KEY = Secret("test-api-key-0000000000000000")
SECRET = Secret("test-api-secret-1111111111111111")
HOST = "venue.test"

Script = Callable[[h11.Request, bytes], tuple[int, bytes] | None]


class Server:
    """Answers each request by a script; None cuts the connection instead."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[tuple[h11.Request, bytes]] = []

    async def handle(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            request = await self._next(connection, stream)
            if not isinstance(request, h11.Request):
                return
            body = b""
            while isinstance(event := await self._next(connection, stream), h11.Data):
                body += bytes(event.data)
            self.requests.append((request, body))
            reply = self._script(request, body)
            if reply is None:
                return
            status, content = reply
            head = h11.Response(status_code=status, headers=[("content-length", str(len(content)))])
            for part in (head, h11.Data(data=content), h11.EndOfMessage()):
                await stream.send_all(connection.send(part) or b"")
            connection.start_next_cycle()

    async def _next(
        self, connection: h11.Connection, stream: trio.abc.Stream
    ) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = connection.next_event()
            if event is not h11.NEED_DATA:
                assert not isinstance(event, type) or event is h11.PAUSED
                return event
            connection.receive_data(bytes(await stream.receive_some(65_536)))


def rest_client(net: SimNet, http: httpx.AsyncClient, key: Secret = KEY) -> RestClient:
    url = f"http://{HOST}/"
    return RestClient(http, Lanes(net, parse_url(url)), url, Signer(key, SECRET))


@asynccontextmanager
async def client(script: Script) -> AsyncIterator[tuple[RestClient, Server]]:
    net, server = SimNet(seed=1), Server(script)
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=4)
    async with trio.open_nursery() as nursery, make_http_client(net, limits=limits) as http:
        await nursery.start(net.serve, server.handle, HOST, 80)
        yield rest_client(net, http), server
        nursery.cancel_scope.cancel()


async def test_private_request_goes_out_signed_and_byte_for_byte(
    autojump_clock: MockClock,
) -> None:
    request = encode(QuerySpotBalances(), None, 1594297865000)
    async with client(lambda head, body: (200, b"{}")) as (rest, server):
        assert await rest.send(request) == RestAnswer(200, b"{}")
    ((head, body),) = server.requests
    assert (head.method, head.target, body) == (b"POST", request.path.encode(), request.body)
    headers = dict(head.headers)
    signed = {k.lower(): v for k, v in Signer(KEY, SECRET).headers(request.path, request.body)}
    assert signed.items() <= headers.items()
    assert headers[b"host"] == HOST.encode()


async def test_public_request_carries_no_key(autojump_clock: MockClock) -> None:
    async with client(lambda head, body: (503, b"<html>")) as (rest, server):
        assert await rest.send(encode(QueryTime(), None, 0)) == RestAnswer(503, b"<html>")
    ((head, body),) = server.requests
    assert (head.method, head.target, body) == (b"GET", b"/api/v4/public/time", b"")
    assert not [name for name, _ in head.headers if name.startswith(b"x-txc")]


async def test_public_data_that_no_journal_would_take_is_no_answer(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.whitebit.lanes.ANSWER_MAX", 10)
    async with client(lambda head, body: (200, b"x" * 11)) as (rest, _):
        failure = await rest.send(encode(QueryTime(), None, 0))
    assert failure == RestFailure("an answer of more than 10 bytes")


async def test_lost_connection_is_a_failure_without_secrets(autojump_clock: MockClock) -> None:
    request = encode(QuerySpotBalances(), None, 1)
    async with client(lambda head, body: None) as (rest, _):
        failure = await rest.send(request)
        assert failure == RestFailure("no answer: RemoteProtocolError")
    assert KEY.reveal() not in repr(failure)


async def test_refused_connection_is_a_failure(autojump_clock: MockClock) -> None:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    net = SimNet(seed=1)
    async with make_http_client(net, limits=limits) as http:
        url = "http://nowhere.test"
        rest = RestClient(http, Lanes(net, parse_url(url)), url, Signer(KEY, SECRET))
        public = await rest.send(encode(QueryTime(), None, 0))
        private = await rest.send(encode(QuerySpotBalances(), None, 1))
    assert public == RestFailure("no answer: ConnectError")
    assert private == RestFailure("no answer: ConnectionRefusedError")


async def test_key_that_no_header_can_hold_is_not_shown(autojump_clock: MockClock) -> None:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    net, server = SimNet(seed=1), Server(lambda head, body: (200, b""))
    async with trio.open_nursery() as nursery, make_http_client(net, limits=limits) as http:
        await nursery.start(net.serve, server.handle, HOST, 80)
        rest = rest_client(net, http, Secret("key\r\nhunter2"))
        failure = await rest.send(encode(QuerySpotBalances(), None, 1))
        nursery.cancel_scope.cancel()
    assert failure == RestFailure("no answer: LocalProtocolError")


ORDER = b'{"market":"BTC_USDT"}'


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        ("/api/v4/order/new", False),
        ("/api/v4/order/bulk", False),
        ("/api/v4/order/modify", False),
        ("/api/v4/order/collateral/limit", False),
        ("/api/v4/order/collateral/bulk", False),
        ("/api/v4/order/cancel", True),
        ("/api/v4/order/cancel/all", True),
        ("/api/v4/order/kill-switch", True),
        ("/api/v4/orders", True),
    ],
)
async def test_what_could_place_is_withheld_while_placing_is_forbidden(
    path: str, leaves: bool, autojump_clock: MockClock
) -> None:
    net, server, asked = SimNet(seed=1), Server(lambda head, body: (200, b"[]")), []
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)

    def forbidden() -> bool:
        asked.append(path)
        return True

    async with trio.open_nursery() as nursery, make_http_client(net, limits=limits) as http:
        await nursery.start(net.serve, server.handle, HOST, 80)
        url = f"http://{HOST}/"
        lanes = Lanes(net, parse_url(url))
        rest = RestClient(http, lanes, url, Signer(KEY, SECRET), forbidden)
        answer = await rest.send(Request("POST", path, ORDER))
        nursery.cancel_scope.cancel()
    assert answer == (RestAnswer(200, b"[]") if leaves else RestWithheld())
    assert [body for _, body in server.requests] == ([ORDER] if leaves else [])
    assert bool(asked) is not leaves


async def test_an_order_leaves_while_placing_is_allowed(autojump_clock: MockClock) -> None:
    async with client(lambda head, body: (200, b"{}")) as (rest, server):
        assert await rest.send(Request("POST", "/api/v4/order/new", ORDER)) == RestAnswer(
            200, b"{}"
        )
        assert len(server.requests) == 1


async def test_path_outside_the_allow_list_is_never_sent(autojump_clock: MockClock) -> None:
    async with client(lambda head, body: (200, b"")) as (rest, server):
        with pytest.raises(LocalProtocolError, match="allow-list"):
            await rest.send(Request("POST", "/api/v4/main-account/withdraw", b"{}"))
        assert server.requests == []


async def test_token_is_fetched(autojump_clock: MockClock) -> None:
    nonces = NonceSource(lambda: 1700000000002_000_000)
    async with client(lambda head, body: (200, b'{"websocket_token":"$abc"}')) as (rest, server):
        token = await rest.token(nonces.draw())
    assert isinstance(token, Secret)
    assert token.reveal() == "$abc"
    assert server.requests[0][1] == (
        b'{"request":"/api/v4/profile/websocket_token","nonce":1700000000002,"nonceWindow":true}'
    )


@pytest.mark.parametrize(
    ("status", "body", "reason", "refusal"),
    [
        (200, b'{"websocket_token":["hunter2"]}', "HTTP 200 without a token", None),
        (
            401,
            b'{"code":10,"message":"Unauthorized request."}',
            "HTTP 401 Unauthorized request.",
            Refusal(401, 10, "", "Unauthorized request."),
        ),
        (429, b"<html>", "HTTP 429", None),
        # An answer of a gateway: it proves nothing, as for every other request.
        (403, b"<html>", "HTTP 403", None),
        (503, b'{"code":0,"message":"Unavailable."}', "HTTP 503 Unavailable.", None),
    ],
)
async def test_token_that_is_not_given(
    autojump_clock: MockClock, status: int, body: bytes, reason: str, refusal: Refusal | None
) -> None:
    async with client(lambda head, _: (status, body)) as (rest, _):
        assert await rest.token(1) == RestFailure(f"websocket token: {reason}", refusal)
