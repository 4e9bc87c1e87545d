"""Read a journal as records."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, takewhile
from pathlib import Path

from adapters.ports import Fs
from adapters.runtime.journal_format import FIRST_SEQ
from adapters.runtime.journal_read import JournalReader
from engine.codec import decode_record
from engine.errors import JournalError
from engine.events import Record
from engine.reduce import reduce
from engine.state import State

# Records read and decoded in one go: reading, decoding and folding each run faster when they do not
# take turns at every record. A hundredth of a second of work.
BLOCK = 1024


def read_records(
    fs: Fs, directory: Path, until_seq: int | None = None, from_seq: int = FIRST_SEQ
) -> Iterator[Record]:
    """Yield the records of a journal in order, from `from_seq` up to and including `until_seq`.

    Raises:
        JournalError: if a segment is damaged, or a record is not of this schema; whatever came
            before it has been yielded.
    """
    return chain.from_iterable(read_blocks(fs, directory, until_seq, from_seq))


def read_blocks(
    fs: Fs, directory: Path, until_seq: int | None = None, from_seq: int = FIRST_SEQ
) -> Iterator[list[Record]]:
    """Yield the same records in lists; a list is emptied when the next one is asked for."""
    payloads = JournalReader(fs, directory).payloads(from_seq)
    if until_seq is not None:
        payloads = takewhile(lambda found: found[0] <= until_seq, payloads)
    block: list[Record] = []
    add, decode = block.append, decode_record
    try:
        for _, payload in payloads:
            add(decode(payload))
            if len(block) == BLOCK:
                yield block
                block.clear()
    except JournalError:
        yield block
        raise
    yield block


def fold(records: Iterator[Record]) -> State:
    """Return the state after the last of the records."""
    state = State()
    for record in records:
        state = reduce(state, record)
    return state
