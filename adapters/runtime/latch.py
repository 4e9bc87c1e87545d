"""The panic latch: a file that forbids placing, to every engine that looks at its directory.

`quotefold panic` sets it before it asks the venue for anything, so that an engine that goes on, or
wakes up, cannot place again what is being cancelled. The engine looks at each timer, after a
stall, and with the bytes of an order in its hand. Only a human lifts it.
"""

from __future__ import annotations

from pathlib import Path

from adapters.ports import Fs
from engine.errors import ConfigError

LATCH_NAME = "panic-latch"
_REASON_MAX = 200
"""Characters of the file that are worth a place in the journal."""


class Latch:
    """The latch of one directory.

    Attributes:
        path: Of the file; that it exists is all that counts.
    """

    def __init__(self, fs: Fs, directory: Path) -> None:
        self.path = directory / LATCH_NAME
        self._fs = fs

    def is_set(self) -> bool:
        """Look now; a microsecond."""
        return self._fs.exists(self.path)

    def reason(self) -> str:
        """Return what to say of a latch that is set; never empty."""
        try:
            text = self._fs.read(self.path, 0, _REASON_MAX).decode("utf-8", "replace")
        except OSError:
            text = ""
        return f"panic latch: {' '.join(text.split()) or 'set by hand'}"

    def refuse(self) -> None:
        """Let nothing begin under a latch.

        Raises:
            ConfigError: it is set.
        """
        if self.is_set():
            raise ConfigError(
                f"{self.reason()} ({self.path}); once you know that it is safe to quote again, "
                "lift it with: quotefold panic --lift"
            )

    def set(self, text: str) -> bool:
        """Set it; returns False when it was set before, which leaves it as it is.

        Args:
            text: Who and when, for people.

        Raises:
            OSError: the file cannot be written.
        """
        self._fs.make_dir(self.path.parent)
        try:
            file = self._fs.open_new(self.path)
        except FileExistsError:
            return False
        try:
            file.write(text.encode())
            file.sync()
        finally:
            file.close()
        return True

    def lift(self) -> bool:
        """Allow placing again; returns False when it was not set.

        Raises:
            OSError: the file cannot be removed.
        """
        try:
            self._fs.remove(self.path)
        except FileNotFoundError:
            return False
        return True
