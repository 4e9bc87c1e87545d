"""Hashes of the private request bodies as received, to compare with the engine's journal."""

from __future__ import annotations

import hashlib
from collections import deque

import msgspec

from adapters.ports import AppendFile

# About half an hour of one busy engine; older ones remain in the file, if there is one.
BODIES_MAX = 50_000


class BodyHash(msgspec.Struct, frozen=True, gc=False):
    """One private request: its path and the SHA-256 of its body in hexadecimal."""

    path: str
    sha256: str


class BodyLog:
    """The last hashes in order of arrival; also written to a file, one JSON line each."""

    def __init__(self, file: AppendFile | None = None) -> None:
        self._file = file
        self._hashes: deque[BodyHash] = deque(maxlen=BODIES_MAX)

    def add(self, path: str, body: bytes) -> None:
        entry = BodyHash(path, hashlib.sha256(body).hexdigest())
        self._hashes.append(entry)
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")

    def hashes(self) -> list[BodyHash]:
        return list(self._hashes)
