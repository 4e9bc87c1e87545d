"""WebSocket connections: the envelope, its limits, and one reader and one writer task each."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import trio
from trio_websocket import ConnectionClosed, wrap_server_stream
from wsproto.utilities import ProtocolError

from adapters.paper.http import ReplayStream, Upgrade
from adapters.paper.venue import Venue
from adapters.paper.wire import decode, encode
from adapters.paper.ws import market as ws_market
from adapters.paper.ws import private as ws_private
from adapters.paper.ws import public as ws_public
from adapters.paper.ws.methods import (
    INVALID_ARGUMENT,
    METHOD_NOT_FOUND,
    TOO_MANY_REQUESTS,
    Answer,
    Method,
    WsError,
    error_reply,
)
from adapters.paper.ws.outbox import frame
from adapters.paper.ws.session import Session

METHODS: dict[str, Method] = {**ws_public.METHODS, **ws_market.METHODS, **ws_private.METHODS}
# A subscribe names markets and little else; far above any real request.
MESSAGE_MAX = 64 * 1024
# Messages the library reads ahead; the requests per minute bound it much lower.
QUEUE_MAX = 64
HANDSHAKE_TIMEOUT_S = 10
# A client that takes no bytes for so long is cut off; its outbox limit usually comes first.
SEND_TIMEOUT_S = 30


def receive(venue: Venue, session: Session, message: str | bytes) -> bool:
    """Handle one client message; False when the connection must end, as on invalid JSON (9.1)."""
    try:
        request = decode(message)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    request_id = request.get("id") if isinstance(request, dict) else None
    if not isinstance(request_id, int) or isinstance(request_id, bool):
        request_id = None
    try:
        if not session.requests.allow(venue.clock.steady_ns()):
            raise WsError(TOO_MANY_REQUESTS)
        answer = _call(venue, session, request, request_id)
    except WsError as error:
        reply = error_reply(request_id, error.code, error.message)
        session.outbox.push(frame(encode(reply)))
        return True
    reply = {"id": request_id, "result": answer.result, "error": None}
    session.outbox.push(frame(encode(reply)))
    for framed in answer.pushes:
        session.outbox.push(framed)
    return True


def _call(venue: Venue, session: Session, request: Any, request_id: int | None) -> Answer:
    if not isinstance(request, dict) or request_id is None:
        raise WsError(INVALID_ARGUMENT)
    name, params = request.get("method"), request.get("params", [])
    method = METHODS.get(name) if isinstance(name, str) else None
    if method is None:
        raise WsError(METHOD_NOT_FOUND)
    if not isinstance(params, list):
        raise WsError(INVALID_ARGUMENT)
    return method(venue, session, params)


async def serve_websocket(stream: trio.abc.Stream, upgrade: Upgrade, venue: Venue) -> None:
    """Serve one connection until it ends; the caller closes the stream, without a close frame."""
    replay = ReplayStream(stream, upgrade.received)
    session = Session(venue.config.ws_requests_per_minute)
    session.socket = replay
    if venue.faults is not None:
        venue.faults.tap(session)
    venue.feeds.sessions.append(session)
    try:
        async with trio.open_nursery() as nursery:
            session.outbox.on_close = nursery.cancel_scope.cancel
            nursery.start_soon(_write, replay, session, nursery.cancel_scope)
            await _read(nursery, replay, session, venue)
            nursery.cancel_scope.cancel()
    except* (ConnectionClosed, ProtocolError):
        pass  # The client left while the library's own task was answering it.
    finally:
        session.outbox.close()
        venue.feeds.sessions.remove(session)


async def _read(
    nursery: trio.Nursery, stream: ReplayStream, session: Session, venue: Venue
) -> None:
    with trio.move_on_after(HANDSHAKE_TIMEOUT_S) as handshake:
        request = await wrap_server_stream(
            nursery, stream, message_queue_size=QUEUE_MAX, max_message_size=MESSAGE_MAX
        )
        connection = await request.accept()
    if handshake.cancelled_caught:
        return
    while True:
        # Pushes do not keep a connection open, only what the client says (11.1).
        with trio.move_on_after(venue.config.ws_inactivity_s) as silence:
            message = await connection.get_message()
        if silence.cancelled_caught or not receive(venue, session, message):
            return


async def _write(stream: ReplayStream, session: Session, scope: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
        while data := await session.outbox.take():
            with trio.fail_after(SEND_TIMEOUT_S):
                await stream.send_all(data)
    # The outbox overflowed, was closed, or the client is gone: the connection ends.
    scope.cancel()
