"""StreamClient against a scripted WebSocket server on an in-memory network."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
import trio_websocket
from trio.testing import MockClock

from adapters.simulated import SimNet
from adapters.whitebit.frames import subscriptions
from adapters.whitebit.signing import Secret
from adapters.whitebit.streams import StreamClient
from engine.errors import ConfigError
from engine.types import Settings
from tests.whitebit.venue import BTC_USDT

HOST = "venue.test"
URL = f"ws://{HOST}/ws"
MARKETS = {"BTC_USDT": BTC_USDT}
PUBLIC = subscriptions("BTC_USDT", MARKETS, Settings())
PRIVATE = subscriptions("private", MARKETS, Settings())
SUCCESS = {"status": "success"}

Socket = trio_websocket.WebSocketConnection
Script = Callable[[Socket], Awaitable[None]]


class Log:
    """What a stream told its owner, in order."""

    def __init__(self) -> None:
        self.calls: list[bytes | str] = []

    def opened(self) -> None:
        self.calls.append("open")

    def frame(self, data: bytes) -> None:
        self.calls.append(data)


@asynccontextmanager
async def venue(script: Script) -> AsyncIterator[SimNet]:
    """Run a server whose every connection follows the script, then closes."""
    net = SimNet(seed=1)

    async def handle(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            try:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                socket = await request.accept()
                await script(socket)
                await socket.aclose()
            except trio_websocket.ConnectionClosed:
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(net.serve, handle, HOST, 80)
        yield net
        nursery.cancel_scope.cancel()


def public(net: SimNet, log: Log) -> StreamClient:
    return StreamClient(net, URL, "BTC_USDT", PUBLIC, None, log.opened, log.frame)


def private(net: SimNet, log: Log) -> StreamClient:
    return StreamClient(net, URL, "private", PRIVATE, Secret("$abc"), log.opened, log.frame)


async def read(socket: Socket) -> dict[str, object]:
    message: dict[str, object] = json.loads(await socket.get_message())
    return message


async def confirm(socket: Socket, count: int) -> list[dict[str, object]]:
    """Confirm the next `count` requests and return them."""
    requests = []
    for _ in range(count):
        requests.append(await read(socket))
        reply = {"id": requests[-1]["id"], "result": SUCCESS, "error": None}
        await socket.send_message(json.dumps(reply))
    return requests


async def idle(socket: Socket) -> None:
    await trio.sleep_forever()


async def test_public_stream_subscribes_and_hands_over(autojump_clock: MockClock) -> None:
    requests: list[dict[str, object]] = []

    async def script(socket: Socket) -> None:
        requests.extend(await confirm(socket, 3))
        await socket.send_message('{"pushed":1}')

    log = Log()
    async with venue(script) as net:
        reason = await public(net, log).run()
    assert requests == [json.loads(frame) for frame in PUBLIC]
    assert log.calls[0] == "open"
    assert log.calls[-1] == b'{"pushed":1}'
    assert len(log.calls) == 5
    assert reason == "closed with code 1000"


async def test_private_stream_is_authorised_before_it_subscribes(
    autojump_clock: MockClock,
) -> None:
    requests: list[dict[str, object]] = []
    early: list[bool] = []

    async def script(socket: Socket) -> None:
        requests.append(await read(socket))
        await socket.send_message('{"id":null,"method":"x_update","params":[]}')
        with trio.move_on_after(1) as scope:
            requests.append(await read(socket))
        early.append(not scope.cancelled_caught)
        await socket.send_message('{"id":1,"result":{"status":"success"},"error":null}')
        requests.extend(await confirm(socket, len(PRIVATE)))

    log = Log()
    async with venue(script) as net:
        await private(net, log).run()
    assert requests[0] == {"id": 1, "method": "authorize", "params": ["$abc", "public"]}
    assert early == [False]
    assert requests[1:] == [json.loads(frame) for frame in PRIVATE]
    # All that came is handed over, the answer to authorize too.
    assert len(log.calls) == 1 + 2 + len(PRIVATE)


async def test_refused_token_ends_the_stream_without_showing_it(
    autojump_clock: MockClock,
) -> None:
    async def script(socket: Socket) -> None:
        await read(socket)
        error = {"code": 1, "message": "invalid argument"}
        await socket.send_message(json.dumps({"id": 1, "result": None, "error": error}))
        await trio.sleep_forever()

    log = Log()
    async with venue(script) as net:
        assert await private(net, log).run() == "authorize refused: 1 invalid argument"
    assert len(log.calls) == 2


async def test_unanswered_authorize_ends_the_stream(autojump_clock: MockClock) -> None:
    async with venue(idle) as net:
        assert await private(net, Log()).run() == "authorize unanswered for 10 s"


async def test_owner_sends_and_closes(autojump_clock: MockClock) -> None:
    received = []

    async def script(socket: Socket) -> None:
        await confirm(socket, 3)
        received.append(await socket.get_message())
        await socket.send_message("last")
        await trio.sleep_forever()

    reasons = []
    async with venue(script) as net, trio.open_nursery() as nursery:
        log = Log()
        stream = public(net, log)
        assert await stream.send(b"too early") is False

        async def run() -> None:
            reasons.append(await stream.run())

        nursery.start_soon(run)
        await trio.sleep(1)
        assert await stream.send(b'{"id":27,"method":"ping","params":[]}') is True
        await trio.sleep(1)
        assert log.calls[-1] == b"last"
        stream.close()
        await trio.sleep(1)
        assert reasons == ["closed by us"]
        assert await stream.send(b"too late") is False
    assert received == ['{"id":27,"method":"ping","params":[]}']


async def test_reset_connection_is_one_reason(autojump_clock: MockClock) -> None:
    async with venue(idle) as net, trio.open_nursery() as nursery:
        log, reasons = Log(), []
        stream = public(net, log)

        async def run() -> None:
            reasons.append(await stream.run())

        nursery.start_soon(run)
        await trio.sleep(1)
        assert log.calls == ["open"]
        net.reset_all()
    assert reasons == ["closed with code 1006"]


async def test_nobody_listens(autojump_clock: MockClock) -> None:
    reason = await public(SimNet(seed=1), Log()).run()
    assert reason.startswith("ConnectionRefusedError")


async def test_server_that_speaks_no_websocket(autojump_clock: MockClock) -> None:
    async def refuse(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await trio.sleep(1)

    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    for handler, reason in (
        (refuse, "upgrade refused with HTTP 403"),
        (silent, "no WebSocket within 10 s"),
    ):
        net, log = SimNet(seed=1), Log()
        async with trio.open_nursery() as nursery:
            await nursery.start(net.serve, handler, HOST, 80)
            assert await public(net, log).run() == reason
            nursery.cancel_scope.cancel()
        assert log.calls == []


class PlainServerBehindTls:
    """A Net that asks for TLS from a server that does not speak it."""

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        assert (host, port, tls) == (HOST, 443, True)
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return trio.SSLStream(ours, ssl.create_default_context(), server_hostname=host)

    async def serve(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError


async def test_failed_tls_handshake_says_why(autojump_clock: MockClock) -> None:
    log, net = Log(), PlainServerBehindTls()
    url = f"wss://{HOST}/ws"
    client = StreamClient(net, url, "BTC_USDT", PUBLIC, None, log.opened, log.frame)
    reason = await client.run()
    assert reason.startswith("connection lost: SSLError: ")
    assert log.calls == []


async def test_burst_larger_than_the_library_default_arrives_in_order(
    autojump_clock: MockClock,
) -> None:
    async def script(socket: Socket) -> None:
        await confirm(socket, 3)
        for number in range(300):
            await socket.send_message(str(number))
        await socket.send_message("x" * (2 << 20))

    log = Log()
    async with venue(script) as net:
        await public(net, log).run()
    assert log.calls[4:-1] == [str(number).encode() for number in range(300)]
    assert len(log.calls[-1]) == 2 << 20


async def test_outside_cancellation_leaves_nothing_open(autojump_clock: MockClock) -> None:
    async with venue(idle) as net:
        log = Log()
        with trio.move_on_after(1) as scope:
            await public(net, log).run()
        assert scope.cancelled_caught
        assert net.reset_all() == 0


def test_url_of_another_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match="ws, wss"):
        StreamClient(SimNet(seed=1), "https://x", "s", (), None, Log().opened, Log().frame)
