"""The directory of `quotefold paper --state`: a journal of the venue's inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.paper.admin import server as admin
from adapters.paper.config import VenueConfig
from adapters.paper.state import FORMAT, State
from adapters.ports import Fs, SystemClock, SystemIds
from adapters.runtime.journal import JournalWriter
from adapters.runtime.journal_read import JournalReader, list_segments, read_headers
from engine.errors import ConfigError


class JournalStore:
    """The journal of a venue as its state sees it."""

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer

    def append(self, payload: bytes) -> None:
        """Add an entry; raises JournalError once the disk has failed."""
        self._writer.append(self._writer.next_seq, payload)

    def flush(self) -> None:
        """Write what was added: it survives the end of this process, however it ends."""
        self._writer.flush()
        self._writer.catch_up()

    def close(self) -> None:
        """Make everything durable and let others take the directory."""
        self._writer.close()


def open_state(fs: Fs, directory: Path, config: VenueConfig) -> tuple[State, JournalStore]:
    """Take a directory, new or of an earlier venue.

    Raises:
        JournalError: if another venue holds it, or it is damaged.
        ConfigError: if it belongs to other markets, accounts or keys, or another version.
    """
    schema_hash = hashlib.sha256(FORMAT).digest()
    config_hash = hashlib.sha256(
        msgspec.json.encode((config.exchange, config.keys, config.history_s))
    ).digest()
    _check_headers(fs, directory, schema_hash, config_hash)
    writer, found = JournalWriter.open(fs, directory, schema_hash, config_hash)
    store = JournalStore(writer)
    try:
        past = _past(fs, directory, found.next_seq)
        clock, ids = SystemClock(), SystemIds()
        return State(store, past, admin.perform, clock=clock, ids=ids), store
    except BaseException:
        store.close()
        raise


def _past(fs: Fs, directory: Path, next_seq: int) -> Iterator[bytes]:
    for seq, payload in JournalReader(fs, directory).payloads():
        if seq >= next_seq:
            return
        yield payload


def _check_headers(fs: Fs, directory: Path, schema_hash: bytes, config_hash: bytes) -> None:
    first = next(read_headers(fs, directory), None) if list_segments(fs, directory) else None
    if first is None:
        return
    if first.schema_hash != schema_hash:
        raise ConfigError(
            f"--state {directory}: another version of the venue kept it; use that one or a new "
            "directory"
        )
    if first.config_hash != config_hash:
        raise ConfigError(
            f"--state {directory}: it belongs to other markets, accounts or keys; start it with "
            "the same --config, or use a new directory"
        )
