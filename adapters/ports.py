"""The four doors to the world: Clock, Ids, Net, Fs.

Nothing else in the project reads a clock, draws a random number, opens a socket or a file, so the
whole program runs under virtual time, an in-memory network and injected faults (`adapters/
simulated.py` has that second set). Sleeping is `trio.sleep`, which the virtual clock drives too.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import ssl
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import trio

NS_PER_S = 1_000_000_000
_SOCKET_PATH_MAX = 104  # of `sockaddr_un`, on the systems that give least
_PIECE = 1 << 20


class Clock(Protocol):
    """Time as nanoseconds since the Unix epoch, never stepping back within one process."""

    def now_ns(self) -> int: ...


class Ids(Protocol):
    """The only source of randomness."""

    def token(self, size: int) -> str:
        """Draw `size` random bytes as lower-case hexadecimal text."""
        ...

    def uniform(self) -> float:
        """Draw a float in [0, 1), for jitter."""
        ...


Handler = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


class Net(Protocol):
    """Byte streams to and from other processes."""

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """Open a stream on which nothing is left to agree about.

        Raises:
            OSError: nothing answers.
            trio.BrokenResourceError: it does not speak TLS, or is not who it should be.
        """
        ...

    async def serve(
        self,
        handler: Handler,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept streams for ever, each handled in a task of its own; reports the bound port."""
        ...


class LocalNet(Protocol):
    """As `Net`, between processes of one machine; a path is the address."""

    async def connect_local(self, path: Path) -> trio.abc.Stream:
        """Open a stream to a process of this machine; raises OSError when nothing answers."""
        ...

    async def serve_local(
        self,
        handler: Handler,
        path: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """As `Net.serve`, at a path that only its owner may use and that is gone afterwards."""
        ...


class AppendFile(Protocol):
    """A file that only grows."""

    def write(self, data: bytes | bytearray) -> None:
        """Append all of `data`; raises OSError if any byte was not accepted."""
        ...

    def sync(self) -> None:
        """Return once everything written is durable (`fdatasync`)."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    def release(self) -> None: ...


class ReadFs(Protocol):
    """What readers need of files; paths are real paths or keys of a tree elsewhere."""

    def list_dir(self, path: Path) -> list[str]:
        """Names in a directory, sorted; empty when there is no such directory."""
        ...

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        """At most `size` bytes (-1: all) of a file from `start`; raises FileNotFoundError."""
        ...

    def exists(self, path: Path) -> bool:
        """Say whether there is a file or directory; False where we may not look."""
        ...


class Fs(ReadFs, Protocol):
    """Synchronous file access; paths are real paths or keys of an in-memory tree."""

    def make_dir(self, path: Path, *, private: bool = False) -> None:
        """Create a directory and its parents, durable, or leave the one that exists.

        What is created is for its owner alone if `private`, and else as the umask says.
        """
        ...

    def open_new(self, path: Path, *, private: bool = False) -> AppendFile:
        """Create a file for appending; raises FileExistsError. Its directory entry is durable.

        It is for its owner alone if `private`, and else as the umask says.
        """
        ...

    def size(self, path: Path) -> int: ...

    def mode(self, path: Path) -> int:
        """Permission bits of a file, such as 0o600; raises FileNotFoundError."""
        ...

    def truncate(self, path: Path, size: int, *, rewrite_from: int) -> None:
        """Cut a file to `size` bytes, and make all of it durable.

        What lies from `rewrite_from` on is written again in place: after a sync that failed, a
        system may hold pages for clean that never reached the disk.
        """
        ...

    def remove(self, path: Path) -> None:
        """Remove a file, durable; raises FileNotFoundError."""
        ...

    def rename(self, path: Path, target: Path) -> None:
        """Put a file in the place of another, or of none, whole and durable."""
        ...

    def lock(self, path: Path) -> Lock:
        """Take an exclusive lock on a file, created if missing; raises BlockingIOError if held."""
        ...


# Unlike CLOCK_MONOTONIC it counts what a machine has slept: an engine that wakes up would else be
# behind the venue for ever, and find no stall. A partial, since it is read at every frame.
_since_boot_ns = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)


class SystemClock:
    """Wall time read once, then carried by the time since boot, so it never steps back."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - _since_boot_ns()

    def now_ns(self) -> int:
        return self._offset_ns + _since_boot_ns()


class SystemIds:
    """The operating system's randomness."""

    def token(self, size: int) -> str:
        return secrets.token_hex(size)

    def uniform(self) -> float:
        return secrets.randbits(53) / (1 << 53)


class SystemNet:
    """TCP, with TLS where asked."""

    async def connect(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        stream = await trio.open_tcp_stream(host, port)
        if not tls:
            return stream
        context = self._tls_context
        secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        try:
            await secure.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(secure)
            raise
        return secure

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        # Reading the trusted certificates takes tens of milliseconds.
        return ssl.create_default_context()

    async def serve(
        self,
        handler: Handler,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        listeners = await trio.open_tcp_listeners(port, host=host)
        bound: int = listeners[0].socket.getsockname()[1]
        task_status.started(bound)
        await trio.serve_listeners(handler, listeners)

    async def connect_local(self, path: Path) -> trio.abc.Stream:
        with _short(path) as short:
            return await trio.open_unix_socket(short)

    async def serve_local(
        self,
        handler: Handler,
        path: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM) as sock:
            with _short(path) as short:
                await sock.bind(short)
            try:
                # Nobody can connect before it listens.
                os.chmod(path, 0o600)
                sock.listen()
                task_status.started()
                await trio.serve_listeners(handler, [trio.SocketListener(sock)])
            finally:
                _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    # The kernel takes no path of a socket beyond 107 bytes, but one through an open directory.
    if len(os.fsencode(path)) < _SOCKET_PATH_MAX:
        yield str(path)
        return
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


class _SystemAppendFile:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class _SystemLock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        os.close(self._fd)


class SystemFs:
    """The operating system's files."""

    def make_dir(self, path: Path, *, private: bool = False) -> None:
        missing = [part for part in (path, *path.parents) if not part.exists()]
        for part in reversed(missing):
            part.mkdir(0o700 if private else 0o777, exist_ok=True)
            _sync_dir(part.parent)
        # Where something else is there, it says so.
        path.mkdir(exist_ok=True)

    def list_dir(self, path: Path) -> list[str]:
        return sorted(os.listdir(path)) if path.is_dir() else []

    def open_new(self, path: Path, *, private: bool = False) -> AppendFile:
        mode = 0o600 if private else 0o644
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, mode)
        _sync_dir(path.parent)
        return _SystemAppendFile(fd)

    def open_append(self, path: Path) -> AppendFile:
        """Open a file at its end, or create it, for this user alone."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return _SystemAppendFile(fd)

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)

    def exists(self, path: Path) -> bool:
        return os.access(path, os.F_OK)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def mode(self, path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    def truncate(self, path: Path, size: int, *, rewrite_from: int) -> None:
        fd = os.open(path, os.O_RDWR)
        try:
            os.ftruncate(fd, size)
            at = rewrite_from
            while piece := os.pread(fd, _PIECE, at):
                at += os.pwrite(fd, piece, at)
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        path.unlink()
        _sync_dir(path.parent)

    def rename(self, path: Path, target: Path) -> None:
        path.replace(target)
        _sync_dir(target.parent)

    def free_bytes(self, path: Path) -> int:
        """Bytes that this user may still write to the disk that holds `path`."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def lock(self, path: Path) -> Lock:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return _SystemLock(fd)


class SystemDatagrams:
    """Datagrams to a socket of this machine, such as that of the service manager."""

    def __init__(self, address: str) -> None:
        """Send to a path, or to an abstract name when it begins with `@`."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, data: bytes) -> None:
        """Send without waiting; raises OSError when nobody listens or the queue is full."""
        self._socket.sendto(data, self._address)

    def close(self) -> None:
        self._socket.close()


def _sync_dir(path: Path) -> None:
    # A new name is only durable once its directory is.
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
