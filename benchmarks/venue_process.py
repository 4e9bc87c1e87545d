"""A paper venue as a child on a core of its own, and raw sockets to load it with.

The load must cost little beside what it measures: requests are built before the clock starts, and
answers are only told apart from each other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Row
from benchmarks.machine import cores_apart

_UNLIMITED = 1_000_000_000
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "
KEYS = tuple((f"demo-{1 + number % 2}", f"key-{number}", f"secret-{number}") for number in range(8))
"""Account, key and secret of each connection."""


class VenueProcess:
    """A running venue."""

    def __init__(self, pid: int, host: str, port: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._pid = pid
        self.host = host
        self.port = port

    def cpu_s(self) -> float:
        """Processor time that the venue has used so far, in seconds."""
        fields = self._stat.read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def waited_ns(self) -> int:
        """How long it has been ready to run while others had its core."""
        return waited_ns(self._pid)

    def connect(self) -> socket.socket:
        """Open a connection without delays."""
        connection = socket.create_connection((self.host, self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextmanager
def venue_process(*options: str) -> Iterator[VenueProcess]:
    """Run a venue without request limits; this process keeps to the other cores meanwhile."""
    ours, its = cores_apart()
    with tempfile.TemporaryDirectory(prefix="quotefold-bench-") as directory:
        config = Path(directory, "venue.toml")
        config.write_text(_config(), "utf-8")
        command = [sys.executable, "-m", "adapters.cli.main", "paper", "--exit-with-parent"]
        command += ["--config", str(config), *options]
        before = os.sched_getaffinity(0)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                host, _, port = json.loads(child.stdout.readline())["rest"][7:].rpartition(":")
                os.sched_setaffinity(child.pid, its)
                os.sched_setaffinity(0, ours)
                yield VenueProcess(child.pid, host, int(port))
            finally:
                os.sched_setaffinity(0, before)
                child.stdin.close()


def waited_ns(pid: int | str = "self") -> int:
    """How long a process has been ready to run while others had its core."""
    with open(f"/proc/{pid}/schedstat", "rb") as schedstat:
        return int(schedstat.read().split()[1])


def _config() -> str:
    paths = ("/api/v4/public/ping", "/api/v4/order/new")
    lines = ["[rest_limits]", *(f'"{path}" = {_UNLIMITED}' for path in paths)]
    for account, key, secret in KEYS:
        lines += ["[[keys]]", f'account = "{account}"', f'key = "{key}"', f'secret = "{secret}"']
    return "\n".join(lines)


def get_request(path: str) -> bytes:
    """A request as a browser-like client would send it, without its many headers."""
    return f"GET {path} HTTP/1.1\r\nHost: venue\r\nAccept: */*\r\n\r\n".encode()


def signed_request(path: str, key: str, secret: str, fields: dict[str, object]) -> bytes:
    """A private request (contract 2), head and body in one piece."""
    body = json.dumps({**fields, "request": path}, separators=(",", ":")).encode()
    payload = base64.b64encode(body)
    signature = hmac.new(secret.encode(), payload, hashlib.sha512).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: venue\r\nContent-Type: application/json\r\n"
        f"X-TXC-APIKEY: {key}\r\nX-TXC-PAYLOAD: {payload.decode()}\r\n"
        f"X-TXC-SIGNATURE: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_answer(connection: socket.socket) -> bytes:
    """Read one answer, body included.

    Raises:
        RuntimeError: it is no 200, or the venue closed.
    """
    data = connection.recv(65536)
    while _missing(data):
        more = connection.recv(65536)
        if not more:
            raise RuntimeError("the venue closed the connection")
        data += more
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"expected 200, the venue answered {data[:300]!r}")
    return data


def _missing(data: bytes) -> bool:
    head, end, body = data.partition(_END_OF_HEAD)
    if not end:
        return True
    length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
    return len(body) < int(length)


def load_rate(name: str, count: int, spent_ns: int, spent_cpu_s: float) -> Row:
    """One row of rates, by the clock and by processor time."""
    figures = {"n": float(count), "by_clock": count * 1e9 / spent_ns}
    if spent_cpu_s:
        figures["by_cpu"] = count / spent_cpu_s
    return Row(name, "/s", figures)
