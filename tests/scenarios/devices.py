"""A disk, a network and a clock that misbehave when a scenario tells them to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from adapters.simulated import SimClock, SimFs, SimNet, SimStream
from adapters.simulated_fs import SimAppendFile

TORN_BYTES = 40
"""Less than any record has with its frame."""


class Crash(BaseException):
    """The machine stopped in the middle of a call."""


class BentClock(SimClock):
    """The engine's clock, which a scenario may set."""

    def __init__(self) -> None:
        super().__init__()
        self.offset_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.offset_ns


class ScenarioFs(SimFs):
    """A disk that crashes at a sync, before or after it is done.

    Attributes:
        crash_before: Asked before each sync; true stops the machine with the sync not done.
        crash_after: Asked after each sync; true stops the machine with all of it durable.
        before_sync: Called before each sync, to let it take its time.
        torn: Whether a crash keeps what was written, but for the last bytes.
        crashed: Whether the machine stopped and was not repaired since.
    """

    def __init__(self) -> None:
        super().__init__()
        self.crash_before: Callable[[], bool] | None = None
        self.crash_after: Callable[[], bool] | None = None
        self.before_sync: Callable[[], None] | None = None
        self.crashed = self.torn = False

    def open_new(self, path: Path, *, private: bool = False) -> SimAppendFile:
        file = super().open_new(path, private=private)
        real_sync = file.sync

        def sync() -> None:
            if self.before_sync is not None:
                self.before_sync()
            if self.crash_before is not None and self.crash_before():
                self.fall()
                raise Crash
            real_sync()
            if self.crash_after is not None and self.crash_after():
                self.fall()
                raise Crash

        file.sync = sync  # type: ignore[method-assign]
        return file

    def unsynced(self) -> int:
        """Return how many bytes of the files would be lost now."""
        return sum(len(inode.data) - inode.durable for inode in self._files.values())

    def fall(self) -> None:
        """Lose what is not durable; files that are open are dead."""
        self.crashed = True
        if self.torn:
            for inode in self._files.values():
                inode.durable = max(inode.durable, len(inode.data) - TORN_BYTES)
        self.crash()

    def repair(self) -> None:
        """Let the disk work again."""
        self.crashed = self.torn = self.fail_syncs = False
        self.space_left = self.crash_before = self.crash_after = self.before_sync = None


class ScenarioNet(SimNet):
    """A network that can be slow, and that rewrites what the engine reads.

    Attributes:
        extra_s: Seconds that are added to every latency.
        rewrites: What is replaced by something of the same length.
        rewritten: How often something was.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.extra_s = 0.0
        self.rewrites: list[tuple[bytes, bytes]] = []
        self.rewritten = 0

    def latency(self) -> float:
        return super().latency() + self.extra_s

    async def connect(self, host: str, port: int, *, tls: bool) -> SimStream:
        stream = await super().connect(host, port, tls=tls)
        receive = stream.receive_some

        async def receive_some(max_bytes: int | None = None) -> bytes:
            data = await receive(max_bytes)
            for pattern, text in self.rewrites:
                changed, count = re.subn(pattern, text, data)
                assert len(changed) == len(data), "a length that is announced stays"
                data, self.rewritten = changed, self.rewritten + count
            return data

        stream.receive_some = receive_some  # type: ignore[method-assign]
        return stream
