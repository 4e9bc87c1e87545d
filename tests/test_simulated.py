"""The simulated ports: in-memory network and disk, and the promise of one seed, one run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
import wsproto.frame_protocol
from trio._core import _run

from adapters.ports import NS_PER_S
from adapters.simulated import SimClock, SimIds, SimNet, SimStream, run_deterministic
from adapters.whitebit.http_backend import make_http_client
from tests import simulated_world

HOST, PORT = "venue.test", 443


async def discard(stream: trio.abc.Stream) -> None:
    while await stream.receive_some(4096):
        pass


async def echo(stream: trio.abc.HalfCloseableStream) -> None:
    received = b""
    while chunk := await stream.receive_some(4096):
        received += chunk
    await stream.send_all(received)
    await stream.send_eof()


async def read_all(stream: trio.abc.Stream) -> bytes:
    received = b""
    while chunk := await stream.receive_some():
        received += chunk
    return received


# --- determinism ---------------------------------------------------------------------------------


def run_world_elsewhere(seed: int, hash_seed: int) -> tuple[str, int, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulated_world", str(seed), "20"],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=tuple[str, int, float])


@pytest.mark.slow
def test_one_seed_gives_one_trace_in_every_process() -> None:
    first = run_world_elsewhere(7, hash_seed=1)
    second = run_world_elsewhere(7, hash_seed=2)
    other = run_world_elsewhere(8, hash_seed=1)
    assert first == second
    assert first[1] > 80
    assert other[0] != first[0]


@pytest.mark.slow
def test_virtual_time_outruns_real_time() -> None:
    started = time.perf_counter()
    _, events, virtual_s = run_deterministic(simulated_world.live, 3, 60, seed=3)
    real_s = time.perf_counter() - started
    assert events > 240
    assert virtual_s / real_s > 10  # about 50 to 100 on an idle machine


def test_patched_libraries_are_restored_even_after_a_failure() -> None:
    async def fail() -> None:
        assert _run._ALLOW_DETERMINISTIC_SCHEDULING
        assert vars(wsproto.frame_protocol)["os"] is not os
        raise ValueError("stop")

    random.seed(5)
    before = (random.getstate(), _run._r.getstate(), _run._ALLOW_DETERMINISTIC_SCHEDULING)
    with pytest.raises(ValueError, match="stop"):
        run_deterministic(fail, seed=1)
    after = (random.getstate(), _run._r.getstate(), _run._ALLOW_DETERMINISTIC_SCHEDULING)
    assert after == before
    assert vars(wsproto.frame_protocol)["os"] is os


def test_virtual_clock_counts_what_was_slept() -> None:
    async def sleep() -> tuple[int, int]:
        clock = SimClock(epoch_ns=10 * NS_PER_S)
        before = clock.now_ns()
        await trio.sleep(3600.25)
        return before, clock.now_ns()

    assert run_deterministic(sleep, seed=1) == (10 * NS_PER_S, 3610_250_000_000)


def test_seeded_ids_repeat_and_differ_by_seed() -> None:
    first, second, other = SimIds(1), SimIds(1), SimIds(2)
    drawn = [first.token(8), first.token(8)]
    assert drawn == [second.token(8), second.token(8)]
    assert drawn[0] != drawn[1]
    assert len(drawn[0]) == 16
    assert other.token(8) != drawn[0]
    assert 0 <= first.uniform() < 1


# --- network -------------------------------------------------------------------------------------


def test_half_closed_stream_still_receives_everything_in_order() -> None:
    async def talk() -> bytes:
        net = SimNet(1)
        async with trio.open_nursery() as nursery:
            await nursery.start(net.serve, echo, HOST, PORT)
            stream = await net.connect(HOST, PORT, tls=True)
            for number in range(200):
                await stream.send_all(b"%04d" % number)
            await stream.send_eof()
            with pytest.raises(trio.ClosedResourceError):
                await stream.send_all(b"too late")
            received = await read_all(stream)
            nursery.cancel_scope.cancel()
        return received

    assert run_deterministic(talk, seed=1) == b"".join(b"%04d" % n for n in range(200))


def test_bytes_take_time_and_arrive_in_drawn_chunks() -> None:
    async def talk() -> tuple[float, int]:
        net, sizes = SimNet(4), []
        async with trio.open_nursery() as nursery:
            await nursery.start(net.serve, echo, HOST, PORT)
            stream = await net.connect(HOST, PORT, tls=False)
            started = trio.current_time()
            await stream.send_all(bytes(1_000_000))
            await stream.send_eof()
            while chunk := await stream.receive_some():
                sizes.append(len(chunk))
            passed = trio.current_time() - started
            nursery.cancel_scope.cancel()
        assert sum(sizes) == 1_000_000
        return passed, len(set(sizes))

    passed, different_sizes = run_deterministic(talk, seed=1)
    assert 0.001 < passed < 1
    assert different_sizes > 1


def test_nobody_listening_refuses_the_connection() -> None:
    async def connect() -> None:
        await SimNet(1).connect(HOST, PORT, tls=False)

    with pytest.raises(ConnectionRefusedError):
        run_deterministic(connect, seed=1)


def test_port_zero_takes_free_ports_and_a_taken_one_is_refused() -> None:
    async def serve() -> tuple[int, int]:
        net = SimNet(1)
        async with trio.open_nursery() as nursery:
            first: int = await nursery.start(net.serve, discard, HOST, 0)
            second: int = await nursery.start(net.serve, discard, HOST, 0)
            with pytest.raises(OSError, match="address in use"):
                await net.serve(discard, HOST, first)
            nursery.cancel_scope.cancel()
        return first, second

    first, second = run_deterministic(serve, seed=1)
    assert first != second


def test_reset_breaks_both_ends_and_counts_open_connections() -> None:
    async def talk() -> list[str]:
        net, seen = SimNet(1), []

        async def serve_one(stream: trio.abc.Stream) -> None:
            try:
                await discard(stream)
            except trio.BrokenResourceError:
                seen.append("server broken")

        async with trio.open_nursery() as nursery:
            await nursery.start(net.serve, serve_one, HOST, PORT)
            stream = await net.connect(HOST, PORT, tls=False)
            closed = await net.connect(HOST, PORT, tls=False)
            await closed.aclose()
            assert net.reset_all() == 1
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"x")
            await trio.sleep(1)
            assert net.reset_all() == 0
            assert not net.reset_one()
            nursery.cancel_scope.cancel()
        return seen

    assert run_deterministic(talk, seed=1) == ["server broken"]


def test_sender_waits_for_a_reader_that_does_not_read() -> None:
    async def talk() -> tuple[bool, bool]:
        net = SimNet(1)
        streams: list[SimStream] = []

        async def hold(stream: trio.abc.Stream) -> None:
            assert isinstance(stream, SimStream)
            streams.append(stream)
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            await nursery.start(net.serve, hold, HOST, PORT)
            stream = await net.connect(HOST, PORT, tls=False)
            await stream.send_all(bytes(5 << 20))
            with trio.move_on_after(60) as waited:
                await stream.send_all(b"more")
            nursery.start_soon(discard, streams[0])
            with trio.move_on_after(60) as waited_again:
                await stream.send_all(b"more")
            nursery.cancel_scope.cancel()
        return waited.cancelled_caught, waited_again.cancelled_caught

    assert run_deterministic(talk, seed=1) == (True, False)


# --- HTTP over the port --------------------------------------------------------------------------


def test_http_client_reuses_connections_and_notices_closed_ones() -> None:
    async def call() -> tuple[int, list[int]]:
        net, opened, statuses = SimNet(1), [0], []

        async def serve_one(stream: trio.abc.Stream) -> None:
            opened[0] += 1
            await simulated_world.echo_http(stream)

        async with trio.open_nursery() as nursery:
            await nursery.start(net.serve, serve_one, HOST, PORT)
            async with make_http_client(net, limits=simulated_world.LIMITS) as client:
                for number in range(4):
                    response = await client.post(f"http://{HOST}:{PORT}/", content=b"x")
                    statuses.append(response.status_code)
                    await trio.sleep(3600)
                    if number == 1:
                        net.reset_all()  # the pool sees it before the next request goes out
            nursery.cancel_scope.cancel()
        return opened[0], statuses

    assert run_deterministic(call, seed=1) == (2, [200, 200, 200, 200])


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("nobody listens", httpx.ConnectError),
        ("the server closes without an answer", httpx.RemoteProtocolError),
        ("the server never answers", httpx.ReadTimeout),
        ("the server resets", httpx.ReadError),
        ("the server does not speak TLS", httpx.ConnectError),
    ],
)
def test_http_failures_map_to_the_exceptions_of_httpx(
    what: str, error: type[httpx.TransportError]
) -> None:
    async def misbehave(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        if what == "the server never answers":
            await trio.sleep_forever()
        if what == "the server does not speak TLS":
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        if what == "the server resets":
            assert isinstance(stream, SimStream)
            stream.reset()

    async def call() -> None:
        net = SimNet(1)
        scheme = "https" if what == "the server does not speak TLS" else "http"
        async with trio.open_nursery() as nursery:
            if what != "nobody listens":
                await nursery.start(net.serve, misbehave, HOST, PORT)
            async with make_http_client(net, limits=simulated_world.LIMITS) as client:
                with pytest.raises(error):
                    await client.get(f"{scheme}://{HOST}:{PORT}/")
            nursery.cancel_scope.cancel()

    run_deterministic(call, seed=1)
