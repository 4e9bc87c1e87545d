"""Where a record is in a journal, by its seq or by its time: reads a piece, not a segment.

The index of a segment can be kept and read again; it counts only while the segment still has the
header by which it was made, which also names the hash of all that came before. Every record that
is read through it is checked against its CRC and its seq, so an index that lies finds nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from adapters.ports import Fs
from adapters.runtime.journal_format import (
    HEADER_SIZE,
    Damage,
    Header,
    Kind,
    Walk,
    decode_header,
    whole_records,
)
from adapters.runtime.journal_packed import PackedReader
from adapters.runtime.journal_read import (
    damage_error,
    is_packed,
    is_unborn,
    load_segment,
    missing_segment,
    packed_path,
    read_head,
    segment_paths,
)
from engine.errors import JournalError

BLOCK = 1024
"""Records between two places of the index: a few milliseconds to read and decode."""
_READ_BLOCKS = 16
"""Blocks that are read at once where many records are wanted, about 2 MiB."""


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some records that follow each other."""

    first_seq: int
    offset: int
    """Of the first one's frame in the plain segment."""
    earliest_ns: int
    """The lowest time at which one of them was taken in."""


class SegmentIndex(msgspec.Struct, frozen=True, array_like=True):
    """Where the records of one segment are."""

    head: bytes
    """Header of the segment, as it is in the file."""
    end: int
    """Offset behind the last record that is known."""
    next_seq: int
    """The seq that follows it."""
    complete: bool
    """Nothing will be added to the segment."""
    blocks: tuple[Block, ...]


class _Stamp(msgspec.Struct, array_like=True, gc=False):
    # How a record begins.
    seq: int
    recv_ns: int


_stamp = msgspec.msgpack.Decoder(_Stamp).decode


class JournalIndex:
    """The places of all records that were in a journal when it was made.

    Attributes:
        segments: By number.
        first_seq: Of the first record; the one that comes next where there is none.
        last_seq: Of the last whole record; one less than `first_seq` where there is none.
        problem: What is damaged behind that record; None where nothing is.
    """

    def __init__(self, fs: Fs, journal: Path, known: Mapping[int, SegmentIndex]) -> None:
        """Index what is not known yet.

        Args:
            fs: Where the journal is.
            journal: Its directory.
            known: Indices made earlier, by the number of their segments.

        Raises:
            JournalError: there is no journal, or it cannot be read.
        """
        self._fs, self._journal = fs, journal
        self.segments: dict[int, SegmentIndex] = {}
        self.problem: JournalError | None = None
        self._packed: tuple[int, PackedReader | None] = (0, None)
        paths = segment_paths(fs, journal)
        if not paths:
            raise JournalError(f"{journal}: expected a journal with segments, found none")
        try:
            self._index_all(paths, known)
        except JournalError as error:
            self.problem = error
        if not self.segments:
            raise self.problem or JournalError(f"{journal}: expected records, found none")
        self._numbers = list(self.segments)
        self._firsts = [_first_seq(segment) for segment in self.segments.values()]
        self.first_seq = self._firsts[0]
        self.last_seq = self.segments[self._numbers[-1]].next_seq - 1

    def head_of(self, seq: int) -> bytes:
        """Return the header of the segment that a record is in, or would be."""
        return self.segments[self._number_of(seq)].head

    def payloads(self, from_seq: int, until_seq: int) -> Iterator[tuple[int, bytes]]:
        """Yield seq and encoded record, both ends included.

        Raises:
            JournalError: one of them is not there, after all before it.
        """
        expected = from_seq
        while expected <= min(until_seq, self.last_seq):
            for seq, payload in self._piece(expected, until_seq):
                if seq > until_seq:
                    return
                if seq >= expected:
                    yield seq, payload
                    expected = seq + 1
        if expected <= until_seq:
            raise self.problem or JournalError(
                f"{self._journal}: expected seq {expected}, found seq {self.last_seq} last"
            )

    def last_before(self, time_ns: int) -> int:
        """Return the last record taken in at or before a time; 0 if none was.

        Times of neighbours may be out of order by what a decision takes, or by a clock that was
        set back between two runs.
        """
        for number in reversed(self.segments):
            for block in reversed(self.segments[number].blocks):
                if block.earliest_ns <= time_ns:
                    first, last = block.first_seq, block.first_seq + BLOCK - 1
                    last = min(last, self.segments[number].next_seq - 1)
                    records = self.payloads(first, last)
                    return max(seq for seq, data in records if _stamp(data).recv_ns <= time_ns)
        return 0

    def _number_of(self, seq: int) -> int:
        return self._numbers[max(0, bisect_right(self._firsts, seq) - 1)]

    def _piece(self, seq: int, until_seq: int) -> Iterator[tuple[int, bytes]]:
        # Records from the block of `seq` on, of one segment, as many as are read at once.
        number = self._number_of(seq)
        segment = self.segments[number]
        blocks = segment.blocks
        at = (seq - blocks[0].first_seq) // BLOCK
        after = min(at + _READ_BLOCKS, (until_seq - blocks[0].first_seq) // BLOCK + 1, len(blocks))
        end = blocks[after].offset if after < len(blocks) else segment.end
        next_seq = blocks[after].first_seq if after < len(blocks) else segment.next_seq
        start = blocks[at].offset
        expected = blocks[at].first_seq
        for found, payload in whole_records(self._read(number, start, end), expected):
            yield found, payload
            expected = found + 1
        if expected != next_seq:
            path = segment_paths(self._fs, self._journal).get(number, self._journal)
            damage = Damage(start, expected, f"whole records up to seq {next_seq - 1}", "others")
            raise damage_error(path, damage)

    def _read(self, number: int, start: int, end: int) -> bytes:
        if self._packed[0] == number and self._packed[1] is not None:
            return self._packed[1].read(start, end)
        path = segment_paths(self._fs, self._journal).get(number)
        if path is None:
            raise JournalError(f"{self._journal}: segment {number} was removed meanwhile")
        try:
            if not is_packed(path):
                try:
                    return self._fs.read(path, start, end - start)
                except FileNotFoundError:
                    path = packed_path(path)  # compressed this very moment
            reader = PackedReader(self._fs.read(path))
        except OSError as error:
            raise JournalError(f"{path}: cannot read: {error}") from error
        self._packed = (number, reader)  # the last one only: its bytes stay in memory
        return reader.read(start, end)

    def _index_all(self, paths: Mapping[int, Path], known: Mapping[int, SegmentIndex]) -> None:
        last = max(paths)
        for number, path in paths.items():
            if self.segments and number - 1 not in self.segments:
                raise missing_segment(self._journal, number - 1, path)
            before = known.get(number)
            data = read_head(self._fs, path)
            head, header = data[:HEADER_SIZE], decode_header(data, number, Kind.EVENTS)
            if isinstance(header, Damage):
                if number == last and is_unborn(data, header):
                    return
                raise damage_error(path, header)
            self._check_follows(path, header)
            if before is not None and before.head == head and before.complete:
                self.segments[number] = before
            else:
                prefix = before if before is not None and before.head == head else None
                self._index(path, header, head, prefix, is_last=number == last)

    def _check_follows(self, path: Path, header: Header) -> None:
        before = self.segments.get(header.number - 1)
        if before is not None and before.next_seq != header.first_seq:
            expected = f"first seq {before.next_seq}"
            raise damage_error(path, Damage(0, before.next_seq, expected, str(header.first_seq)))

    def _index(
        self, path: Path, header: Header, head: bytes, prefix: SegmentIndex | None, *, is_last: bool
    ) -> None:
        data = load_segment(self._fs, path)
        walk = Walk(data, header, check_digest=False)
        blocks: list[Block] = []
        if prefix is not None and _holds(data, prefix):
            # The last block may have been a part of one.
            blocks = list(prefix.blocks[:-1])
            last = prefix.blocks[-1]
            walk.resume(last.offset, last.first_seq)
            walk.count = last.first_seq - header.first_seq
        first_seq = at = earliest_ns = 0
        offset = walk.end
        for seq, payload in walk.records():
            recv_ns = _stamp(payload).recv_ns
            if seq == first_seq + BLOCK or not first_seq:
                if first_seq:
                    blocks.append(Block(first_seq, at, earliest_ns))
                first_seq, at, earliest_ns = seq, offset, recv_ns
            elif recv_ns < earliest_ns:
                earliest_ns = recv_ns
            offset = walk.end
        if first_seq:
            blocks.append(Block(first_seq, at, earliest_ns))
        complete = walk.damage is None and (walk.closed or not is_last)
        self.segments[header.number] = SegmentIndex(
            head, walk.end, walk.next_seq, complete, tuple(blocks)
        )
        if walk.damage is not None and not (is_last and walk.is_torn()):
            raise damage_error(path, walk.damage)


def _holds(data: bytes, index: SegmentIndex) -> bool:
    # A crash may have taken whole records that were read before they were durable.
    if not index.blocks:
        return False
    last = index.blocks[-1]
    return next(whole_records(data[last.offset :], last.first_seq), None) is not None


def _first_seq(segment: SegmentIndex) -> int:
    return segment.blocks[0].first_seq if segment.blocks else segment.next_seq
