"""A started venue and small clients for it, over real sockets or streams in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from decimal import Decimal
from typing import Any

import h11
import trio
import trio.testing
from trio_websocket import WebSocketConnection, wrap_client_stream

from adapters.paper.admin.server import respond
from adapters.paper.config import VenueConfig
from adapters.paper.flow.source import MakeFlow
from adapters.paper.http import Request
from adapters.paper.server import VenueHandle, serve_venue
from adapters.ports import Clock, Handler, Net, SystemNet

HOST = "127.0.0.1"
START_NS = 1_790_000_000_000_000_000


class TrioClock:
    """Time of trio's clock, so an autojump clock drives the venue too."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self._start_ns = start_ns
        self._start = trio.current_time()

    def now_ns(self) -> int:
        return self._start_ns + round((trio.current_time() - self._start) * 1e9)


class CountingIds:
    """Randomness that is none: numbered tokens."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def token(self, size: int) -> str:
        return f"{next(self._numbers):0{2 * size}x}"

    def uniform(self) -> float:
        return 0.5


class MemoryNet:
    """Listeners and streams without sockets."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._handlers: dict[int, Handler] = {}

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        client, server = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self._handlers[port], server)
        return client

    async def serve(
        self,
        handler: Handler,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        bound = port or 1 + len(self._handlers)
        self._handlers[bound] = handler
        task_status.started(bound)
        await trio.sleep_forever()


class Ws:
    """One WebSocket client that sorts answers from pushes."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.pushes: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(
            await self.connection.get_message(), parse_float=Decimal
        )
        if message["id"] is None and "method" in message:
            self.pushes.append(message)
        return message

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        number = next(self._ids)
        request = {"id": number, "method": method, "params": list(params)}
        await self.connection.send_message(json.dumps(request))
        while True:
            message = await self.receive()
            if message["id"] == number:
                return message

    async def call(self, method: str, *params: Any) -> Any:
        answer = await self.ask(method, *params)
        assert answer["error"] is None, answer
        return answer["result"]

    async def push(self, *methods: str) -> Any:
        """Params of the next push of one of these methods; others stay for later."""
        while True:
            for index, message in enumerate(self.pushes):
                if message["method"] in methods:
                    del self.pushes[index]
                    return message["params"]
            await self.receive()

    async def sequence(self, count: int) -> list[tuple[str, Any]]:
        """The next `count` pushes in order, as (method, params)."""
        while len(self.pushes) < count:
            await self.receive()
        taken, self.pushes = self.pushes[:count], self.pushes[count:]
        return [(message["method"], message["params"]) for message in taken]


class Client:
    """REST and WebSocket access to one venue with the key of one account."""

    def __init__(
        self, nursery: trio.Nursery, net: Net, port: int, clock: Clock, key: str, secret: str
    ) -> None:
        self._nursery = nursery
        self._net = net
        self._port = port
        self._clock = clock
        self._key = key
        self._secret = secret
        self._nonce = 0

    def sign(self, path: str, body: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        self._nonce = max(self._nonce + 1, self._clock.now_ns() // 1_000_000)
        signed = {**body, "request": path, "nonce": self._nonce, "nonceWindow": True}
        raw = json.dumps(signed, separators=(",", ":")).encode()
        payload = base64.b64encode(raw).decode()
        signature = hmac.new(self._secret.encode(), payload.encode(), hashlib.sha512)
        headers = {
            "x-txc-apikey": self._key,
            "x-txc-payload": payload,
            "x-txc-signature": signature.hexdigest(),
        }
        return headers, raw

    async def post(self, name: str, **body: Any) -> tuple[int, Any]:
        path = f"/api/v4/{name}"
        headers, raw = self.sign(path, body)
        return await self.http("POST", path, headers, raw)

    async def ok(self, name: str, **body: Any) -> Any:
        status, answer = await self.post(name, **body)
        assert status == 200, answer
        return answer

    async def get(self, name: str) -> tuple[int, Any]:
        return await self.http("GET", f"/api/v4/public/{name}", {}, b"")

    async def http(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        stream = await self._net.connect(HOST, self._port, tls=False)
        async with stream:
            connection = h11.Connection(h11.CLIENT)
            head = [("host", HOST), ("content-length", str(len(body))), *headers.items()]
            request = h11.Request(method=method, target=target, headers=head)
            sent = connection.send(request) or b""
            if body:
                sent += connection.send(h11.Data(data=body)) or b""
            await stream.send_all(sent + (connection.send(h11.EndOfMessage()) or b""))
            status, received = await _response(connection, stream)
        try:
            return status, json.loads(received, parse_float=Decimal)
        except ValueError:
            return status, received

    async def open_ws(self, *, authorize: bool = False) -> Ws:
        stream = await self._net.connect(HOST, self._port, tls=False)
        self._nursery.start_soon(_close_at_the_end, stream)
        # The library works on any stream; only its annotation names sockets.
        connection = await wrap_client_stream(
            self._nursery,
            stream,  # type: ignore[arg-type]
            HOST,
            "/ws",
        )
        ws = Ws(connection)
        if authorize:
            token = (await self.ok("profile/websocket_token"))["websocket_token"]
            assert await ws.call("authorize", token, "public") == {"status": "success"}
        return ws

    async def limit(
        self, side: str, price: str, amount: str = "0.01", market: str = "BTC_USDT", **more: Any
    ) -> dict[str, Any]:
        order: dict[str, Any] = await self.ok(
            "order/new", market=market, side=side, price=price, amount=amount, **more
        )
        return order


async def _close_at_the_end(stream: trio.abc.Stream) -> None:
    try:
        await trio.sleep_forever()
    finally:
        await trio.aclose_forcefully(stream)


async def _response(connection: h11.Connection, stream: trio.abc.Stream) -> tuple[int, bytes]:
    status, body = 0, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(65536)))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        else:
            return status, body


class Bench:
    """A venue that runs for one test, and its two demo accounts as clients."""

    def __init__(self, nursery: trio.Nursery, net: Net, handle: VenueHandle) -> None:
        # Clients have a clock of their own, which does not follow when the venue's is stepped.
        self.clock = TrioClock(handle.venue.clock.now_ns())
        self.nursery = nursery
        self.net = net
        self.handle = handle
        self.clients = [self.client(account.key, account.secret) for account in handle.accounts]
        self.alice, self.bob = self.clients[:2]

    def client(self, key: str, secret: str) -> Client:
        return Client(self.nursery, self.net, self.handle.port, self.clock, key, secret)

    def admin(self, method: str, path: str, token: str = "t", /, **body: Any) -> tuple[int, Any]:
        """Ask the admin port, without a socket; the members of the body are named."""
        headers = {"authorization": f"Bearer {token}"}
        raw = json.dumps(body).encode() if body else b""
        answer = respond(self.handle, "t", Request(method, path, "", headers, raw))
        return answer.status, json.loads(answer.body) if answer.body else None


async def bench(
    nursery: trio.Nursery,
    config: VenueConfig | None = None,
    *,
    real: bool = False,
    make_flow: MakeFlow | None = None,
) -> Bench:
    """Start a venue: without a flow, so only the test trades; in memory unless `real`."""
    net: Net = SystemNet() if real else MemoryNet(nursery)

    async def run(*, task_status: trio.TaskStatus[VenueHandle]) -> None:
        await serve_venue(
            config or VenueConfig(),
            clock=TrioClock(),
            ids=CountingIds(),
            net=net,
            make_flow=make_flow,
            task_status=task_status,
        )

    return Bench(nursery, net, await nursery.start(run))
