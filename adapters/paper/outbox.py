"""What waits to be sent on one WebSocket: bounded, so a slow reader hurts only itself."""

from __future__ import annotations

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


class Outbox:
    """Frames in order; past the byte limit it closes itself and its connection is dropped."""

    def __init__(self, max_bytes: int = OUTBOX_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._frames: list[bytes] = []
        self._size = 0
        self._waiter: trio.Event | None = None
        self.closed = False

    def push(self, framed: bytes) -> None:
        """Queue one frame; a full outbox closes instead of growing or dropping frames."""
        if self.closed:
            return
        if self._size + len(framed) > self._max_bytes:
            self.close()
            return
        self._frames.append(framed)
        self._size += len(framed)
        self._wake()

    def close(self) -> None:
        """Drop what waits; the writer ends and the connection is closed without a close frame."""
        self.closed = True
        self._frames.clear()
        self._wake()

    async def take(self) -> bytes:
        """Wait for frames and return all of them; empty once closed."""
        while not self._frames and not self.closed:
            self._waiter = trio.Event()
            await self._waiter.wait()
        data = b"".join(self._frames)
        self._frames.clear()
        self._size = 0
        return data

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.set()
            self._waiter = None
