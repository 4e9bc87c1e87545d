"""Where the lines of a log go: a file, or standard error; neither keeps the loop waiting."""

from __future__ import annotations

import select
from collections import deque
from typing import IO, Protocol

from adapters.ports import AppendFile


class Sink(Protocol):
    def take(self, lines: deque[bytes]) -> None:
        """Remove from the left what was written, or can never be; what is left is tried again."""
        ...


class FileSink:
    """A file of its own; while it cannot be written, the lines are lost and the run goes on."""

    def __init__(self, file: AppendFile) -> None:
        self._file = file

    def take(self, lines: deque[bytes]) -> None:
        batch = b"".join(lines)
        lines.clear()
        try:
            if batch:
                self._file.write(batch)
        except OSError:
            # A full disk, mostly: the journal notices it too, and stops the run.
            return


class StreamSink:
    """Standard error, or another stream with a reader that may be slow or gone."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def take(self, lines: deque[bytes]) -> None:
        # One line a write: a pipe that is ready has room for one, not for any number.
        try:
            while lines and select.select([], [self._stream.fileno()], [], 0)[1]:
                self._stream.write(lines.popleft())
                self._stream.flush()
        except OSError:
            lines.clear()
