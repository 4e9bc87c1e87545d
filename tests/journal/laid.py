"""Segments laid byte by byte, so that a test knows where each record is."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from adapters.runtime.journal_format import (
    FRAME_SIZE,
    HEADER_SIZE,
    NO_HASH,
    Header,
    Kind,
    encode_close,
    encode_header,
    encode_record_frame,
    segment_name,
)
from adapters.runtime.journal_index import Block, JournalIndex, SegmentIndex
from adapters.simulated_fs import SimFs
from tests.journal.helpers import JOURNAL

THIRD = JOURNAL / "00000003.qfj"
LENGTHS = {1: range(1, 10), 2: range(10, 14), 3: range(14, 20)}
"""Seqs by segment: two blocks and a single record, one block, and an open one of six records."""
LAST = 19


def time_ns(seq: int) -> int:
    """Rises with seq, but for 4, 7, 10 and so on, which are taken in before the two before."""
    return 1_000 * seq - (2_500 if seq > 1 and seq % 3 == 1 else 0)


def payload(seq: int, more: str = "") -> bytes:
    return msgspec.msgpack.encode((seq, time_ns(seq), more + "x" * (seq % 5)))


def header(number: int, first_seq: int) -> Header:
    before = LENGTHS.get(number - 1)
    prev_hash = sha256(segment(number - 1, before)).digest() if before else NO_HASH
    return Header(number, Kind.EVENTS, False, first_seq, bytes(32), bytes(32), prev_hash)


def segment(number: int, seqs: range, *, closed: bool = True, more: str = "") -> bytes:
    data = encode_header(header(number, seqs.start))
    for seq in seqs:
        data += encode_record_frame(seq, payload(seq, more))
    return data + encode_close(len(seqs), sha256(data).digest()) if closed else data


def journal() -> SimFs:
    fs = SimFs()
    fs.make_dir(JOURNAL)
    for number, seqs in LENGTHS.items():
        fs.overwrite(JOURNAL / segment_name(number), segment(number, seqs, closed=number < 3))
    return fs


def indexed(fs: SimFs, known: dict[int, SegmentIndex] | None = None) -> JournalIndex:
    return JournalIndex(fs, JOURNAL, known or {})


def pairs(seqs: Iterable[int]) -> list[tuple[int, bytes]]:
    return [(seq, payload(seq)) for seq in seqs]


def sizes(seqs: Iterable[int]) -> int:
    return sum(FRAME_SIZE + len(payload(seq)) for seq in seqs)


def expected(number: int, seqs: range, *, closed: bool) -> SegmentIndex:
    """The index of a segment as it should be, by the sizes of its records."""
    firsts = seqs[::4]
    blocks = tuple(
        Block(
            first,
            HEADER_SIZE + sizes(range(seqs.start, first)),
            min(time_ns(seq) for seq in range(first, min(first + 4, seqs.stop))),
        )
        for first in firsts
    )
    end = HEADER_SIZE + sizes(seqs) + (FRAME_SIZE + 48 if closed else 0)
    head = encode_header(header(number, seqs.start))
    return SegmentIndex(head, end, seqs.stop, closed, blocks)


class Reads(SimFs):
    """Notes which pieces of segments are read."""

    def __init__(self, fs: SimFs) -> None:
        super().__init__()
        self.made: list[tuple[str, int, int]] = []
        self._files, self._dirs = fs._files, fs._dirs

    def read(self, path: Path, start: int = 0, size: int = -1) -> bytes:
        self.made.append((path.name, start, size))
        return super().read(path, start, size)
