"""Read a journal as records."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from adapters.ports import ReadFs
from adapters.runtime.journal_format import FIRST_SEQ
from adapters.runtime.journal_read import JournalReader
from engine.codec import decode_record, decode_records
from engine.events import Record
from engine.reduce import reduce
from engine.state import State


def read_records(
    fs: ReadFs, directory: Path, until_seq: int | None = None, from_seq: int = FIRST_SEQ
) -> Iterator[Record]:
    """Yield the records of a journal in order, from `from_seq` up to and including `until_seq`.

    Raises:
        JournalError: if a segment is damaged, or a record is not of this schema; whatever came
            before it has been yielded.
    """
    return chain.from_iterable(read_blocks(fs, directory, until_seq, from_seq))


def read_blocks(
    fs: ReadFs, directory: Path, until_seq: int | None = None, from_seq: int = FIRST_SEQ
) -> Iterator[list[Record]]:
    """Yield the same records in lists."""
    for first_seq, payloads in JournalReader(fs, directory).blocks(from_seq):
        if until_seq is not None and first_seq + len(payloads) > until_seq:
            del payloads[max(until_seq + 1 - first_seq, 0) :]
            yield decode_records(payloads)
            return
        block = decode_records(payloads)
        yield block
        if len(block) < len(payloads):
            decode_record(payloads[len(block)])  # raises, and says why


def fold(records: Iterator[Record]) -> State:
    """Return the state after the last of the records."""
    state = State()
    for record in records:
        state = reduce(state, record)
    return state
