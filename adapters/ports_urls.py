"""A read-only file port for what lies at a URL, through fsspec.

Which URLs there are is for fsspec and the packages beside it to say: it knows `file://`,
`memory://` and `zip://` by itself, and caches of them as in `simplecache::`; `s3://` needs s3fs,
`https://` needs aiohttp. It says so where one is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from engine.errors import ConfigError

INSTALL = "`make sweep-extra`, or `pip install --require-hashes -r requirements/sweep.lock`"
"""How the extra `sweep` comes into an environment."""


def is_url(place: str) -> bool:
    """Say whether a place is a URL, not a path."""
    return "://" in place


def without_secrets(place: str) -> str:
    """Return a place as it may be shown: a URL's query and user may be keys."""
    if not is_url(place):
        return place
    return "::".join(_bare(part) for part in place.split("::"))


def name_of(place: str) -> str:
    """Return the last part of a path or URL: what a file is called wherever it lies."""
    if not is_url(place):
        return Path(place).absolute().name
    first = next(part for part in place.split("::") if is_url(part))
    return PurePosixPath(_bare(first)).name


def _bare(part: str) -> str:
    if not is_url(part):
        return part
    url = urlsplit(part)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


class UrlFs:
    """The file at a URL, or the directory and what is in it.

    Attributes:
        path: Of that file or directory; other paths begin with it.
    """

    def __init__(self, url: str) -> None:
        """Find out who serves a URL; nothing is read yet.

        Raises:
            ConfigError: what serves it is not installed.
            OSError: it cannot be reached.
        """
        self.path = Path(without_secrets(url))
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ConfigError(
                f"{without_secrets(url)}: expected the extra `sweep`, by which URLs are read, found"
                f" no package `fsspec`; install it with {INSTALL}, or copy the data here"
            ) from error
        try:
            with _as_os_errors():
                self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"{without_secrets(url)}: expected a URL that fsspec can open here, found: {error}"
            ) from error
        # A worker lives long, and what was listed for the task before may have changed.
        self._files.invalidate_cache()

    def list_dir(self, path: Path) -> list[str]:
        """Names in a directory, sorted; empty when there is no such directory."""
        with _as_os_errors():
            try:
                # Not isdir: for https that would fetch a file, to look for links in it.
                if self._files.info(self._key(path))["type"] != "directory":
                    return []
            except FileNotFoundError:
                return []
            found = self._files.ls(self._key(path), detail=False)
        return sorted({PurePosixPath(name).name for name in found} - {""})

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        """At most `size` bytes (-1: all) of a file from `start`; raises OSError."""
        with _as_os_errors():
            end = None if size < 0 else start + size
            data: bytes = self._files.cat_file(self._key(path), start or None, end)
            return data

    def exists(self, path: Path) -> bool:
        """Say whether there is a file or directory; raises OSError when nobody tells."""
        with _as_os_errors():
            return bool(self._files.exists(self._key(path)))

    def _key(self, path: Path) -> str:
        beyond = path.relative_to(self.path).as_posix()
        return self._root if beyond == "." else f"{self._root.rstrip('/')}/{beyond}"


@contextmanager
def _as_os_errors() -> Iterator[None]:
    # Each file system has errors of its own, and their texts may quote a URL with its keys.
    try:
        yield
    except (OSError, ImportError, ValueError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise OSError(0, type(error).__name__) from error
