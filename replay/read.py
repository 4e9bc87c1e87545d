"""Read a journal as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.ports import Fs
from adapters.runtime.journal_read import JournalReader
from engine.codec import decode_record
from engine.events import Record
from engine.reduce import reduce
from engine.state import State


def read_records(fs: Fs, directory: Path, until_seq: int | None = None) -> Iterator[Record]:
    """Yield the records of a journal in order, up to and including `until_seq`.

    Raises:
        JournalError: if a segment is damaged, or a record is not of this schema.
    """
    for seq, payload in JournalReader(fs, directory).payloads():
        if until_seq is not None and seq > until_seq:
            return
        yield decode_record(payload)


def fold(records: Iterator[Record]) -> State:
    """Return the state after the last of the records."""
    state = State()
    for record in records:
        state = reduce(state, record)
    return state
