"""A client's WebSocket connection: wsproto on a stream of the Net port, read by one task.

trio-websocket hands each message over to another task, one turn of the event loop a message: under
load a private stream fell seconds behind its socket. Here one read of the socket returns every
message that it completed. The tests let it speak with trio-websocket's server.
"""

from __future__ import annotations

from contextlib import suppress

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from adapters.whitebit.units import clip
from adapters.whitebit.urls import Endpoint

MESSAGE_MAX_BYTES = 4 << 20
"""The largest real frame is a list of 100 open orders, about 60 kB; a subscription to every
market's book ticker would still be below 1 MB. Anything near this is not the venue."""

_RECEIVE_BYTES = 1 << 16
"""Bytes asked of the socket at once: a snapshot of 100 levels a side is about 5 kB."""

_TOO_BIG = 1009


class WebSocketEnded(Exception):
    """The connection is over; the text says why, and holds nothing that we sent."""


class WebSocket:
    """One connection. One task receives, any may send."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._sending = trio.Lock()
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._ended = ""

    async def open(self, endpoint: Endpoint) -> None:
        """Upgrade the stream; raises WebSocketEnded when the server refuses or goes."""
        await self._send(Request(host=endpoint.host_header, target=endpoint.path))
        while True:
            # What follows the answer in the same bytes stays in the protocol for `receive`.
            for event in self._protocol.events():
                if isinstance(event, AcceptConnection):
                    return
                if isinstance(event, RejectConnection):
                    raise WebSocketEnded(f"upgrade refused with HTTP {event.status_code}")
            await self._read()

    async def receive(self) -> list[bytes]:
        """Return the messages that the next bytes complete, in order; at least one.

        Raises:
            WebSocketEnded: the connection is over; what came before was returned.
        """
        messages: list[bytes] = []
        while not self._ended:
            for event in self._protocol.events():
                await self._take(event, messages)
            if messages:
                return messages
            if not self._ended:
                await self._read()
        raise WebSocketEnded(self._ended)

    async def send(self, text: str) -> None:
        """Send one message; raises WebSocketEnded when the connection is over."""
        await self._send(TextMessage(text))

    async def _take(self, event: Event, messages: list[bytes]) -> None:
        if isinstance(event, Message):
            data = event.data
            self._parts.append(data.encode() if isinstance(data, str) else bytes(data))
            self._parts_bytes += len(self._parts[-1])
            if self._parts_bytes > MESSAGE_MAX_BYTES:
                self._ended = f"closed by us: a message of more than {MESSAGE_MAX_BYTES} bytes"
                await self._send(CloseConnection(_TOO_BIG))
            elif event.message_finished:
                messages.append(b"".join(self._parts))
                self._parts, self._parts_bytes = [], 0
        elif isinstance(event, Ping):
            await self._send(event.response())
        elif isinstance(event, CloseConnection):
            text = f": {event.reason}" if event.reason else ""
            self._ended = clip(f"closed with code {int(event.code)}{text}")
            if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                with suppress(trio.BrokenResourceError):
                    await self._send(event.response())

    async def _read(self) -> None:
        try:
            data = bytes(await self._stream.receive_some(_RECEIVE_BYTES))
        except trio.BrokenResourceError:
            data = b""
        try:
            self._protocol.receive_data(data or None)
        except RemoteProtocolError as error:
            # An end in the middle of the upgrade too.
            raise WebSocketEnded("the server speaks no WebSocket") from error

    async def _send(self, event: Event) -> None:
        # The lock keeps frames whole: a pong of the reader may meet a ping of another task.
        async with self._sending:
            try:
                await self._stream.send_all(self._protocol.send(event))
            except LocalProtocolError as error:
                raise WebSocketEnded("the connection is closing") from error
