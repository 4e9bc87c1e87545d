"""The paper venue under load: REST, orders through matching, WebSocket pushes, the core alone.

The venue is a process of its own on one core, over TCP on loopback, without TLS. Rates are given by
the clock and by the venue's processor time: on a busy machine only the second means anything.
"""

from __future__ import annotations

import select
import socket
from time import perf_counter_ns
from typing import Any

from benchmarks.figures import Row, Section, spread_us
from benchmarks.venue_core import measure_core
from benchmarks.venue_process import (
    KEYS,
    VenueProcess,
    get_request,
    load_rate,
    read_answer,
    signed_request,
    venue_process,
    waited_ns,
)
from benchmarks.venue_push import measure_pushes

PING = "/api/v4/public/ping"
ORDER_NEW = "/api/v4/order/new"
STEADY_NS = 2_000_000
"""500 orders a second."""


def measure_rates(requests: int, push_s: float, commands: int) -> Section:
    """Measure how much it does at most.

    Args:
        requests: Trivial requests and orders, each.
        push_s: Seconds of market data.
        commands: To the core alone.

    Raises:
        RuntimeError: the venue refused a request.
    """
    with venue_process("--flow", "none") as venue:
        ping = get_request(PING)
        rows = [_rate("trivial REST", venue, [[ping] * (requests // 8)] * 8)]
        rows.append(_rate("signed order/new", venue, Orders().take(requests // 8)))
    rows.append(measure_pushes(push_s))
    rows.append(measure_core(commands))
    return Section(
        key="venue",
        title="the paper venue on one core, loopback: how much",
        rows=rows,
        notes=[
            "8 connections, one request in flight on each. Half of the orders rest, each of the"
            " others matches one of them; signatures are checked, both accounts get deals.",
            "Messages: depth, bookTicker, trades and lastprice of two markets to 5 subscribers; the"
            " synthetic flow that causes them sets the pace and is part of the venue's time.",
        ],
    )


def measure_steady(orders: int) -> Section:
    """Measure how long an order takes when 500 a second come.

    Raises:
        RuntimeError: the venue refused an order.
    """
    with venue_process("--flow", "none") as venue:
        lanes = Orders().take(orders // 8)
        waited_ns = venue.waited_ns()
        times, worked = _steadily(venue, lanes)
        waited_s = (venue.waited_ns() - waited_ns) / 1e9
    return Section(
        key="venue_steady",
        title="the paper venue on one core, loopback: how soon",
        rows=[
            spread_us("signed order/new at 500/s", times),
            spread_us("  waits for a core left out", worked),
        ],
        notes=[
            "From when an order was due to be sent until its answer was read. Second row: from when"
            " it was sent, less the time in which the venue or this program was ready to run but"
            " others had its core, as the kernel tells.",
            f"The venue waited for its core {waited_s:.2f} s of"
            f" {orders * STEADY_NS / 1e9:.0f}; on a quiet machine the rows are alike.",
        ],
    )


class Orders:
    """Signed limit orders at one price, a sell for each buy, with growing nonces for each key."""

    def __init__(self) -> None:
        self._nonce = 0

    def take(self, count: int) -> list[list[bytes]]:
        """Build `count` for each connection."""
        return [
            [self._order(key, secret, sell=(turn + lane) % 2 == 0) for turn in range(count)]
            for lane, (_, key, secret) in enumerate(KEYS)
        ]

    def _order(self, key: str, secret: str, *, sell: bool) -> bytes:
        self._nonce += 1
        fields: dict[str, Any] = {
            "market": "BTC_USDT",
            "side": "sell" if sell else "buy",
            "amount": "0.001",
            "price": "60000.5",
            "clientOrderId": f"bench-{self._nonce}",
            "nonce": self._nonce,
        }
        return signed_request(ORDER_NEW, key, secret, fields)


def _rate(name: str, venue: VenueProcess, lanes: list[list[bytes]]) -> Row:
    """Keep one request of each lane in flight until all are answered."""
    connections = [venue.connect() for _ in lanes]
    pairs = list(zip(connections, lanes, strict=True))
    cpu_s, start = venue.cpu_s(), perf_counter_ns()
    for connection, lane in pairs:
        connection.sendall(lane[0])
    for turn in range(1, len(lanes[0])):
        for connection, lane in pairs:
            read_answer(connection)
            connection.sendall(lane[turn])
    for connection in connections:
        read_answer(connection)
    spent_ns, spent_cpu_s = perf_counter_ns() - start, venue.cpu_s() - cpu_s
    for connection in connections:
        connection.close()
    count = len(lanes) * len(lanes[0])
    return load_rate(name, count, spent_ns, spent_cpu_s)


def _steadily(venue: VenueProcess, lanes: list[list[bytes]]) -> tuple[list[int], list[int]]:
    """Send one order every 2 ms; return what each took, in ns: from when it was due, and worked."""
    connections = [venue.connect() for _ in lanes]
    queue = [request for turn in zip(*lanes, strict=True) for request in turn]
    times: list[int] = []
    worked: list[int] = []
    # Connection -> when its order was due, when it was sent, the waits for a core until then.
    waiting: dict[socket.socket, tuple[int, int, int]] = {}

    def read(connection: socket.socket) -> None:
        read_answer(connection)
        now, waited = perf_counter_ns(), venue.waited_ns() + waited_ns()
        due, sent, waited_before = waiting.pop(connection)
        times.append(now - due)
        worked.append(max(now - sent - (waited - waited_before), 0))

    start = perf_counter_ns() + STEADY_NS
    for number, request in enumerate(queue):
        due = start + number * STEADY_NS
        while (left := due - perf_counter_ns()) > 0:
            for connection in select.select(list(waiting), (), (), left / 1e9)[0]:
                read(connection)
        lane = connections[number % len(connections)]
        if lane in waiting:
            read(lane)
        waiting[lane] = (due, perf_counter_ns(), venue.waited_ns() + waited_ns())
        lane.sendall(request)
    for connection in list(waiting):
        read(connection)
    for connection in connections:
        connection.close()
    return times, worked
