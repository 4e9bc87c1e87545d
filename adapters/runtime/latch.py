"""The panic latch: a file that forbids placing, to every engine that looks at its directory.

`quotefold panic` sets it before it asks the venue for anything, so that an engine that goes on, or
wakes up, cannot place again what is being cancelled. The engine looks at each timer, after a
stall, and with the bytes of an order in its hand. Only a human lifts it.

One latch is for everybody, `panic-latch`; an account of several has one of its own beside it,
`panic-latch-NAME`. An engine that was not told its account's name heeds them all: at a timer, since
a directory takes too long to list with an order in the hand.
"""

from __future__ import annotations

from pathlib import Path

from adapters.ports import Fs
from engine.errors import ConfigError

LATCH_NAME = "panic-latch"
LIFT = "quotefold panic --lift"
_REASON_MAX = 200
"""Characters of the file that are worth a place in the journal."""


def latch_name(account: str | None) -> str:
    """Return the name of an account's latch, or of everybody's."""
    return LATCH_NAME if account is None else f"{LATCH_NAME}-{account}"


class Latch:
    """What forbids an engine to place, in one directory.

    Attributes:
        path: Of the latch that is set and lifted here; that it exists is all that counts.
    """

    def __init__(self, fs: Fs, directory: Path, account: str | None = None) -> None:
        """Look into a directory for an account; None stands for an engine that knows no name."""
        self.path = directory / latch_name(account)
        self._fs = fs
        self._account = account
        self._directory = directory
        self._everybody = directory / LATCH_NAME

    def forbids(self) -> bool:
        """Look at once, a microsecond or two; an engine without a name looks at everybody's."""
        if self._fs.exists(self._everybody):
            return True
        return self._account is not None and self._fs.exists(self.path)

    def is_set(self) -> bool:
        """Look at each latch that counts; 15 microseconds where the account has no name.

        Who cannot look must not place either.
        """
        try:
            return self._is_set()
        except OSError:
            return True

    def _is_set(self) -> bool:
        return self.forbids() or (self._account is None and self._found() is not None)

    def _found(self) -> Path | None:
        # The first that is set, everybody's before those of accounts.
        for name in self._fs.list_dir(self._directory):
            own = self._account is None and name.startswith(f"{LATCH_NAME}-")
            if own or name in (LATCH_NAME, self.path.name):
                return self._directory / name
        return None

    def reason(self) -> str:
        """Return what to say of a latch that is set; never empty."""
        try:
            path = self._found() or self.path
            text = self._fs.read(path, 0, _REASON_MAX).decode("utf-8", "replace")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            text = f"it cannot be looked at: {error.strerror or error}"
        return f"panic latch: {' '.join(text.split()) or 'set by hand'}"

    def refuse(self) -> None:
        """Let nothing begin under a latch.

        Raises:
            ConfigError: it is set, or that cannot be told.
        """
        try:
            is_set = self._is_set()
        except OSError as error:
            raise ConfigError(
                f"{self._directory}: expected to look for a panic latch, found: {error}; mend the "
                "directory, or name another under [operator]"
            ) from error
        if is_set:
            raise ConfigError(
                f"{self.reason()} ({self.where()}); once you know that it is safe to quote again, "
                f"lift it with: {self.how_to_lift()}"
            )

    def where(self) -> Path:
        """Return which latch is set; where none is, or nobody can tell, which would be."""
        try:
            return self._found() or self.path
        except OSError:
            return self.path

    def how_to_lift(self) -> str:
        """Return the command that lifts the latch that is set."""
        _, _, account = self.where().name.partition(f"{LATCH_NAME}-")
        return f"quotefold panic --lift --account {account} ACCOUNTS" if account else LIFT

    def set(self, text: str) -> bool:
        """Set that of `path`; returns False when it was set before, which leaves it as it is.

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
        """Remove that of `path`, no other; returns False when it was not set.

        Raises:
            OSError: the file cannot be removed.
        """
        try:
            self._fs.remove(self.path)
        except FileNotFoundError:
            return False
        return True
