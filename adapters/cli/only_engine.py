"""One live engine per account: two would cancel each other's orders and count them as foreign.

The lock lies in the operator's directory and is named by a digest of the key, so another user's
directory or another machine is not covered: the check of the venue's timers warns of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from adapters.ports import Fs
from adapters.whitebit.signing import Secret
from engine.errors import ConfigError

_DIGITS = 16
"""Of the digest: enough to tell keys apart, and no way back to one."""


@contextmanager
def only_engine(fs: Fs, directory: Path, key: Secret) -> Iterator[None]:
    """Hold the account's lock.

    Raises:
        ConfigError: another engine holds it, or it cannot be taken.
    """
    path = directory / f"account-{sha256(key.reveal().encode()).hexdigest()[:_DIGITS]}.lock"
    try:
        fs.make_dir(directory)
        lock = fs.lock(path)
    except BlockingIOError:
        raise ConfigError(
            f"--live: an engine of this account runs already ({path} is locked): one engine per "
            "account; quote further markets by naming them in its configuration"
        ) from None
    except OSError as error:
        raise ConfigError(f"--live: {path}: cannot be locked: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
