"""Faults of pushes and of WebSocket connections, as a client sees them."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed

from tests.paper.faults.test_rest import fault, log
from tests.paper.venue_client import HOST, Bench, Ws, bench
from tests.paper.ws.test_connection import closed

PENDING, EXECUTED = "ordersPending_update", "ordersExecuted_update"


async def subscribed(run: Bench) -> Ws:
    ws = await run.alice.open_ws(authorize=True)
    await ws.call("ordersPending_subscribe")
    await ws.call("ordersExecuted_subscribe", [], 0)
    return ws


async def quiet(ws: Ws, seconds: float) -> bool:
    """Whether nothing at all comes for a while."""
    with trio.move_on_after(seconds) as silence:
        await ws.receive()
    return silence.cancelled_caught


async def order_ids(ws: Ws, count: int) -> list[Any]:
    return [params[1]["id"] for _, params in await ws.sequence(count)]


async def test_a_push_is_dropped_and_the_next_one_comes(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="drop", channel="ordersPending", market="BTC_USDT", nth=2)
    ids = [(await run.alice.limit("buy", "60000"))["orderId"] for _ in range(3)]
    assert await order_ids(ws, 2) == [ids[0], ids[2]]
    assert log(run) == [("drop", "push ordersPending BTC_USDT to demo-1")]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (2, "internal error"),
        (3, "service unavailable"),
        (5, "service timeout"),
        (7, "too many requests"),
    ],
)
async def test_an_answer_is_an_error_of_the_server(
    nursery: trio.Nursery, autojump_clock: MockClock, code: int, message: str
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    fault(run, kind="answer", channel="answer", status=code, times=1)
    answer = await ws.ask("ping")
    assert answer == {"id": 1, "result": None, "error": {"code": code, "message": message}}
    assert await ws.call("ping") == "pong"


async def test_a_push_comes_twice(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="duplicate", channel="private", times=1)
    ids = [(await run.alice.limit("buy", "60000"))["orderId"] for _ in range(2)]
    assert await order_ids(ws, 3) == [ids[0], *ids]


async def test_a_delayed_push_is_overtaken(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="delay", channel="ordersPending", seconds=0.25, nth=1)
    started = trio.current_time()
    ids = [(await run.alice.limit("buy", "60000"))["orderId"] for _ in range(2)]
    assert await order_ids(ws, 1) == [ids[1]]
    assert trio.current_time() == started
    assert await order_ids(ws, 1) == [ids[0]]
    assert trio.current_time() == pytest.approx(started + 0.25)


async def test_private_events_change_places(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    order = await run.alice.limit("buy", "60000")
    await ws.sequence(1)
    fault(run, kind="reorder", channel="private", times=1)
    await run.alice.ok("order/cancel", market="BTC_USDT", orderId=order["orderId"])
    assert [method for method, _ in await ws.sequence(2)] == [EXECUTED, PENDING]


async def test_a_reordered_push_that_none_overtakes_comes_late(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="reorder", channel="private", nth=1, seconds=0.5)
    started = trio.current_time()
    await run.alice.limit("buy", "60000")
    await ws.sequence(1)
    assert trio.current_time() == pytest.approx(started + 0.5)


async def test_a_skipped_delta_breaks_the_chain_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    fault(run, kind="skip_delta", market="BTC_USDT", nth=2)
    await ws.call("depth_subscribe", "BTC_USDT", 20, "0", True)
    full, data, _ = await ws.push("depth_update")
    last, gaps = data["update_id"], 0
    assert full is True
    for _ in range(4):
        await run.alice.limit("buy", "60000")
        await trio.sleep(0.2)
    for _ in range(3):
        full, data, _ = await ws.push("depth_update")
        assert full is False
        gaps += data["past_update_id"] != last
        last = data["update_id"]
    assert gaps == 1


async def test_an_answer_may_be_lost_too(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    run = await bench(nursery)
    ws = await run.alice.open_ws()
    fault(run, kind="drop", channel="answer", times=1)
    with trio.move_on_after(5) as patience:
        await ws.call("ping")
    assert patience.cancelled_caught
    assert await ws.call("ping") == "pong"


async def test_a_socket_is_closed_under_a_push(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws, other = await subscribed(run), await subscribed(run)
    fault(run, kind="close", channel="*", times=1)
    await run.alice.limit("buy", "60000")
    await closed(ws)
    assert len(await order_ids(other, 1)) == 1


async def test_a_stalled_socket_neither_speaks_nor_listens_for_a_while(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="stall", channel="ordersPending", seconds=8, nth=1)
    started = trio.current_time()
    ids = [(await run.alice.limit("buy", "60000"))["orderId"] for _ in range(2)]
    assert await quiet(ws, 7.9)
    assert await ws.call("ping") == "pong"
    assert trio.current_time() == pytest.approx(started + 8)
    assert await order_ids(ws, 2) == ids


async def test_a_half_open_socket_is_silent_until_the_venue_forgets_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="half_open", channel="ordersPending")
    started = trio.current_time()
    await run.alice.limit("buy", "60000")
    # Not even a ping of the protocol is answered.
    with pytest.raises((trio.TooSlowError, ConnectionClosed)), trio.fail_after(50):
        await ws.connection.ping()
    assert ws.pushes == []
    assert run.handle.cut_sockets() == 1
    await closed(ws)
    assert trio.current_time() - started <= 60


async def test_clearing_the_faults_sends_what_was_held_back(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    ws = await subscribed(run)
    fault(run, kind="delay", channel="private", seconds=60)
    await run.alice.limit("buy", "60000")
    assert await quiet(ws, 1)
    assert run.admin("DELETE", "/faults")[1]["done"] == 1
    started = trio.current_time()
    await ws.sequence(1)
    assert trio.current_time() == started
    assert run.admin("GET", "/faults") == (200, {"rules": [], "done": 0, "log": []})


async def test_a_connection_opened_under_a_plan_has_its_faults(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    run = await bench(nursery)
    fault(run, kind="drop", channel="private")
    ws = await subscribed(run)
    await run.alice.limit("buy", "60000")
    await ws.call("ping")
    assert ws.pushes == []


PING = b"GET /api/v4/public/ping HTTP/1.1\r\nhost: v\r\n\r\n"
OPENING = (
    b"GET /ws HTTP/1.1\r\nhost: v\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
OPENINGS: list[tuple[dict[str, Any], bytes]] = [
    ({"kind": "answer", "status": 503}, b"HTTP/1.1 503 "),
    ({"kind": "close"}, b""),
    ({"kind": "drop"}, b"silence"),
    ({"kind": "delay", "seconds": 20}, b"silence"),
    ({"kind": "delay", "seconds": 3}, b"HTTP/1.1 101 "),
]


@pytest.mark.parametrize(("rule", "start"), OPENINGS, ids=[str(case[0]) for case in OPENINGS])
async def test_the_opening_of_a_websocket_is_answered_by_the_plan(
    nursery: trio.Nursery, autojump_clock: MockClock, rule: dict[str, Any], start: bytes
) -> None:
    run = await bench(nursery)
    fault(run, path="/ws", times=1, **rule)
    answer = await opening(run)
    assert answer[: len(start)] == start
    assert answer or rule["kind"] == "close"
    assert (await opening(run)).startswith(b"HTTP/1.1 101 ")
    assert log(run) == [(rule["kind"], "GET /ws")]


@pytest.mark.parametrize("rule", [{"kind": "drop"}, {"kind": "answer", "status": 502}])
@pytest.mark.parametrize("path", ["/ws", "/api/v4/public/*"])
async def test_a_client_that_breaks_off_harms_nobody(rule: dict[str, Any], path: str) -> None:
    async with trio.open_nursery() as nursery:
        run = await bench(nursery, real=True)
        fault(run, path=path, **rule)
        for _ in range(3):
            stream = await run.net.connect(HOST, run.handle.port, tls=False)
            assert isinstance(stream, trio.SocketStream)
            await stream.send_all(OPENING if path == "/ws" else PING)
            await trio.testing.wait_all_tasks_blocked(0.01)
            # With this the socket is closed by a reset, not by an end.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
        run.admin("DELETE", "/faults")
        assert (await run.alice.get("ping"))[0] == 200
        nursery.cancel_scope.cancel()


async def opening(run: Bench) -> bytes:
    """What comes first within 5 s of asking for a WebSocket."""
    async with await run.net.connect(HOST, run.handle.port, tls=False) as stream:
        await stream.send_all(OPENING)
        with trio.move_on_after(5):
            return bytes(await stream.receive_some())
    return b"silence"
