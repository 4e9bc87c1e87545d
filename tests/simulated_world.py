"""A small world to simulate: an HTTP and a WebSocket server, clients of both, and resets.

Run as a module it prints what one seed gives, so that a test can compare processes.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any, cast

import h11
import httpx
import msgspec
import trio
import trio_websocket

from adapters.simulated import SimClock, SimIds, SimNet, run_deterministic
from adapters.whitebit.http_backend import make_http_client

HOST = "venue.test"
HTTP_PORT = 80
WS_PORT = 81
LIMITS = httpx.Limits(max_connections=4, max_keepalive_connections=4)


class Trace:
    """Everything that happened, each with its virtual time, folded into one hash."""

    def __init__(self) -> None:
        self._clock = SimClock()
        self._hash = hashlib.sha256()
        self.events = 0

    def add(self, *what: object) -> None:
        self.events += 1
        self._hash.update(repr((self._clock.now_ns(), *what)).encode())

    def digest(self) -> str:
        return self._hash.hexdigest()


async def echo_http(stream: trio.abc.Stream) -> None:
    """Answer each request with its own body until the connection ends."""
    connection = h11.Connection(h11.SERVER)
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            try:
                connection.receive_data(bytes(await stream.receive_some(65_536)))
            except trio.BrokenResourceError:
                return
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            head = h11.Response(status_code=200, headers=[("content-length", str(len(body)))])
            parts = (head, h11.Data(data=body), h11.EndOfMessage())
            answer = b"".join(connection.send(part) or b"" for part in parts)
            try:
                await stream.send_all(answer)
            except trio.BrokenResourceError:
                return
            connection.start_next_cycle()
            body = b""
        elif isinstance(event, h11.ConnectionClosed):
            return


async def echo_ws(stream: trio.abc.Stream) -> None:
    """Send each message back until the connection ends."""
    async with trio.open_nursery() as nursery:
        try:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            socket = await request.accept()
            while True:
                await socket.send_message(await socket.get_message())
        except trio_websocket.ConnectionClosed:
            nursery.cancel_scope.cancel()


async def call_http(net: SimNet, trace: Trace, client_id: int, calls: int) -> None:
    """Post `calls` bodies; a broken connection is traced and the next call goes on."""
    ids = SimIds(client_id)
    async with make_http_client(net, limits=LIMITS) as client:
        for number in range(calls):
            body = ids.token(1 + int(ids.uniform() * 400)).encode()
            try:
                response = await client.post(f"http://{HOST}:{HTTP_PORT}/", content=body)
                trace.add("http", client_id, number, response.content == body)
            except httpx.TransportError as error:
                trace.add("http", client_id, number, type(error).__name__)
            await trio.sleep(ids.uniform())


async def chat_ws(net: SimNet, trace: Trace, client_id: int, messages: int) -> None:
    """Send messages and await the echo of each; reconnect after each loss."""
    sent = 0
    while sent < messages:
        stream = cast(Any, await net.connect(HOST, WS_PORT, tls=False))
        async with trio.open_nursery() as nursery:
            try:
                socket = await trio_websocket.wrap_client_stream(nursery, stream, HOST, "/ws")
                while sent < messages:
                    await socket.send_message(f"{client_id}:{sent}")
                    trace.add("ws", client_id, await socket.get_message())
                    sent += 1
                    await trio.sleep(0.5)
                await socket.aclose()
            except (trio_websocket.ConnectionClosed, trio_websocket.HandshakeError):
                trace.add("ws", client_id, "closed")
            nursery.cancel_scope.cancel()


async def break_connections(net: SimNet, trace: Trace) -> None:
    while True:
        await trio.sleep(7)
        trace.add("reset", net.reset_one())


async def live(seed: int, steps: int) -> tuple[str, int, float]:
    """Run the world; returns trace hash, number of traced events, virtual seconds passed."""
    net, trace = SimNet(seed), Trace()
    async with trio.open_nursery() as servers:
        await servers.start(net.serve, echo_http, HOST, HTTP_PORT)
        await servers.start(net.serve, echo_ws, HOST, WS_PORT)
        servers.start_soon(break_connections, net, trace)
        async with trio.open_nursery() as clients:
            for client_id in range(2):
                clients.start_soon(call_http, net, trace, client_id, steps)
                clients.start_soon(chat_ws, net, trace, client_id, steps)
        servers.cancel_scope.cancel()
    return trace.digest(), trace.events, trio.current_time()


if __name__ == "__main__":
    result = run_deterministic(live, int(sys.argv[1]), int(sys.argv[2]), seed=int(sys.argv[1]))
    sys.stdout.write(msgspec.json.encode(result).decode())
