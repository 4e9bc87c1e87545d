"""WebSocket messages a second to five subscribers of everything public."""

from __future__ import annotations

import json
import select
import socket
from time import perf_counter_ns

from benchmarks.figures import Row
from benchmarks.venue_process import VenueProcess, load_rate, venue_process

SUBSCRIBERS = 5
SPEED = "250"
"""Of the synthetic flow: some thousand events a second."""
MARKETS = ("BTC_USDT", "BTC_PERP")
SUBSCRIBES: tuple[tuple[str, list[object]], ...] = (
    *(("depth_subscribe", [market, 100, "0", True]) for market in MARKETS),
    ("bookTicker_subscribe", [MARKETS[0]]),
    ("bookTicker_subscribe", [MARKETS[1]]),
    ("trades_subscribe", list(MARKETS)),
    ("lastprice_subscribe", list(MARKETS)),
)


class Subscriber:
    """Counts the frames of one connection and looks no further."""

    def __init__(self, venue: VenueProcess) -> None:
        self.socket = venue.connect()
        self.frames = 0
        self._rest = b""
        self._handshake()
        for number, (method, params) in enumerate(SUBSCRIBES):
            self._send({"id": number, "method": method, "params": params})

    def _handshake(self) -> None:
        self.socket.sendall(
            b"GET /ws HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.socket.recv(4096)
            if not part:
                raise RuntimeError("the venue closed the connection before its upgrade")
            data += part
        self._rest = data.partition(b"\r\n\r\n")[2]

    def _send(self, message: dict[str, object]) -> None:
        payload = json.dumps(message).encode()
        assert len(payload) < 126
        # A mask of zeros leaves the payload as it is.
        self.socket.sendall(bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    def read(self) -> None:
        """Count what has arrived.

        Raises:
            RuntimeError: the venue closed the connection.
        """
        part = self.socket.recv(1 << 20)
        if not part:
            raise RuntimeError("the venue dropped a subscriber")
        data = self._rest + part
        at, end = 0, len(data)
        while at + 2 <= end:
            size, head = data[at + 1], 2
            if size == 126:
                head, size = 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif size == 127:
                head, size = 10, int.from_bytes(data[at + 2 : at + 10], "big")
            if at + head + size > end:
                break
            at += head + size
            self.frames += 1
        self._rest = data[at:]


def measure_pushes(seconds: float, speed: str = SPEED) -> Row:
    """Let the synthetic flow run and count what five subscribers get of it."""
    with venue_process("--flow", "synthetic", "--speed", speed) as venue:
        subscribers = [Subscriber(venue) for _ in range(SUBSCRIBERS)]
        _read_for(subscribers, 0.5)
        before, cpu_s, start = _frames(subscribers), venue.cpu_s(), perf_counter_ns()
        _read_for(subscribers, seconds)
        spent_ns, spent_cpu_s = perf_counter_ns() - start, venue.cpu_s() - cpu_s
        count = _frames(subscribers) - before
        for one in subscribers:
            one.socket.close()
    return load_rate("messages to 5 subscribers", count, spent_ns, spent_cpu_s)


def _frames(subscribers: list[Subscriber]) -> int:
    return sum(one.frames for one in subscribers)


def _read_for(subscribers: list[Subscriber], seconds: float) -> None:
    of: dict[socket.socket, Subscriber] = {one.socket: one for one in subscribers}
    end = perf_counter_ns() + round(seconds * 1e9)
    while (left := end - perf_counter_ns()) > 0:
        for ready in select.select(list(of), (), (), left / 1e9)[0]:
            of[ready].read()
