"""Any bytes on any socket: an answer from the contract or a clean close, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.paper import http
from adapters.paper.server import _serve_connection
from adapters.paper.venue import Venue
from adapters.paper.ws.socket import METHODS
from tests.paper.server.test_garbage import VALUES, venue

# Longer than every time limit of a connection, in virtual time.
PATIENCE_S = http.IDLE_TIMEOUT_S + 100
STATUSES = {100, 101, 200, 400, 401, 404, 405, 413, 422, 429, 431, 501, 505}

HTTP_PARTS = [
    b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"PRI ", b"get ", b"/", b"*", b"/ws",
    b"/api/v4/public/ping", b"/api/v4/public/markets?x=%", b"/api/v4/public/orderbook/%ff",
    b"/api/v4/order/new", b"/api/v4/orders", b"http://v/ws", b"/%2e%2e/%00", b" ", b" HTTP/1.1",
    b" HTTP/1.0", b" HTTP/2.0", b" HTTP/9.9", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"Host: v\r\n",
    b"Host: w\r\n", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 1048577\r\n", b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n",
    b"Upgrade: h2c\r\n", b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Version: 8\r\n",
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n", b"Sec-WebSocket-Key: x\r\n",
    b"Sec-WebSocket-Protocol: a, b\r\n", b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"X-TXC-APIKEY: k\r\n", b"X-TXC-PAYLOAD: e30=\r\n", b"X-TXC-PAYLOAD: \xff\r\n",
    b"X-TXC-SIGNATURE: s\r\n", b"{}", b"5\r\n{\"a\":\r\n", b"0\r\n\r\n", b"ffffffffff\r\n", b"\x00",
    b"\xff", b"\x16\x03\x01", b" folded: x\r\n", b"no colon\r\n", b": no name\r\n", b"x" * 17_000,
]  # fmt: skip
PING = b"GET /api/v4/public/ping HTTP/1.1\r\nHost: v\r\n\r\n"
POST = (
    b"POST /api/v4/order/new HTTP/1.1\r\nHost: v\r\nX-TXC-APIKEY: k\r\nX-TXC-PAYLOAD: e30=\r\n"
    b"X-TXC-SIGNATURE: s\r\nContent-Length: 2\r\n\r\n{}"
)
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def ws_frame(opcode: int, payload: bytes, *, masked: bool = True, final: bool = True) -> bytes:
    """Build a frame of a client, with a mask of zeros."""
    head = bytes([opcode | (0x80 if final else 0)])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + len(payload).to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


def token(target: Venue) -> str:
    """Issue a token; of a new venue it is always the same."""
    return target.tokens.issue(target.accounts[0].account, target.clock.steady_ns())


AUTHORIZE = ws_frame(
    1,
    json.dumps({"id": 1, "method": "authorize", "params": [token(venue()), "public"]}).encode(),
)


@st.composite
def spoiled(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Take something right and cut, double or overwrite a part of it."""
    data = draw(st.sampled_from(originals))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 20)))
    middle = draw(st.sampled_from([b"", data[start:end] * 2]) | st.binary(max_size=10))
    return data[:start] + middle + data[end:]


requests = st.lists(
    st.lists(st.sampled_from(HTTP_PARTS), max_size=12).map(b"".join)
    | spoiled([PING, POST, HANDSHAKE])
    | st.binary(max_size=200),
    min_size=1,
    max_size=4,
)
calls = st.builds(
    lambda number, method, params: json.dumps(
        {"id": number, "method": method, "params": params}
    ).encode(),
    st.sampled_from([1, 0, -1, 2**63, 2**70, 1.5, "1", None, True, []]),
    st.sampled_from([*METHODS, "nope", None, 7]),
    st.lists(st.sampled_from(VALUES), max_size=4) | st.sampled_from(VALUES),
)
payloads = (
    calls
    | st.binary(max_size=130)
    | st.sampled_from([b"", b"{", b"[" * 5000, b"null", b'"\xff"', b"\x03\xe8", b"x" * 70_000])
)
frames = st.lists(
    st.builds(
        ws_frame,
        # Continuation, text, binary, close, ping, pong; unknown ones and reserved bits.
        st.sampled_from([0, 1, 1, 1, 2, 8, 9, 10, 3, 15, 0x41]),
        payloads,
        masked=st.sampled_from([True, True, True, False]),
        final=st.sampled_from([True, True, True, False]),
    )
    | spoiled([ws_frame(1, b'{"id":1,"method":"ping","params":[]}')])
    | st.binary(max_size=40),
    min_size=1,
    max_size=6,
)
# A rush is over before the server has looked at anything.
ends = st.sampled_from(["eof", "abort", "silence", "rush"])


async def _talk(target: Venue, chunks: list[bytes], end: str) -> bytes:
    client, server = trio.testing.memory_stream_pair()
    received = bytearray()

    async def read() -> None:
        with suppress(trio.ClosedResourceError):
            while part := await client.receive_some(65536):
                received.extend(part)

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            if end == "rush":
                await client.send_all(b"".join(chunks))
                await trio.aclose_forcefully(client)
            nursery.start_soon(_serve_connection, server, target)
            nursery.start_soon(read)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                for chunk in chunks:
                    await client.send_all(chunk)
                    await trio.testing.wait_all_tasks_blocked()
                if end == "eof":
                    await client.send_eof()
                elif end == "abort":
                    await trio.aclose_forcefully(client)
    return bytes(received)


def state(target: Venue) -> list[Any]:
    exchange = target.exchange
    return [
        (
            exchange.spot_balances(name),
            exchange.collateral(name),
            exchange.positions(name),
            exchange.open_orders(name),
        )
        for name in exchange.accounts
    ]


def talked(chunks: list[bytes], end: str) -> bytes:
    """Return all that a venue answers to these chunks; it ends the connection unharmed."""
    target = venue()
    token(target)
    before = state(target)
    clock = trio.testing.MockClock(autojump_threshold=0)
    received: bytes = trio.run(_talk, target, chunks, end, clock=clock)
    assert target.feeds.sessions == []
    assert state(target) == before
    return received


def responses(received: bytes) -> Iterator[tuple[int, bytes]]:
    """Split what came back into statuses and bodies, and after a 101 the rest."""
    while received:
        head, gap, rest = received.partition(b"\r\n\r\n")
        assert gap, head
        line, *headers = head.split(b"\r\n")
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1"
        named = dict(header.lower().split(b": ", 1) for header in headers)
        size = len(rest) if status == b"101" else int(named.get(b"content-length", b"0"))
        yield int(status), rest[:size]
        received = rest[size:]


def pushed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split frames of the server into opcodes and payloads."""
    while data:
        assert data[0] & 0x70 == 0
        assert data[1] & 0x80 == 0
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        assert len(data) >= start + size
        yield data[0] & 0x0F, data[start : start + size]
        data = data[start + size :]


def check_frames(data: bytes) -> None:
    for opcode, payload in pushed(data):
        if opcode == 1:
            message = json.loads(payload)
            if "method" in message:
                assert message["id"] is None
            else:
                assert list(message) == ["id", "result", "error"]
        else:
            # A close frame, or the answer to a ping.
            assert opcode in (8, 10)


def check_http(received: bytes) -> None:
    for status, body in responses(received):
        assert status in STATUSES
        if status == 101:
            check_frames(body)
        elif status not in (404, 429) and body:
            json.loads(body)


@settings(max_examples=40)
@given(requests, ends)
def test_any_bytes_as_http(chunks: list[bytes], end: str) -> None:
    check_http(talked(chunks, end))


@settings(max_examples=40)
@given(frames, ends)
def test_any_bytes_as_frames(chunks: list[bytes], end: str) -> None:
    received = talked([HANDSHAKE, AUTHORIZE, *chunks], end)
    if end not in ("abort", "rush"):
        assert received.startswith(b"HTTP/1.1 101 ")
        assert b'{"id":1,"result":{"status":"success"},"error":null}' in received
        check_http(received)


@pytest.mark.slow
@settings(max_examples=1000)
@given(requests | frames.map(lambda sent: [HANDSHAKE, AUTHORIZE, *sent]), ends)
def test_many_bytes(chunks: list[bytes], end: str) -> None:
    check_http(talked(chunks, end))
