"""One WebSocket connection: open, authorise, subscribe, hand over frames; decides nothing.

Reconnecting, pings and deadlines are the engine's, through intents. Every end of a connection is
one reason in words. Contract 11.1, 11.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
import trio
import trio_websocket
from wsproto.utilities import LocalProtocolError

from adapters.ports import Net
from adapters.whitebit import frames
from adapters.whitebit.signing import Secret
from adapters.whitebit.units import clip
from adapters.whitebit.urls import parse_url
from adapters.whitebit.wire import Reply

_OPEN_DEADLINE_S = 10.0
"""For connecting with TLS and the upgrade: ten times a slow round trip around the world."""

_QUEUE_MAX = 1024
"""Messages between the protocol and our reader: ten markets' depth at 10 Hz for ten seconds. Our
reader only hands over, so this fills only while the whole loop stands still; then the socket's
own buffers take over and the venue waits."""

_MESSAGE_MAX_BYTES = 4 << 20
"""The largest real frame is a list of 100 open orders, about 60 kB; a subscription to every
market's book ticker would still be below 1 MB. Anything near this is not the venue."""

_RECEIVE_BYTES = 1 << 16
"""Bytes asked of the socket at once: a snapshot of 100 levels a side is about 5 kB."""


_NETWORK_ERRORS = (
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,
    LocalProtocolError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class StreamClient:
    """A connection of one stream; used once, a reconnect is a new object."""

    def __init__(
        self,
        net: Net,
        ws_url: str,
        stream: str,
        subscriptions: tuple[bytes, ...],
        token: Secret | None,
        on_open: Callable[[], None],
        on_frame: Callable[[bytes], None],
    ) -> None:
        """Prepare; nothing happens before `run`.

        Args:
            net: Where the connection is opened.
            ws_url: A ws:// or wss:// URL.
            stream: `private` or the name of a market.
            subscriptions: Frames to send once open and, with a token, authorised.
            token: For the private stream; None leaves authorising out.
            on_open: Called once the WebSocket is open, before any frame.
            on_frame: Called with each frame received; must stamp and hand over, no more.
        """
        self._net = net
        self._endpoint = parse_url(ws_url, "ws", "wss")
        self.stream = stream
        self._subscriptions = subscriptions
        self._token = token
        self._on_open = on_open
        self._on_frame = on_frame
        self._scope = trio.CancelScope()
        self._connection: trio_websocket.WebSocketConnection | None = None

    async def run(self) -> str:
        """Run the connection until it ends; returns why, and never raises for the network."""
        reason = "closed by us"
        with self._scope:
            try:
                reason = await self._converse()
            except* _NETWORK_ERRORS as group:
                reason = _reason(group)
        self._connection = None
        return reason

    async def send(self, frame: bytes) -> bool:
        """Send one frame; False when the connection is not open, whose end `run` reports."""
        if self._connection is None:
            return False
        try:
            await self._connection.send_message(frame.decode())
        except (trio_websocket.ConnectionClosed, LocalProtocolError):
            # The second comes when a close frame has been read but not handled yet.
            return False
        return True

    def close(self) -> None:
        """Cut the connection; `run` then returns. Nothing is lost: every frame sent was sent."""
        self._scope.cancel()

    async def _converse(self) -> str:
        stream: trio.abc.Stream | None = None
        try:
            with trio.move_on_after(_OPEN_DEADLINE_S):
                stream = await self._connect()
            if stream is None:
                return f"no connection within {_OPEN_DEADLINE_S:g} s"
            async with trio.open_nursery() as nursery:
                reason = await self._talk(nursery, stream)
                nursery.cancel_scope.cancel()
            return reason
        finally:
            self._connection = None
            if stream is not None:
                await trio.aclose_forcefully(stream)

    async def _connect(self) -> trio.abc.Stream:
        endpoint = self._endpoint
        stream = await self._net.connect(endpoint.host, endpoint.port, tls=endpoint.tls)
        if isinstance(stream, trio.SSLStream):
            # Done here, since trio-websocket would wait for ever after a failed handshake.
            try:
                await stream.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
        return stream

    async def _talk(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> str:
        # Returns only when there is a reason to end; a closed connection raises.
        connection: trio_websocket.WebSocketConnection | None = None
        with trio.move_on_after(_OPEN_DEADLINE_S):
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                cast(trio.SocketStream, stream),
                self._endpoint.host_header,
                self._endpoint.path,
                message_queue_size=_QUEUE_MAX,
                max_message_size=_MESSAGE_MAX_BYTES,
                receive_buffer_size=_RECEIVE_BYTES,
            )
        if connection is None:
            return f"no WebSocket within {_OPEN_DEADLINE_S:g} s"
        self._connection = connection
        self._on_open()
        if self._token is not None:
            refusal: str | None = f"authorize unanswered for {_OPEN_DEADLINE_S:g} s"
            with trio.move_on_after(_OPEN_DEADLINE_S):
                refusal = await self._authorize(connection, self._token)
            if refusal is not None:
                return refusal
        for frame in self._subscriptions:
            await connection.send_message(frame.decode())
        while True:
            await self._hand_over(connection)

    async def _authorize(
        self, connection: trio_websocket.WebSocketConnection, token: Secret
    ) -> str | None:
        # Private channels are refused before it (code 6), so its answer is waited for.
        await connection.send_message(frames.authorize_frame(token.reveal()).decode())
        while True:
            try:
                reply = msgspec.json.decode(await self._hand_over(connection), type=Reply)
            except (ValueError, RecursionError):
                continue
            if reply.id == frames.AUTHORIZE_ID:
                if reply.error is None:
                    return None
                return clip(f"authorize refused: {reply.error.code} {reply.error.message}")

    async def _hand_over(self, connection: trio_websocket.WebSocketConnection) -> bytes:
        message = await connection.get_message()
        data = message.encode() if isinstance(message, str) else message
        self._on_frame(data)
        return data


def _reason(group: BaseExceptionGroup[BaseException]) -> str:
    # One reason, of the first error; only texts that can hold nothing that we sent.
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, trio_websocket.ConnectionRejected):
        return f"upgrade refused with HTTP {error.status_code}"
    if isinstance(error, trio_websocket.ConnectionClosed):
        close = error.reason
        code = f"code {close.code}" if close is not None else "no code"
        text = f": {close.reason}" if close is not None and close.reason else ""
        return clip(f"closed with {code}{text}")
    if isinstance(error, OSError):
        return clip(f"{type(error).__name__}: {error}")
    cause = error.__cause__
    if isinstance(cause, OSError):
        # What TLS or the socket said, a bad certificate for example.
        return clip(f"connection lost: {type(cause).__name__}: {cause}")
    return f"connection lost: {type(error).__name__}"
