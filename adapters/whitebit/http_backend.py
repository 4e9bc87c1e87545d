"""httpx over the Net port: the same client code on TCP with TLS and in the simulation."""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpcore
import httpx
import trio

from adapters.ports import Net
from adapters.whitebit.idle import is_readable

_CONNECT_TIMEOUT_S = 5.0
# Far above any deadline of the engine: these only end calls that would never end, since a call
# given up from outside would leak its place in the pool.
_PHASE_TIMEOUT_S = 60.0


def make_http_client(net: Net, *, limits: httpx.Limits) -> httpx.AsyncClient:
    """Build an HTTP/1.1 client whose connections come from `net`.

    Args:
        net: Where connections are opened; TLS of an https URL is added on top.
        limits: Connections at once and kept idle. `keepalive_expiry` is not used: it is measured
            on the wall clock. A connection that the server closed is seen by being readable.
    """
    context = ssl.create_default_context()
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    # httpx has no public way to pass a network backend; the transport around it maps requests
    # and exceptions, which is worth one private name.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=context,
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=None,
        network_backend=NetBackend(net),
    )
    timeout = httpx.Timeout(_PHASE_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)


class NetBackend(httpcore.AsyncNetworkBackend):
    """Opens the connections of an httpcore pool through the Net port."""

    def __init__(self, net: Net) -> None:
        self._net = net

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError), _limit(timeout):
            return _NetStream(await self._net.connect(host, port, tls=False))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class _NetStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> bytes:
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError), _limit(timeout):
            return bytes(await self._stream.receive_some(max_bytes))

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> None:
        if buffer:
            with _mapped(httpcore.WriteTimeout, httpcore.WriteError), _limit(timeout):
                await self._stream.send_all(buffer)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        stream = trio.SSLStream(
            self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True
        )
        try:
            with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError), _limit(timeout):
                await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return _NetStream(stream)

    def get_extra_info(self, info: str) -> Any:
        """Answer what the pool asks for: is an idle connection readable, that is, closed?"""
        stream: Any = self._stream
        if info == "ssl_object" and isinstance(stream, trio.SSLStream):
            return stream._ssl_object
        if info == "is_readable":
            return is_readable(stream)
        return None


@contextmanager
def _mapped(on_timeout: type[Exception], on_error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except trio.TooSlowError as error:
        raise on_timeout(str(error)) from error
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError) as error:
        raise on_error(str(error)) from error


def _limit(timeout_s: float | None) -> AbstractContextManager[trio.CancelScope]:
    return trio.fail_after(math.inf if timeout_s is None else timeout_s)
