"""Keep-alive HTTP/1.1 connections for signed requests: h11 on a stream of the Net port.

httpx costs four times as much a call (`make bench`, ratios), nearly all of it before the first byte
leaves, so the requests that trade go this way; the same tests hold both to the same behaviour.
Nothing is retried: a request that may have left has an unknown outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

import h11
import trio

from adapters.ports import Net
from adapters.whitebit.idle import is_readable
from adapters.whitebit.urls import Endpoint

LANES_MAX = 32
"""Connections at once; a request beyond them waits for its turn."""
URGENT_MAX = 128
"""As `LANES_MAX`, of urgent requests, which have connections of their own: a cancel of each order
of a few markets, and for as long as those hang a probe every few seconds (`engine.backoff`)."""
URGENT: frozenset[str] = frozenset(
    {"/api/v4/order/cancel", "/api/v4/order/cancel/all", "/api/v4/order/kill-switch"}
)
"""What takes orders away never waits behind what a host has taken and does not answer."""

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
"""Far above any deadline of the engine: it only ends calls that would never end."""

ANSWER_MAX = 8 << 20
"""Bytes of an answer: far above the largest seen (the market list, about 1 MiB), and what the raw
capture beside a journal takes in one record."""
_READ_BYTES = 65_536

Headers = list[tuple[bytes, bytes]]

ERRORS = (
    OSError,
    h11.ProtocolError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)
"""What `post` may raise; their texts can quote headers, and so the key."""


class Withheld(Exception):
    """A request was forbidden to leave at the last moment, and did not."""


class Lanes:
    """Connections to one host, opened when needed and kept for the next request."""

    def __init__(self, net: Net, endpoint: Endpoint) -> None:
        """Connect through `net`; the path of `endpoint` is not used."""
        self._net = net
        self._endpoint = endpoint
        self._idle: list[_Lane] = []
        self._turns = trio.Semaphore(LANES_MAX)
        self._urgent_turns = trio.Semaphore(URGENT_MAX)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        while self._idle:
            await trio.aclose_forcefully(self._idle.pop().stream)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Send one GET and return status and body of the answer; raises as `post`."""
        host = (b"Host", self._endpoint.host_header.encode())
        head = h11.Request(method="GET", target=path, headers=[host])
        return await self._send(self._turns, head, b"", None)

    async def post(
        self,
        path: str,
        headers: Headers,
        body: bytes,
        forbidden: Callable[[], bool] | None = None,
    ) -> tuple[int, bytes]:
        """Send one POST and return status and body of the answer.

        Args:
            path: On the host of these lanes.
            headers: All but Host and Content-Length.
            body: Whole.
            forbidden: Asked when nothing but the write itself is left to do: True withholds it.

        Raises:
            Withheld: not a byte of it left.
            one of `ERRORS`: the answer did not come, or was no HTTP/1.1.
        """
        head = h11.Request(
            method="POST",
            target=path,
            headers=[
                (b"Host", self._endpoint.host_header.encode()),
                (b"Content-Length", b"%d" % len(body)),
                *headers,
            ],
        )
        turns = self._urgent_turns if path in URGENT else self._turns
        return await self._send(turns, head, body, forbidden)

    async def _send(
        self,
        turns: trio.Semaphore,
        head: h11.Request,
        body: bytes,
        forbidden: Callable[[], bool] | None,
    ) -> tuple[int, bytes]:
        try:
            # A plain acquire lets every other task run first, though a turn is nearly always free.
            turns.acquire_nowait()
        except trio.WouldBlock:
            await turns.acquire()
        try:
            return await self._exchange(head, body, forbidden)
        finally:
            turns.release()

    async def _exchange(
        self, head: h11.Request, body: bytes, forbidden: Callable[[], bool] | None
    ) -> tuple[int, bytes]:
        lane = await self._kept() or await self._opened()
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                answer = await lane.exchange(head, body, forbidden)
        except BaseException:
            await trio.aclose_forcefully(lane.stream)
            raise
        if lane.is_reusable():
            self._idle.append(lane)
        else:
            await trio.aclose_forcefully(lane.stream)
        return answer

    async def _kept(self) -> _Lane | None:
        # The last one used is the one most surely still open.
        while self._idle:
            lane = self._idle.pop()
            if not is_readable(lane.stream):
                return lane
            # Nothing was asked, so what came is the server's goodbye.
            await trio.aclose_forcefully(lane.stream)
        return None

    async def _opened(self) -> _Lane:
        endpoint = self._endpoint
        with trio.fail_after(CONNECT_TIMEOUT_S):
            return _Lane(await self._net.connect(endpoint.host, endpoint.port, tls=endpoint.tls))


class _Lane:
    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT)

    async def exchange(
        self, head: h11.Request, body: bytes, forbidden: Callable[[], bool] | None
    ) -> tuple[int, bytes]:
        http = self._http
        parts = (head, h11.Data(data=body), h11.EndOfMessage())
        data = b"".join([http.send(part) or b"" for part in parts])
        if forbidden is not None and forbidden():
            raise Withheld
        await self.stream.send_all(data)
        status, received = 0, bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await self.stream.receive_some(_READ_BYTES)))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                received += event.data
                if len(received) > ANSWER_MAX:
                    raise h11.RemoteProtocolError(f"an answer of more than {ANSWER_MAX} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(received)
            elif not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError(f"expected an answer, found {event}")

    def is_reusable(self) -> bool:
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        # What came beyond the answer would be read as the answer of the next request.
        if self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        return True
