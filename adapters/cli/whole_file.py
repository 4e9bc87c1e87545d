"""Files that a command writes for its user: whole or not at all, never over one by accident."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.ports import AppendFile, Fs
from engine.errors import ConfigError


def check_target(fs: Fs, path: Path, *, force: bool) -> None:
    """Refuse a file that is there, before any work is done.

    Raises:
        ConfigError: it is there, and was not to be replaced; or it is a directory.
    """
    if fs.exists(path) and (path.is_dir() or not force):
        hint = "is a directory" if path.is_dir() else "--force replaces it"
        raise ConfigError(f"{path}: expected no such file, found one ({hint})")


def write_whole(fs: Fs, path: Path, data: bytes, *, force: bool) -> None:
    """Write a file that appears with all its bytes, or not at all.

    Raises:
        ConfigError: as `check_target`, or it cannot be written.
    """
    check_target(fs, path, force=force)
    with whole_file(fs, path) as file:
        file.write(data)


@contextmanager
def whole_file(fs: Fs, path: Path) -> Iterator[AppendFile]:
    """Give a file to write to, which has its name once all is written; a failure leaves nothing.

    Raises:
        ConfigError: it cannot be written.
    """
    # Written beside it first: a full disk must not cost a file that is to be replaced.
    new = path.with_name(f".{path.name}.new")
    try:
        if fs.exists(new):
            fs.remove(new)
        file = fs.open_new(new)
        try:
            try:
                yield file
                file.sync()
            finally:
                file.close()
            fs.rename(new, path)
        except BaseException:
            with suppress(OSError):
                fs.remove(new)
            raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
