"""`/metrics` and `/healthz` over real HTTP, and readers that behave badly."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from adapters.ports import SystemNet
from adapters.runtime.metrics import Metrics
from adapters.runtime.metrics_server import DEADLINE_S, READERS_MAX, MetricsServer
from engine import events as e
from engine.errors import ConfigError
from tests.cli.kit import NOON, quoting


def server(now_ns: int = NOON) -> MetricsServer:
    metrics = Metrics()
    metrics.observe(quoting(), e.Record(2, NOON, 0, e.TimerFired()))
    return MetricsServer(metrics, lambda: now_ns, lambda: 0)


def fetched(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    try:
        with urlopen(Request(url, method=method), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize(
    ("method", "target", "status", "start"),
    [
        ("GET", "/metrics", 200, b"# HELP quotefold_"),
        ("GET", "/metrics?name=x", 200, b"# HELP quotefold_"),
        ("HEAD", "/metrics", 200, b""),
        ("GET", "/healthz", 200, b"the loop turns"),
        ("GET", "/", 404, b"not found"),
        ("POST", "/metrics", 405, b"only GET"),
    ],
)
async def test_what_is_asked_is_answered(
    method: str, target: str, status: int, start: bytes
) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(server().serve, SystemNet(), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{port}{target}"
        found = await trio.to_thread.run_sync(fetched, url, method)
        nursery.cancel_scope.cancel()
    assert (found[0], found[1].startswith("text/plain")) == (status, True)
    assert found[2].startswith(start)
    assert bool(found[2]) is bool(start)


def test_a_loop_that_hangs_is_not_healthy() -> None:
    answer = server(NOON + 60 * 10**9).answer("GET", "/healthz")
    assert (answer.status, answer.body) == (503, b"the loop has not turned for seconds\n")


async def test_a_port_that_is_taken_is_refused_with_its_name() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"metrics: cannot listen on 127.0.0.1:{port}"):
            await server().serve(SystemNet(), "127.0.0.1", port)


class Counted:
    """A network whose only handler is called by the test."""

    def __init__(self) -> None:
        self.handler: Any = None

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        raise OSError

    async def serve(
        self,
        handler: Any,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        self.handler = handler
        task_status.started(port)
        await trio.sleep_forever()


async def until_closed(stream: trio.abc.ReceiveStream) -> bytes:
    received = b""
    while part := await stream.receive_some():
        received += bytes(part)
    return received


GARBAGE = [
    b"\x00\xff\r\n\r\n",
    b"GET /metrics\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000,
    json.dumps({"no": "http"}).encode() + b"\r\n",
    b"",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: repr(text[:24]))
async def test_garbage_closes_its_connection_and_no_other(
    garbage: bytes, autojump_clock: MockClock
) -> None:
    net = Counted()
    async with trio.open_nursery() as nursery:
        await nursery.start(server().serve, net, "127.0.0.1", 1)
        ours, theirs = memory_stream_pair()
        nursery.start_soon(net.handler, theirs)
        await ours.send_all(garbage)
        await ours.send_eof()
        assert b"200" not in await until_closed(ours)
        good, theirs = memory_stream_pair()
        nursery.start_soon(net.handler, theirs)
        await good.send_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await until_closed(good)).startswith(b"HTTP/1.1 200")
        nursery.cancel_scope.cancel()


async def test_readers_that_say_nothing_are_few_and_leave(autojump_clock: MockClock) -> None:
    net = Counted()
    async with trio.open_nursery() as nursery:
        await nursery.start(server().serve, net, "127.0.0.1", 1)
        began = trio.current_time()
        silent = []
        for _ in range(READERS_MAX):
            ours, theirs = memory_stream_pair()
            nursery.start_soon(net.handler, theirs)
            silent.append(ours)
        await trio.testing.wait_all_tasks_blocked()
        one_more, theirs = memory_stream_pair()
        nursery.start_soon(net.handler, theirs)
        assert await until_closed(one_more) == b""
        assert trio.current_time() == began
        for each in silent:
            assert await until_closed(each) == b""
        assert trio.current_time() == began + DEADLINE_S
        nursery.cancel_scope.cancel()
