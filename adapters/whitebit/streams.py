"""One WebSocket connection: open, authorise, subscribe, hand over frames; decides nothing.

Reconnecting, pings and deadlines are the engine's, through intents. Every end of a connection is
one reason in words. Contract 11.1, 11.2.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from adapters.ports import Net
from adapters.whitebit import frames
from adapters.whitebit.signing import Secret
from adapters.whitebit.units import clip
from adapters.whitebit.urls import parse_url
from adapters.whitebit.websocket import WebSocket, WebSocketEnded
from adapters.whitebit.wire import Reply

_OPEN_DEADLINE_S = 10.0
"""For connecting with TLS and the upgrade: ten times a slow round trip around the world."""

_NETWORK_ERRORS = (
    WebSocketEnded,
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
        self._connection: WebSocket | None = None

    async def run(self) -> str:
        """Run the connection until it ends; returns why, and never raises for the network."""
        reason = "closed by us"
        with self._scope:
            try:
                reason = await self._converse()
            except _NETWORK_ERRORS as error:
                reason = _reason(error)
        self._connection = None
        return reason

    async def send(self, frame: bytes) -> bool:
        """Send one frame; False when the connection is not open, whose end `run` reports."""
        if self._connection is None:
            return False
        try:
            await self._connection.send(frame.decode())
        except _NETWORK_ERRORS:
            return False
        return True

    def close(self) -> None:
        """Cut the connection; `run` then returns. Nothing is lost: every frame sent was sent."""
        self._scope.cancel()

    async def _converse(self) -> str:
        endpoint = self._endpoint
        stream: trio.abc.Stream | None = None
        try:
            with trio.move_on_after(_OPEN_DEADLINE_S):
                stream = await self._net.connect(endpoint.host, endpoint.port, tls=endpoint.tls)
            if stream is None:
                return f"no connection within {_OPEN_DEADLINE_S:g} s"
            return await self._talk(stream)
        finally:
            self._connection = None
            if stream is not None:
                await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.abc.Stream) -> str:
        # Returns only when there is a reason to end; a closed connection raises.
        connection = WebSocket(stream)
        with trio.move_on_after(_OPEN_DEADLINE_S) as scope:
            await connection.open(self._endpoint)
        if scope.cancelled_caught:
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
            await connection.send(frame.decode())
        while True:
            await self._hand_over(connection)

    async def _authorize(self, connection: WebSocket, token: Secret) -> str | None:
        # Private channels are refused before it (code 6), so its answer is waited for.
        await connection.send(frames.authorize_frame(token.reveal()).decode())
        while True:
            for message in await self._hand_over(connection):
                try:
                    reply = msgspec.json.decode(message, type=Reply)
                except (ValueError, RecursionError):
                    continue
                if reply.id == frames.AUTHORIZE_ID:
                    if reply.error is None:
                        return None
                    return clip(f"authorize refused: {reply.error.code} {reply.error.message}")

    async def _hand_over(self, connection: WebSocket) -> list[bytes]:
        messages = await connection.receive()
        for message in messages:
            self._on_frame(message)
        return messages


def _reason(error: Exception) -> str:
    # Only texts that can hold nothing that we sent.
    if isinstance(error, WebSocketEnded):
        return str(error)
    if isinstance(error, OSError):
        return clip(f"{type(error).__name__}: {error}")
    cause = error.__cause__
    if isinstance(cause, OSError):
        # What TLS or the socket said, a bad certificate for example.
        return clip(f"connection lost: {type(cause).__name__}: {cause}")
    return f"connection lost: {type(error).__name__}"
