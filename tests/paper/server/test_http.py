"""HTTP on a stream: keep-alive, limits and garbage."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing

from adapters.paper import http
from adapters.paper.http import Request, Response, Upgrade, serve_http
from adapters.paper.ws.outbox import Outbox, frame


async def echo(request: Request) -> Response:
    return Response(200, msgspec.json.encode([request.method, request.path, request.query]))


async def talk(sent: bytes) -> tuple[bytes, Upgrade | None]:
    """Send bytes, close the sending side, and return all that came back."""
    client, server = trio.testing.memory_stream_pair()
    await client.send_all(sent)
    await client.send_eof()
    result = await serve_http(server, echo, upgrade_path="/ws")
    await server.send_eof()
    received = b""
    while part := await client.receive_some(65536):
        received += part
    return received, result


async def test_keep_alive_answers_pipelined_requests_in_order() -> None:
    received, _ = await talk(
        b"GET /a?x=1 HTTP/1.1\r\nHost: v\r\n\r\nPOST /b HTTP/1.1\r\nHost: v\r\n"
        b"Content-Length: 2\r\n\r\n{}GET /c HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n"
        b"GET /never HTTP/1.1\r\nHost: v\r\n\r\n"
    )
    assert received.count(b"HTTP/1.1 200 ") == 3
    places = [received.index(text) for text in (b'["GET","/a","x=1"]', b'"/b"', b'"/c"')]
    assert places == sorted(places)


async def test_the_head_of_an_answer_has_no_body() -> None:
    received, _ = await talk(b"HEAD /a HTTP/1.1\r\nHost: v\r\n\r\nGET /b HTTP/1.0\r\n\r\n")
    heads = received.split(b"\r\n\r\n")
    assert heads[0].startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 16")
    assert heads[1].startswith(b"HTTP/1.1 200 OK")
    assert heads[2] == b'["GET","/b",""]'


GARBAGE = [
    ("binary noise", b"\x00\xff\x16\x03\x01" * 50 + b"\r\n\r\n", b"HTTP/1.1 400 "),
    ("a request without host", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    (
        "a body cut short",
        b"POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 400 ",
    ),
    ("nothing at all", b"", b""),
    ("endless headers", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000, b"HTTP/1.1 431 "),
    (
        "headers over the limit in one go",
        b"GET / HTTP/1.1\r\nHost: v\r\na: " + b"b" * http.HEADER_MAX + b"\r\n\r\n",
        b"HTTP/1.1 431 ",
    ),
    (
        "a body announced over the limit",
        b"POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 1048577\r\n\r\n",
        b"HTTP/1.1 413 ",
    ),
    (
        "a body that grows over the limit",
        b"POST / HTTP/1.1\r\nHost: v\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 17,
        b"HTTP/1.1 413 ",
    ),
    (
        "an upgrade elsewhere",
        b"GET /nope HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 404 ",
    ),
    (
        "an upgrade with a key that is none",
        b"GET /ws HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
    (
        "an upgrade without its key",
        b"GET /ws HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
]


@pytest.mark.parametrize(("name", "sent", "start"), GARBAGE, ids=[case[0] for case in GARBAGE])
async def test_garbage_is_refused_and_the_connection_ends(
    name: str, sent: bytes, start: bytes
) -> None:
    received, upgrade = await talk(sent)
    assert received[: len(start)] == start
    assert upgrade is None


LARGEST = [
    ("headers", b"GET / HTTP/1.1\r\nHost: v\r\na: ", b"b", http.HEADER_MAX - 4, b"\r\n\r\n"),
    (
        "a body",
        b"POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 1048576\r\n\r\n",
        b"x",
        http.BODY_MAX + 53,
        b"",
    ),
]


@pytest.mark.parametrize(
    ("name", "head", "filler", "size", "end"), LARGEST, ids=[case[0] for case in LARGEST]
)
async def test_the_largest_allowed_is_answered(
    name: str, head: bytes, filler: bytes, size: int, end: bytes
) -> None:
    received, _ = await talk(head.ljust(size, filler) + end)
    assert received.startswith(b"HTTP/1.1 200 ")


async def test_a_refusal_reaches_a_client_that_is_still_sending(nursery: trio.Nursery) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await serve_http(stream, echo)

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    client = await trio.open_tcp_stream(*listener.socket.getsockname())
    async with client:
        await client.send_all(b"POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 1048577\r\n\r\n")
        await client.send_all(b"x" * http.BODY_MAX)
        received = b""
        while part := await client.receive_some():
            received += bytes(part)
    assert received.startswith(b"HTTP/1.1 413 ")


async def test_an_upgrade_hands_over_a_plain_handshake_and_every_byte_after_it() -> None:
    first = b"GET /a HTTP/1.1\r\nHost: v\r\n\r\n"
    second = (
        b"GET /ws HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\nEXTRA"
    )
    received, upgrade = await talk(first + second)
    assert received.count(b"HTTP/1.1 200 ") == 1
    assert upgrade == Upgrade(
        "/ws",
        b"GET /ws HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\nEXTRA",
    )


async def test_a_request_that_never_completes_is_dropped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = trio.testing.memory_stream_pair()
    await client.send_all(b"GET / HTTP/1.1\r\n")
    started = trio.current_time()
    assert await serve_http(server, echo) is None
    assert trio.current_time() - started == http.REQUEST_TIMEOUT_S


async def test_an_outbox_past_its_limit_closes() -> None:
    outbox = Outbox(max_bytes=10)
    outbox.push(frame(b"12345"))
    assert await outbox.take() == b"\x81\x0512345"
    outbox.push(frame(b"12345"))
    outbox.push(frame(b"12345"))
    assert outbox.closed
    assert await outbox.take() == b""


@pytest.mark.parametrize(
    ("size", "head"),
    [(125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65536, b"\x81\x7f" + (65536).to_bytes(8))],
)
def test_frame_lengths(size: int, head: bytes) -> None:
    assert frame(b"x" * size) == head + b"x" * size
