"""The client's WebSocket against a server made of plain bytes: what arrives together, and ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)

from adapters.whitebit.urls import parse_url
from adapters.whitebit.websocket import MESSAGE_MAX_BYTES, WebSocket, WebSocketEnded

ENDPOINT = parse_url("ws://venue.test/ws")


class Server:
    """The other end: sends several events in one piece."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.SERVER)

    async def read(self) -> list[Event]:
        self.protocol.receive_data(bytes(await self.stream.receive_some()) or None)
        return list(self.protocol.events())

    async def send(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(self.protocol.send(event) for event in events))


@asynccontextmanager
async def connected(*first: Event) -> AsyncIterator[tuple[WebSocket, Server]]:
    """A connection whose upgrade was accepted, with `first` in the same bytes."""
    ours, theirs = trio.testing.memory_stream_pair()
    client, server = WebSocket(ours), Server(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.open, ENDPOINT)
        await server.read()
        await server.send(AcceptConnection(), *first)
    yield client, server


async def ended(client: WebSocket) -> str:
    with pytest.raises(WebSocketEnded) as raised:
        await client.receive()
    return str(raised.value)


async def test_what_came_with_the_upgrade_is_received(autojump_clock: MockClock) -> None:
    async with connected(TextMessage("1"), TextMessage("2")) as (client, _):
        assert await client.receive() == [b"1", b"2"]


async def test_all_messages_of_one_read_come_together(autojump_clock: MockClock) -> None:
    async with connected() as (client, server):
        await server.send(*[TextMessage(str(number)) for number in range(300)])
        assert await client.receive() == [str(number).encode() for number in range(300)]
        await server.send(BytesMessage(b"\x00\xff"), TextMessage("\N{EURO SIGN}"))
        assert await client.receive() == [b"\x00\xff", b"\xe2\x82\xac"]


async def test_a_message_in_parts_is_one(autojump_clock: MockClock) -> None:
    async with connected() as (client, server):
        await server.send(TextMessage("a", message_finished=False), Ping(b"between"))
        await server.send(TextMessage("b", message_finished=False))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, TextMessage("c"))
            assert await client.receive() == [b"abc"]
        assert await server.read() == [Pong(b"between")]


async def test_messages_before_the_end_are_received_before_it(autojump_clock: MockClock) -> None:
    async with connected() as (client, server):
        await server.send(TextMessage("last"), CloseConnection(1001, "going away"))
        assert await client.receive() == [b"last"]
        assert await ended(client) == "closed with code 1001: going away"
        # And for ever after; the server was answered.
        assert await ended(client) == "closed with code 1001: going away"
        assert await server.read() == [CloseConnection(1001, "going away")]
        with pytest.raises(WebSocketEnded, match="closing"):
            await client.send("too late")


async def test_a_stream_that_ends_is_an_end(autojump_clock: MockClock) -> None:
    async with connected() as (client, server):
        await server.stream.aclose()
        assert await ended(client) == "closed with code 1006"


async def test_a_message_beyond_every_real_one_ends_the_connection(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (client, server):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, TextMessage("x" * (MESSAGE_MAX_BYTES + 1)))
            reason = await ended(client)
        assert reason == f"closed by us: a message of more than {MESSAGE_MAX_BYTES} bytes"
        (close,) = await server.read()
        assert isinstance(close, CloseConnection)
        assert close.code == 1009


async def test_bytes_that_are_no_frame_end_the_connection(autojump_clock: MockClock) -> None:
    async with connected() as (client, server):
        await server.stream.send_all(b"\xff\xff\xff\xff")
        assert (await ended(client)).startswith("closed with code 1002: ")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "upgrade refused with HTTP 503"),
        (b"HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n", "the server speaks no WebSocket"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the server speaks no WebSocket"),
        (b"", "the server speaks no WebSocket"),
    ],
)
async def test_an_upgrade_that_fails_says_why(
    autojump_clock: MockClock, answer: bytes, reason: str
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(answer)
    await theirs.send_eof()
    with pytest.raises(WebSocketEnded) as raised:
        await WebSocket(ours).open(ENDPOINT)
    assert str(raised.value) == reason


async def test_frames_of_two_tasks_do_not_mix(autojump_clock: MockClock) -> None:
    async with connected() as (client, server):
        texts = [str(number) * 10_000 for number in range(9)]
        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(client.send, text)
            got: list[Event] = []
            while len(got) < len(texts):
                got += await server.read()
        assert sorted(event.data for event in got if isinstance(event, TextMessage)) == texts
