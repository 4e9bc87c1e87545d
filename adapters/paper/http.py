"""HTTP/1.1 on one stream: h11 for the protocol, limits against slow and garbage clients.

Plain requests take a shorter way (`http_plain`), beside h11 and with the same result.

A connection is served by one task until it closes, breaks, or asks to become a WebSocket; a plain
handshake and the bytes that came after it are then given to the WebSocket library through
`ReplayStream`, so that no odd header of a client ever reaches it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import unquote

import h11
import msgspec
import trio

from adapters.paper import http_plain
from adapters.paper.http_plain import BODY_MAX as BODY_MAX
from adapters.paper.http_plain import HEADER_MAX as HEADER_MAX
from adapters.paper.http_plain import REASONS
from adapters.paper.http_plain import Request as Request
from adapters.paper.http_plain import Response as Response

RECEIVE_MAX = 64 * 1024
# One request must arrive whole in this time once it began; an idle keep-alive connection may wait.
REQUEST_TIMEOUT_S = 10
IDLE_TIMEOUT_S = 300
# A client that does not read its answer is cut off.
SEND_TIMEOUT_S = 10
# What a refused client still sends is read and dropped for so long, since closing a socket with
# unread bytes would take the refusal away from it.
LINGER_S = 1
LINGER_MAX = 2 * BODY_MAX


class Upgrade(msgspec.Struct, frozen=True):
    """The client asked for a WebSocket; `received` is its handshake and what came after that."""

    path: str
    received: bytes


# Sixteen bytes as base64.
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")


class _Refused(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


# A gateway answers over-limit requests, so the body is no JSON (3.1, G-3).
OVER_LIMIT = Response(
    429, b"<html><body><h1>429 Too Many Requests</h1></body></html>\n", "text/html"
)
Respond = Callable[[Request], Awaitable[Response]]


def _always() -> bool:
    return True


async def serve_http(
    stream: trio.abc.HalfCloseableStream,
    respond: Respond,
    *,
    upgrade_path: str | None = None,
    may_upgrade: Callable[[], bool] = _always,
) -> Upgrade | None:
    """Answer requests until the connection ends; returns only to hand over an upgrade.

    Args:
        stream: The accepted connection; the caller closes it.
        respond: Answers one request; must not raise.
        upgrade_path: The only path on which a WebSocket may be opened.
        may_upgrade: Whether one more may be opened now; else the answer is 429.
    """
    connection = _Connection(stream)
    try:
        while True:
            request = await connection.read_request()
            if request is None:
                return None
            if upgrade_path is not None and _wants_websocket(request):
                if request.path != upgrade_path:
                    raise _Refused(Response(404))
                if not _handshake_complete(request):
                    raise _Refused(Response(400))
                if not may_upgrade():
                    raise _Refused(OVER_LIMIT)
                return Upgrade(request.path, _handshake(request) + connection.trailing)
            if not await connection.answer(await respond(request)):
                return None
    except _Refused as refused:
        await connection.refuse(refused.response)
    except h11.RemoteProtocolError as error:
        await connection.refuse(Response(error.error_status_hint))
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        pass  # The client is gone or stuck; its stream is closed by the caller.
    return None


class _Connection:
    """h11's server side on one stream."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_MAX)
        # Bytes since the request line began.
        self._size = 0
        # Whether the client asked for the head of an answer alone.
        self._only_head = False
        # Whether the present request went past h11.
        self._plain = False

    @property
    def trailing(self) -> bytes:
        """What came after the present request."""
        return bytes(self._h11.trailing_data[0])

    async def read_request(self) -> Request | None:
        """Next request, or None when the client closed or stayed silent too long."""
        self._size = len(self.trailing)
        if not self._size:
            data = b""
            with trio.move_on_after(IDLE_TIMEOUT_S):
                data = bytes(await self._stream.receive_some(RECEIVE_MAX))
            if not data:
                return None
            request = http_plain.parse(data)
            if request is not None:
                self._plain = True
                return request
            self._take(data)
        with trio.fail_after(REQUEST_TIMEOUT_S):
            head = await self._next_event()
            if isinstance(head, h11.ConnectionClosed):
                return None
            assert isinstance(head, h11.Request)
            self._only_head = head.method == b"HEAD"
            if self._size - len(self.trailing) > HEADER_MAX:
                raise _Refused(Response(431))
            body = await self._read_body(head)
        return _request(head, body)

    async def _read_body(self, head: h11.Request) -> bytes:
        # The protocol library has checked that this is a number, if it is there at all.
        if int(dict(head.headers).get(b"content-length", b"0")) > BODY_MAX:
            raise _Refused(Response(413))
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._next_event()
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            assert isinstance(event, h11.Data)
            size += len(event.data)
            if size > BODY_MAX:
                raise _Refused(Response(413))
            parts.append(bytes(event.data))

    async def _next_event(self) -> h11.Event:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                if self._h11.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    await self._send(self._h11.send(go_on))
                await self._receive()
            else:
                assert isinstance(event, h11.Event)
                return event

    async def _receive(self) -> None:
        self._take(bytes(await self._stream.receive_some(RECEIVE_MAX)))

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        self._h11.receive_data(data)

    async def answer(self, response: Response) -> bool:
        """Send an answer; False when the connection must close after it."""
        if self._plain:
            self._plain = False
            await self._send(http_plain.encode(response) * response.copies)
            return True
        await self._send(self._encode(response) * response.copies)
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def refuse(self, response: Response) -> None:
        """Answer a request that was not understood, as far as the protocol still allows."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        # The client may have left without waiting for the refusal.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            await self._send(self._encode(response, close=True))
            await self._linger()

    async def _linger(self) -> None:
        await self._stream.send_eof()
        dropped = 0
        with trio.move_on_after(LINGER_S):
            while dropped < LINGER_MAX and (data := await self._stream.receive_some(RECEIVE_MAX)):
                dropped += len(data)

    def _encode(self, response: Response, *, close: bool = False) -> bytes:
        headers = [("content-length", str(len(response.body)))]
        if response.body:
            headers.append(("content-type", response.content_type))
        if response.status == 405:
            headers.append(("allow", "GET, POST"))
        if close:
            headers.append(("connection", "close"))
        reason = REASONS.get(response.status, b"")
        start = h11.Response(status_code=response.status, headers=headers, reason=reason)
        head = self._h11.send(start)
        told = response.body and not self._only_head
        body = self._h11.send(h11.Data(data=response.body)) if told else b""
        end = self._h11.send(h11.EndOfMessage())
        return (head or b"") + (body or b"") + (end or b"")

    async def _send(self, data: bytes | None) -> None:
        with trio.fail_after(SEND_TIMEOUT_S):
            await self._stream.send_all(data or b"")


def _request(head: h11.Request, body: bytes) -> Request:
    path, _, query = head.target.decode("latin-1").partition("?")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("latin-1"), unquote(path), query, headers, body)


def _wants_websocket(request: Request) -> bool:
    return "websocket" in request.headers.get("upgrade", "").lower()


def _handshake_complete(request: Request) -> bool:
    # Checked here, because the WebSocket library waits for ever after a handshake it refuses.
    return (
        request.method == "GET"
        and not request.body
        and "upgrade" in request.headers.get("connection", "").lower()
        and request.headers.get("sec-websocket-version") == "13"
        and _KEY.fullmatch(request.headers.get("sec-websocket-key", "")) is not None
    )


def _handshake(request: Request) -> bytes:
    # Neither extensions nor subprotocols are passed on: the server agrees to none (11.1).
    return (
        f"GET {request.path} HTTP/1.1\r\nHost: venue\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {request.headers['sec-websocket-key']}\r\n\r\n"
    ).encode()


class SocketFault:
    """A socket that a plan of faults holds up: nothing passes before a time of trio's clock.

    With `lost` the time is of no interest: what is sent vanishes, and nothing is ever received.
    """

    def __init__(self, until_s: float, *, lost: bool) -> None:
        self._until_s = until_s
        self._lost = lost

    async def passes(self) -> bool:
        """Wait until the socket works again; False at once when it never will."""
        if not self._lost:
            await trio.sleep_until(self._until_s)
        return not self._lost

    async def wait_received(self) -> None:
        """Wait until what came in may be looked at."""
        await trio.sleep_until(self._until_s)


class ReplayStream(trio.abc.Stream):
    """A stream that first gives back what was already read, and sends whole messages in turn."""

    def __init__(self, stream: trio.abc.Stream, received: bytes) -> None:
        self._stream = stream
        self._received = received
        self._send_lock = trio.StrictFIFOLock()
        self.fault: SocketFault | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._received:
            size = len(self._received) if max_bytes is None else max_bytes
            part, self._received = self._received[:size], self._received[size:]
            await trio.lowlevel.checkpoint()
            return part
        received = await self._stream.receive_some(max_bytes)
        if self.fault is not None:
            await self.fault.wait_received()
        return received

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        # Pushes and the library's own pongs come from different tasks.
        async with self._send_lock:
            if self.fault is not None and not await self.fault.passes():
                return
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
