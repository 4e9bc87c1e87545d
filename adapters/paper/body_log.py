"""Hashes of the private request bodies as received, to compare with the engine's journal."""

from __future__ import annotations

import hashlib
import sys
from collections import deque

import msgspec

from adapters.ports import AppendFile

# Two minutes of an engine with 400 requests a second, 5 MB; older ones remain in the file, if
# there is one.
BODIES_MAX = 50_000


class BodyHash(msgspec.Struct, frozen=True, gc=False):
    """One private request: its path and the SHA-256 of its body in hexadecimal."""

    path: str
    sha256: str


class BodyLog:
    """The last hashes in order of arrival; also written to a file, one JSON line each."""

    def __init__(self, file: AppendFile | None = None) -> None:
        self._file = file
        # Apart and as bytes, since a `BodyHash` takes twice the memory.
        self._paths: deque[str] = deque(maxlen=BODIES_MAX)
        self._digests: deque[bytes] = deque(maxlen=BODIES_MAX)

    def add(self, path: str, body: bytes) -> None:
        """Note a body; `path` is one of the few private endpoints, kept once each."""
        digest = hashlib.sha256(body).digest()
        self._paths.append(sys.intern(path))
        self._digests.append(digest)
        if self._file is not None:
            self._file.write(msgspec.json.encode(BodyHash(path, digest.hex())) + b"\n")

    def hashes(self) -> list[BodyHash]:
        """Return the last `BODIES_MAX`, oldest first."""
        return [
            BodyHash(path, digest.hex())
            for path, digest in zip(self._paths, self._digests, strict=True)
        ]
