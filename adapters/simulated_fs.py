"""An in-memory file tree with the durability of a real disk: what was not synced can be lost."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

_PAGE = 4096  # the unit in which a disk forgets


class Fault(msgspec.Struct, frozen=True):
    """How one call to the file system fails."""

    call: int
    """The how-manieth, counted by `SimFs.calls`."""
    kind: Literal["refused", "short", "done"]
    """Nothing happened; a write took half of its bytes; all of it happened, but it says not."""
    error: int = errno.EIO


class SimFs:
    """Files of a simulated machine, which can crash, fill up, or fail to sync.

    Attributes:
        space_left: Bytes that may still be written before the disk is full; None: no limit.
        fail_syncs: Whether every sync fails from now on.
        syncs: How many syncs succeeded.
        calls: How many calls were made, those to files and locks included; without `exists`,
            which cannot fail.
        fault: How one of them fails.
    """

    def __init__(self) -> None:
        self.space_left: int | None = None
        self.fail_syncs = False
        self.syncs = 0
        self.calls = 0
        self.fault: Fault | None = None
        self._files: dict[Path, _Inode] = {}
        self._dirs: set[Path] = set()
        self._locked: set[Path] = set()
        self._boot = 0  # a file opened before a crash is dead after it

    def make_dir(self, path: Path, *, private: bool = False) -> None:
        with self._called():
            self._dirs.update((path, *path.parents))

    def list_dir(self, path: Path) -> list[str]:
        with self._called():
            entries = [*self._files, *self._dirs]
            return sorted({e.name for e in entries if e.parent == path and e != path})

    def open_new(self, path: Path, *, private: bool = False) -> SimAppendFile:
        with self._called():
            if path in self._files:
                raise FileExistsError(errno.EEXIST, "file exists", str(path))
            if path.parent not in self._dirs:
                raise FileNotFoundError(errno.ENOENT, "no such directory", str(path.parent))
            inode = self._files[path] = _Inode()
            return SimAppendFile(self, inode, self._boot)

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        with self._called():
            data = self._inode(path).data
            return bytes(data[start:] if size < 0 else data[start : start + size])

    def exists(self, path: Path) -> bool:
        return path in self._files or path in self._dirs

    def size(self, path: Path) -> int:
        with self._called():
            return len(self._inode(path).data)

    def mode(self, path: Path) -> int:
        with self._called():
            self._inode(path)
            return 0o600

    def truncate(self, path: Path, size: int, *, rewrite_from: int) -> None:
        with self._called():
            inode = self._inode(path)
            del inode.data[size:]
            inode.rewrite(rewrite_from)
            inode.make_durable()

    def remove(self, path: Path) -> None:
        with self._called():
            self._inode(path)
            del self._files[path]

    def rename(self, path: Path, target: Path) -> None:
        with self._called():
            inode = self._inode(path)
            del self._files[path]
            self._files[target] = inode

    def lock(self, path: Path) -> SimLock:
        with self._called():
            if path in self._locked:
                raise BlockingIOError(errno.EAGAIN, "lock is held", str(path))
            self._files.setdefault(path, _Inode())
            self._locked.add(path)
            return SimLock(self, path, self._boot)

    def overwrite(self, path: Path, data: bytes) -> None:
        """Replace what a file holds, as damage to a disk or a meddler would."""
        inode = self._files[path] = _Inode()
        inode.data += data
        inode.durable = len(data)

    def crash(self, rng: random.Random | None = None) -> None:
        """Stop the machine: open files die, locks are freed, bytes not synced are lost.

        Args:
            rng: None loses all of them. Otherwise it draws, per file, how many survive, and
                which pages of these come out as zeros because only later ones were written.
        """
        self.end_process()
        for path in sorted(self._files):
            self._files[path].crash(rng)

    def end_process(self) -> None:
        """End only the program: open files die, locks are freed, what was written stays."""
        self._boot += 1
        self._locked.clear()

    def _inode(self, path: Path) -> _Inode:
        if path not in self._files:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self._files[path]

    @contextmanager
    def _called(self) -> Iterator[None]:
        self.calls += 1
        fault = self.fault
        if fault is None or fault.call != self.calls:
            yield
            return
        if fault.kind == "done":
            yield
        raise OSError(fault.error, f"the simulated disk failed at call {fault.call}")


class _Inode:
    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = 0
        self._dropped: list[tuple[int, int]] = []  # held for clean, but never on the disk

    def make_durable(self) -> None:
        self.durable = len(self.data)

    def drop(self) -> None:
        """Hold what is not durable for clean, as systems do after a sync that failed."""
        if self.durable < len(self.data):
            self._dropped.append((self.durable, len(self.data)))

    def rewrite(self, start: int) -> None:
        self._dropped = [(first, min(end, start)) for first, end in self._dropped if first < start]

    def crash(self, rng: random.Random | None) -> None:
        kept = self.durable
        if rng is not None:
            kept = rng.randint(self.durable, len(self.data))
            for start in range(self.durable // _PAGE * _PAGE, kept, _PAGE):
                first, end = max(start, self.durable), min(start + _PAGE, kept)
                if rng.random() < 0.25:
                    self.data[first:end] = bytes(end - first)
        del self.data[kept:]
        self.durable = kept
        for first, end in self._dropped:
            self.data[first:end] = bytes(len(self.data[first:end]))
        self._dropped.clear()


class SimAppendFile:
    """A growing file of a `SimFs`."""

    def __init__(self, fs: SimFs, inode: _Inode, boot: int) -> None:
        self._fs = fs
        self._inode = inode
        self._boot = boot

    def write(self, data: bytes | bytearray) -> None:
        self._check_alive()
        try:
            with self._fs._called():
                self._write(data)
        except OSError:
            fault = self._fs.fault
            if fault is not None and (fault.call, fault.kind) == (self._fs.calls, "short"):
                self._inode.data += data[: len(data) // 2]
            raise

    def _write(self, data: bytes | bytearray) -> None:
        space = self._fs.space_left
        if space is not None and len(data) > space:
            self._inode.data += data[:space]  # a full disk takes what still fits
            self._fs.space_left = 0
            raise OSError(errno.ENOSPC, "no space left on the simulated disk")
        if space is not None:
            self._fs.space_left = space - len(data)
        self._inode.data += data

    def sync(self) -> None:
        self._check_alive()
        try:
            with self._fs._called():
                if self._fs.fail_syncs:
                    raise OSError(errno.EIO, "the simulated disk failed to sync")
                self._inode.make_durable()
        except OSError:
            self._inode.drop()
            raise
        self._fs.syncs += 1

    def close(self) -> None:
        """Closing makes nothing durable."""
        with self._fs._called():
            pass

    def _check_alive(self) -> None:
        if self._boot != self._fs._boot:
            raise OSError(errno.EBADF, "this file was open when the machine crashed")


class SimLock:
    """A lock of a `SimFs`."""

    def __init__(self, fs: SimFs, path: Path, boot: int) -> None:
        self._fs = fs
        self._path = path
        self._boot = boot

    def release(self) -> None:
        with self._fs._called():
            if self._boot == self._fs._boot:  # a crash frees all locks: another may hold it now
                self._fs._locked.discard(self._path)
