"""What waits to be sent on one WebSocket: bounded, so a slow reader hurts only itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

# About 800 full 100-level depth snapshots: a client this far behind has stopped reading.
OUTBOX_MAX_BYTES = 4 * 1024 * 1024
_TEXT_FINAL = 0x81


def frame(payload: bytes) -> bytes:
    """Wrap a payload as one unmasked WebSocket text frame, once for all its receivers."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT_FINAL, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT_FINAL, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT_FINAL, 127)) + size.to_bytes(8, "big") + payload


def payload(framed: bytes) -> bytes:
    """Unwrap what `frame` wrapped."""
    return framed[{126: 4, 127: 10}.get(framed[1], 2) :]


class FrameTap(Protocol):
    """What a plan of faults puts before an outbox; it calls `queue` for what is to be sent."""

    def push(self, framed: bytes) -> None: ...

    def due_s(self) -> float: ...

    def release(self, *, everything: bool = False) -> None: ...


class Outbox:
    """Frames in order; past the byte limit it closes itself and its connection is dropped."""

    def __init__(self, max_bytes: int = OUTBOX_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._frames: list[bytes] = []
        self._size = 0
        self._waiter: trio.Event | None = None
        self.closed = False
        # Ends the connection even while its writer waits for a reader that takes nothing.
        self.on_close: Callable[[], None] | None = None
        self.tap: FrameTap | None = None

    def push(self, framed: bytes) -> None:
        """Queue one frame; a full outbox closes instead of growing or dropping frames."""
        if self.tap is None:
            self.queue(framed)
        elif not self.closed:
            self.tap.push(framed)

    def queue(self, framed: bytes) -> None:
        """Queue one frame that no fault befalls any more."""
        if self.closed:
            return
        if self._size + len(framed) > self._max_bytes:
            self.close()
            return
        self._frames.append(framed)
        self._size += len(framed)
        self.wake()

    def close(self) -> None:
        """Drop what waits; the writer ends and the connection is closed without a close frame."""
        self.closed = True
        self._frames.clear()
        self.wake()
        if self.on_close is not None:
            self.on_close()

    async def take(self) -> bytes:
        """Wait for frames and return all of them; empty once closed."""
        if self.tap is not None:
            self.tap.release()
        while not self._frames and not self.closed:
            self._waiter = trio.Event()
            if self.tap is None:
                await self._waiter.wait()
            else:
                with trio.move_on_at(self.tap.due_s()):
                    await self._waiter.wait()
                self._release_due()
        data = b"".join(self._frames)
        self._frames.clear()
        self._size = 0
        return data

    def _release_due(self) -> None:
        # The plan may have been cleared while the writer waited.
        if self.tap is not None:
            self.tap.release()

    def wake(self) -> None:
        """Let the writer look again at what it waits for."""
        if self._waiter is not None:
            self._waiter.set()
            self._waiter = None
