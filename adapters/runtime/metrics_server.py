"""A small HTTP server for `/metrics` and `/healthz`, in the task and on the time of the run.

It runs in the loop's own thread, so a loop that hangs answers nobody, which is what a health check
is to see. One request a connection, a deadline and a limit for each, so no reader can hold it up.
"""

from __future__ import annotations

from collections.abc import Callable

import h11
import msgspec
import trio

from adapters.ports import Net
from adapters.runtime.metrics import Metrics
from adapters.runtime.metrics_text import CONTENT_TYPE, RunCollector
from engine.errors import ConfigError

READERS_MAX = 4
"""Connections at once; a monitoring system has one, a health check another."""
DEADLINE_S = 5.0
"""From the first byte of a connection to its end; a scrape takes milliseconds."""
REQUEST_BYTES_MAX = 8_192

_READ_BYTES = 4_096


class Answer(msgspec.Struct, frozen=True):
    status: int
    content_type: str
    body: bytes


class MetricsServer:
    """Answers what is asked of one run."""

    def __init__(
        self, metrics: Metrics, now_ns: Callable[[], int], journal_bytes: Callable[[], int]
    ) -> None:
        """As for `RunCollector`."""
        self._metrics = metrics
        self._now_ns = now_ns
        self._collector = RunCollector(metrics, now_ns, journal_bytes)
        self._readers = 0

    async def serve(
        self,
        net: Net,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; reports the bound port.

        Raises:
            ConfigError: the address cannot be bound.
        """
        try:
            await net.serve(self._connection, host, port, task_status=task_status)
        except OSError as error:
            what = f"metrics: cannot listen on {host}:{port}: {error.strerror or error}"
            raise ConfigError(f"{what}; choose another port in [metrics]") from error

    def answer(self, method: str, target: str) -> Answer:
        """Return the answer to a request without a body."""
        path = target.partition("?")[0]
        if path not in ("/metrics", "/healthz"):
            return Answer(404, "text/plain", b"not found; there are /metrics and /healthz\n")
        if method not in ("GET", "HEAD"):
            return Answer(405, "text/plain", b"only GET\n")
        if path == "/metrics":
            return Answer(200, CONTENT_TYPE, self._collector.text())
        if self._metrics.is_healthy(self._now_ns()):
            return Answer(200, "text/plain", b"the loop turns\n")
        return Answer(503, "text/plain", b"the loop has not turned for seconds\n")

    async def _connection(self, stream: trio.abc.HalfCloseableStream) -> None:
        try:
            if self._readers >= READERS_MAX:
                return
            self._readers += 1
            try:
                with trio.move_on_after(DEADLINE_S):
                    await self._converse(stream)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                # The reader went away: nothing of the run depends on it.
                return
            finally:
                self._readers -= 1
        finally:
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.abc.HalfCloseableStream) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES_MAX)
        try:
            request = await _request(http, stream)
        except h11.RemoteProtocolError:
            return
        if request is None:
            return
        method = request.method.decode("ascii")
        answer = self.answer(method, request.target.decode("ascii", "replace"))
        head = h11.Response(
            status_code=answer.status,
            headers=[
                ("Content-Type", answer.content_type),
                ("Content-Length", str(len(answer.body))),
                ("Connection", "close"),
            ],
        )
        body = b"" if method == "HEAD" else answer.body
        parts = [http.send(head), http.send(h11.Data(body)), http.send(h11.EndOfMessage())]
        await stream.send_all(b"".join(part or b"" for part in parts))


async def _request(
    http: h11.Connection, stream: trio.abc.HalfCloseableStream
) -> h11.Request | None:
    while True:
        event = http.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        http.receive_data(bytes(await stream.receive_some(_READ_BYTES)))
