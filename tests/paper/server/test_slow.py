"""Clients that do not read, or send without end: dropped in time, with bounded memory."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock

from adapters.paper import http
from adapters.paper.http import OVER_LIMIT, Request, Response, serve_http
from adapters.paper.server import _serve_connection
from adapters.paper.venue import Venue
from adapters.paper.ws import socket as ws
from tests.paper.server.test_bytes import HANDSHAKE, PING, ws_frame
from tests.paper.server.test_garbage import venue

SUBSCRIBE = b'{"id":1,"method":"trades_subscribe","params":["BTC_USDT"]}'


async def connect(nursery: trio.Nursery, target: Venue) -> trio.abc.Stream:
    """Return a connection without any buffer, on which the handshake was read."""
    client, server = trio.testing.lockstep_stream_pair()
    nursery.start_soon(_serve_connection, server, target)
    await client.send_all(HANDSHAKE)
    assert (await client.receive_some(4000)).startswith(b"HTTP/1.1 101 ")
    return client


async def dropped(target: Venue, started: float) -> float:
    """Wait until the venue has forgotten its only connection; return after how long."""
    while target.feeds.sessions:  # noqa: ASYNC110 - there is no sign to wait for
        await trio.sleep(0.1)
    return trio.current_time() - started


async def test_an_answer_that_nobody_reads_ends_the_connection(autojump_clock: MockClock) -> None:
    async def answer(request: Request) -> Response:
        return OVER_LIMIT

    client, server = trio.testing.lockstep_stream_pair()
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, PING)
        assert await serve_http(server, answer) is None
    assert trio.current_time() - started == http.SEND_TIMEOUT_S


async def test_a_push_that_nobody_reads_ends_the_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    target = venue()
    client = await connect(nursery, target)
    started = trio.current_time()
    await client.send_all(ws_frame(1, SUBSCRIBE))
    took = await dropped(target, started)
    assert ws.SEND_TIMEOUT_S <= took < ws.SEND_TIMEOUT_S + 1


async def test_a_flood_of_requests_without_reading_is_not_kept(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    target = venue()
    client = await connect(nursery, target)
    target.feeds.sessions[0].outbox._max_bytes = 50_000
    started = trio.current_time()
    burst = ws_frame(1, SUBSCRIBE) * 500

    async def flood() -> None:
        try:
            while True:
                await client.send_all(burst)
        except trio.BrokenResourceError:
            pass

    nursery.start_soon(flood)
    # Past the outbox's limit, long before the time limit of a send.
    assert await dropped(target, started) < 1


async def test_pings_without_reading_are_not_answered_for_ever(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    target = venue()
    client = await connect(nursery, target)
    started = trio.current_time()
    with trio.move_on_after(target.config.ws_inactivity_s * 2):
        try:
            while True:
                await client.send_all(ws_frame(9, b"x" * 125) * 100)
        except trio.BrokenResourceError:
            pass
    assert await dropped(target, started) <= target.config.ws_inactivity_s + 1


async def test_a_message_that_never_ends_is_no_sign_of_life(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    target = venue()
    client = await connect(nursery, target)
    started = trio.current_time()
    await client.send_all(ws_frame(1, b"{", final=False))
    try:
        while True:
            await client.send_all(ws_frame(0, b" ", final=False))
            await trio.sleep(1)
    except trio.BrokenResourceError:
        pass
    assert await dropped(target, started) <= target.config.ws_inactivity_s + 1
