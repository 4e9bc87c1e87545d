"""An in-memory network: streams with latency, chunking and resets, all drawn from one seed."""

from __future__ import annotations

import errno
import random
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from adapters.ports import Handler

_LATENCY_MIN_S = 0.0005
_LATENCY_MEAN_S = 0.002  # of the part above the minimum, exponentially distributed
_CHUNKED_SHARE = 0.1  # of reads, that return only a part of what is there
_RECEIVE_MAX = 65_536  # as much as one read of a kernel socket usually gives
_WINDOW_BYTES = 4 << 20  # sent and not yet read; a kernel's socket buffers grow to about this
_FIRST_FREE_PORT = 49_152


class _Pipe:
    """One direction of a connection, in order: bytes on their way, then bytes to be read."""

    def __init__(self) -> None:
        self.in_flight: deque[tuple[float, bytes]] = deque()  # arrival in seconds, bytes
        self.arrived = bytearray()
        self.unread = 0
        self.eof = False
        self.reset = False
        self._changed = trio.Event()

    def take_arrivals(self) -> None:
        now = trio.current_time()
        while self.in_flight and self.in_flight[0][0] <= now:
            self.arrived += self.in_flight.popleft()[1]

    def notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_change(self) -> None:
        await self._changed.wait()


class SimStream(trio.abc.HalfCloseableStream):
    """One end of a simulated connection."""

    def __init__(self, net: SimNet, sends: _Pipe, receives: _Pipe) -> None:
        self._net = net
        self._sends = sends
        self._receives = receives
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        pipe = self._sends
        self._check_sendable()
        while pipe.unread >= _WINDOW_BYTES:
            await pipe.wait_change()
            self._check_sendable()
        if not data:
            return
        arrival = trio.current_time() + self._net.latency()
        if pipe.in_flight:
            arrival = max(arrival, pipe.in_flight[-1][0])  # a stream keeps its order
        pipe.in_flight.append((arrival, bytes(data)))
        pipe.unread += len(data)
        pipe.notify()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check_sendable()
        while self._sends.unread >= _WINDOW_BYTES:
            await self._sends.wait_change()
            self._check_sendable()

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        self._sends.eof = True
        self._sends.notify()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        pipe = self._receives
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if pipe.reset:
                raise trio.BrokenResourceError("connection reset by peer")
            pipe.take_arrivals()
            if pipe.arrived:
                return self._take(min(len(pipe.arrived), max_bytes or _RECEIVE_MAX))
            if pipe.in_flight:
                with trio.move_on_at(pipe.in_flight[0][0]):
                    await pipe.wait_change()
            elif pipe.eof:
                return b""
            else:
                await pipe.wait_change()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once; the peer reads what was sent and then the end, and its sends fail."""
        if not self._closed:
            self._closed = True
            self._sends.eof = True
            self._receives.reset = True
            self._sends.notify()
            self._receives.notify()

    def reset(self) -> None:
        """Break both directions; bytes on their way are lost."""
        for pipe in (self._sends, self._receives):
            pipe.reset = True
            pipe.notify()

    @property
    def is_open(self) -> bool:
        return not (self._closed or self._sends.reset or self._receives.reset)

    def is_readable(self) -> bool:
        """Say whether a read would return at once, as the end of the stream also makes it."""
        pipe = self._receives
        pipe.take_arrivals()
        return bool(pipe.arrived or pipe.reset or (pipe.eof and not pipe.in_flight))

    def _take(self, size: int) -> bytes:
        pipe = self._receives
        size = self._net.chunk(size)
        data = bytes(pipe.arrived[:size])
        del pipe.arrived[:size]
        pipe.unread -= size
        pipe.notify()
        return data

    def _check_sendable(self) -> None:
        if self._closed or self._sends.eof:
            raise trio.ClosedResourceError
        if self._sends.reset:
            raise trio.BrokenResourceError("connection reset by peer")


class SimNet:
    """All hosts of a simulated network; a listener is known by its host and port alone."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._listeners: dict[tuple[str, int], Callable[[SimStream], None]] = {}
        self._clients: list[SimStream] = []
        self._free_port = _FIRST_FREE_PORT

    async def connect(self, host: str, port: int, *, tls: bool) -> SimStream:
        """Open a stream; nobody listens in on a simulated wire, so `tls` changes nothing."""
        await trio.sleep(self.latency())
        accept = self._listeners.get((host, port))
        if accept is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused", f"{host}:{port}")
        there, back = _Pipe(), _Pipe()
        client = SimStream(self, there, back)
        self._clients = [stream for stream in self._clients if stream.is_open]
        self._clients.append(client)
        accept(SimStream(self, back, there))
        return client

    async def serve(
        self,
        handler: Handler,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept streams for ever; port 0 takes a free one."""
        if port == 0:
            port, self._free_port = self._free_port, self._free_port + 1
        await self._serve(handler, (host, port), lambda: task_status.started(port))

    async def _serve(
        self, handler: Handler, key: tuple[str, int], started: Callable[[], None]
    ) -> None:
        if key in self._listeners:
            raise OSError(errno.EADDRINUSE, "address in use", f"{key[0]}:{key[1]}")
        async with trio.open_nursery() as nursery:
            self._listeners[key] = lambda stream: nursery.start_soon(_handle, handler, stream)
            try:
                started()
                await trio.sleep_forever()
            finally:
                del self._listeners[key]

    async def connect_local(self, path: Path) -> SimStream:
        return await self.connect(str(path), 0, tls=False)

    async def serve_local(
        self,
        handler: Handler,
        path: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        await self._serve(handler, (str(path), 0), lambda: task_status.started())

    def reset_all(self) -> int:
        """Break every open connection; returns how many there were."""
        clients = [stream for stream in self._clients if stream.is_open]
        for stream in clients:
            stream.reset()
        return len(clients)

    def reset_one(self) -> bool:
        """Break an open connection, drawn at random; returns whether there was one."""
        clients = [stream for stream in self._clients if stream.is_open]
        if clients:
            self._rng.choice(clients).reset()
        return bool(clients)

    def latency(self) -> float:
        """Draw the seconds that the next bytes take to arrive."""
        return _LATENCY_MIN_S + self._rng.expovariate(1 / _LATENCY_MEAN_S)

    def chunk(self, size: int) -> int:
        """Draw how many of `size` waiting bytes the next read returns."""
        return self._rng.randint(1, size) if self._rng.random() < _CHUNKED_SHARE else size


async def _handle(handler: Callable[[SimStream], Awaitable[None]], stream: SimStream) -> None:
    # As trio.serve_listeners does: whatever the handler leaves behind is closed.
    try:
        await handler(stream)
    finally:
        stream.close()
