"""Keep-alive connections for signed requests, against a server that answers with given bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import h11
import httpx
import pytest
import trio
from trio.testing import MockClock

from adapters.runtime.journal_format import PAYLOAD_MAX
from adapters.simulated import SimNet
from adapters.whitebit import lanes
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.lanes import Lanes
from adapters.whitebit.urls import parse_url

HOST = "venue.test"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

Script = Callable[[int], bytes | None]
"""Number of the request, from 0 on -> the bytes of its answer; None never answers."""


class Server:
    """Answers each POST with what its script says; hangs up after an answer that says so."""

    def __init__(self, net: SimNet, script: Script) -> None:
        self.net = net
        self._script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.hang_up = False

    async def handle(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        async with stream:
            while request := await _one_request(stream):
                self.requests.append(request)
                answer = self._script(len(self.requests) - 1)
                if answer is None:
                    await trio.sleep_forever()
                    return
                await stream.send_all(answer)
                if self.hang_up:
                    return


async def _one_request(stream: trio.abc.Stream) -> bytes:
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end:
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(body) >= length:
                return received
        data = await stream.receive_some(65_536)
        if not data:
            return b""
        received += data


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[tuple[Lanes, Server]]:
    net = SimNet(seed=1)
    server = Server(net, script)
    async with trio.open_nursery() as nursery:
        await nursery.start(net.serve, server.handle, HOST, 80)
        async with Lanes(net, parse_url(f"http://{HOST}/")) as opened:
            yield opened, server
        nursery.cancel_scope.cancel()


async def post(opened: Lanes, body: bytes = b"{}") -> tuple[int, bytes]:
    return await opened.post("/api/v4/order/new", [(b"X-TXC-APIKEY", b"k")], body)


async def test_requests_follow_each_other_on_one_connection(autojump_clock: MockClock) -> None:
    async with serving(lambda number: OK) as (opened, server):
        for _ in range(3):
            assert await post(opened) == (200, b"{}")
    assert server.connections == 1
    assert server.requests[0] == (
        b"POST /api/v4/order/new HTTP/1.1\r\nHost: venue.test\r\nContent-Length: 2\r\n"
        b"X-TXC-APIKEY: k\r\n\r\n{}"
    )


async def test_requests_at_once_have_a_connection_each_up_to_the_limit(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LANES_MAX", 3)
    answers: list[tuple[int, bytes]] = []

    async def one() -> None:
        answers.append(await post(opened))

    async with serving(lambda number: OK) as (opened, server), trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(one)
    assert answers == [(200, b"{}")] * 10
    assert server.connections == 3


async def test_a_connection_that_the_server_closed_is_not_used_again(
    autojump_clock: MockClock,
) -> None:
    async with serving(lambda number: OK) as (opened, server):
        server.hang_up = True
        assert await post(opened) == (200, b"{}")
        await trio.sleep(1)
        assert await post(opened) == (200, b"{}")
        assert server.connections == 2


@pytest.mark.parametrize("apart_s", [0.0, 0.1])
async def test_an_answer_that_came_twice_answers_no_other_request(
    autojump_clock: MockClock, apart_s: float
) -> None:
    bodies = [b"1!", b"2!", b"3!"]

    def script(number: int) -> bytes:
        return OK[:-2] + bodies[number] + OK[:-2] + bodies[number]

    async with serving(script) as (opened, server):
        for body in bodies:
            assert await post(opened) == (200, body)
            await trio.sleep(apart_s)
        assert server.connections == 3


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 429 Slow\r\ncontent-length: 6\r\n\r\n<html>", (429, b"<html>")),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n",
            (200, b"[1,2]"),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, (200, b"{}")),
        (b"HTTP/1.1 503 Away\r\nconnection: close\r\n\r\nbye", (503, b"bye")),
    ],
    ids=["not JSON", "chunked", "after a 100", "until the end"],
)
async def test_answers_of_every_shape_are_read_as_httpx_reads_them(
    autojump_clock: MockClock, answer: bytes, expected: tuple[int, bytes]
) -> None:
    async with serving(lambda number: answer) as (opened, server):
        server.hang_up = b"connection: close" in answer
        limits = httpx.Limits(max_connections=1)
        async with make_http_client(server.net, limits=limits) as oracle:
            for _ in range(2):
                assert await post(opened) == expected
                found = await oracle.post(f"http://{HOST}/", content=b"{}")
                assert (found.status_code, found.content) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
        b"",
    ],
    ids=["not HTTP", "another protocol", "cut short", "nothing at all"],
)
async def test_what_is_no_answer_is_an_error_and_ends_the_connection(
    autojump_clock: MockClock, answer: bytes
) -> None:
    async with serving(lambda number: answer) as (opened, server):
        server.hang_up = True
        with pytest.raises(h11.RemoteProtocolError):
            await post(opened)
        with pytest.raises(h11.RemoteProtocolError):
            await post(opened)
        assert server.connections == 2


async def test_an_endless_answer_is_given_up(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ANSWER_MAX", 10)
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b"x" * 11
    async with serving(lambda number: long) as (opened, _):
        with pytest.raises(h11.RemoteProtocolError, match="more than 10 bytes"):
            await post(opened)
    assert 1_000 + lanes.ANSWER_MAX <= PAYLOAD_MAX, "with the name of its stream"


async def test_silence_ends_in_time_and_frees_the_turn(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LANES_MAX", 1)
    async with serving(lambda number: OK if number else None) as (opened, server):
        start = trio.current_time()
        with pytest.raises(trio.TooSlowError):
            await post(opened)
        assert trio.current_time() - start == pytest.approx(lanes.ANSWER_TIMEOUT_S, abs=0.1)
        assert await post(opened) == (200, b"{}")
        assert server.connections == 2


@pytest.mark.parametrize("path", sorted(lanes.URGENT))
async def test_what_takes_orders_away_never_waits_behind_what_hangs(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(lanes, "LANES_MAX", 3)
    async with (
        serving(lambda number: OK if number >= 3 else None) as (opened, server),
        trio.open_nursery() as nursery,
    ):
        for _ in range(5):
            nursery.start_soon(post, opened)
        await trio.sleep(1)
        start = trio.current_time()
        assert await opened.post(path, [], b"{}") == (200, b"{}")
        assert trio.current_time() - start < 0.1
        assert len(server.requests) == 4, "the other two wait for their turn"
        nursery.cancel_scope.cancel()


async def test_what_is_urgent_has_a_limit_too_and_holds_nothing_else_up(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "URGENT_MAX", 3)
    async with (
        serving(lambda number: OK if number >= 3 else None) as (opened, server),
        trio.open_nursery() as nursery,
    ):
        for _ in range(5):
            nursery.start_soon(opened.post, "/api/v4/order/cancel", [], b"{}")
        await trio.sleep(1)
        assert len(server.requests) == 3
        assert await post(opened) == (200, b"{}")
        nursery.cancel_scope.cancel()


async def test_a_cancelled_call_closes_its_connection(autojump_clock: MockClock) -> None:
    async with serving(lambda number: OK if number else None) as (opened, server):
        with trio.move_on_after(1):
            await post(opened)
        assert await post(opened) == (200, b"{}")
        assert server.connections == 2
