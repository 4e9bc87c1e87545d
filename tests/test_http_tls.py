"""TLS over the Net port: the HTTP client and plain streams trust a certificate, and only that."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from adapters.ports import Handler, SystemNet
from adapters.whitebit.http_backend import make_http_client
from adapters.whitebit.lanes import Lanes, Withheld
from adapters.whitebit.urls import parse_url
from tests.simulated_world import LIMITS, echo_http

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate"),
]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A fresh self-signed certificate for localhost, with its key in the same file."""
    path = tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    out = ["-keyout", str(path), "-out", str(tmp_path / "public.pem")]
    subprocess.run([*command.split(), *names, *out], check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "public.pem").read_text())
    return path


async def serve_tls(
    certificate: Path,
    handler: Handler,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def accept(stream: trio.SocketStream) -> None:
        wrapped = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await handler(wrapped)  # type: ignore[arg-type]
        except (trio.BrokenResourceError, ssl.SSLError):
            return  # the client that does not trust us leaves in the middle of the handshake

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(accept, listeners)


async def test_requests_reuse_one_trusted_connection(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    opened = [0]

    async def echo(stream: trio.abc.Stream) -> None:
        opened[0] += 1
        await echo_http(stream)

    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(partial(serve_tls, certificate, echo))
        async with make_http_client(SystemNet(), limits=LIMITS) as client:
            for body in (b"first", b"second"):
                response = await client.post(f"https://localhost:{port}/", content=body)
                assert response.content == body
        async with Lanes(SystemNet(), parse_url(f"https://localhost:{port}/")) as lanes:
            for body in (b"third", b"fourth"):
                assert await lanes.post("/", [], body) == (200, body)
        stream = await SystemNet().connect("localhost", port, tls=True)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 200")
        await stream.aclose()
        nursery.cancel_scope.cancel()
    assert opened == [3]


async def test_untrusted_certificate_is_refused(certificate: Path) -> None:
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(partial(serve_tls, certificate, echo_http))
        async with make_http_client(SystemNet(), limits=LIMITS) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://localhost:{port}/")
        async with Lanes(SystemNet(), parse_url(f"https://localhost:{port}/")) as lanes:
            with pytest.raises(trio.BrokenResourceError):
                await lanes.post("/", [], b"secret")
        nursery.cancel_scope.cancel()


async def test_what_is_forbidden_while_a_connection_is_made_does_not_leave(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    latched, received = trio.Event(), [b""]

    async def hear(stream: trio.abc.Stream) -> None:
        await trio.sleep(0.05)  # the client has connected, and waits for our part of the handshake
        latched.set()
        received.append(bytes(await stream.receive_some(1000)))

    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(partial(serve_tls, certificate, hear))
        async with Lanes(SystemNet(), parse_url(f"https://localhost:{port}/")) as lanes:
            with pytest.raises(Withheld):
                await lanes.post("/", [], b"an order", latched.is_set)
        nursery.cancel_scope.cancel()
    assert b"".join(received) == b""


async def test_a_handshake_that_is_not_answered_ends_with_the_time_to_connect(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr("adapters.whitebit.lanes.CONNECT_TIMEOUT_S", 0.1)

    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(partial(serve_tls, certificate, silent))
        async with Lanes(SystemNet(), parse_url(f"https://localhost:{port}/")) as lanes:
            with trio.fail_after(2), pytest.raises(trio.TooSlowError):
                await lanes.post("/", [], b"an order")
            assert not lanes._idle
        nursery.cancel_scope.cancel()
